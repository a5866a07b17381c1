"""Plain data, as tools take and return it, in a form that templates can show: text, fields, a table, or JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

MAX_ROWS = 100
"""How many rows of a table or a list are shown."""

MAX_COLUMNS = 12
"""A list of objects with more keys than this is no table."""

SUMMARY_LENGTH = 60
"""Length limit of a summary, in characters."""

EMPTY = "—"


@dataclass(frozen=True, slots=True)
class DataView:
    """The variables ``call.input_data`` and ``call.output_data`` of a tool's template.

    ``kind`` is ``text``, ``json``, ``list``, ``fields``, ``table`` or, for nothing at all, empty.
    """

    kind: str = ""
    text: str = ""
    """Of a ``text``; of ``json``, indented."""
    columns: Sequence[str] = ()
    """The headings of a ``table``."""
    rows: Sequence[Any] = ()
    """The texts of a ``list``; the rows of a ``table``, as texts; the label of each field and its ``DataView``."""
    more: int = 0
    """How many rows are left out."""


def data_view(value: Any) -> DataView:
    """Choose how to show a value: flat data as text, fields, list or table; what is deeper as JSON."""
    if value is None or value == "" or value == {} or value == []:
        return DataView()
    if isinstance(value, dict):
        return DataView("fields", rows=[(label(key), _field(part)) for key, part in value.items()])
    if not isinstance(value, list):
        return DataView("text", written(value))
    if all(map(_is_flat, value)):
        return DataView("list", rows=[written(part) for part in value[:MAX_ROWS]], more=_more(value))
    return _table(value) or DataView("json", indented(value))


def _field(value: Any) -> DataView:
    """Return the value of a field: text, or JSON if it is deep."""
    if _is_flat(value):
        return DataView("text", written(value))
    if isinstance(value, list) and all(map(_is_flat, value)):
        return DataView("text", ", ".join(map(written, value)) or EMPTY)
    return DataView("json", indented(value)) if value else DataView("text", EMPTY)


def _table(rows: list[Any]) -> DataView | None:
    """Return a list of flat objects as a table; ``None`` if it is something else."""
    if not all(isinstance(row, dict) and all(map(_is_flat, row.values())) for row in rows):
        return None
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if not keys or len(keys) > MAX_COLUMNS:
        return None
    cells = [[written(row[key]) if key in row else "" for key in keys] for row in rows[:MAX_ROWS]]
    return DataView("table", columns=[label(key) for key in keys], rows=cells, more=_more(rows))


def _more(rows: Sequence[Any]) -> int:
    return max(0, len(rows) - MAX_ROWS)


def _is_flat(value: Any) -> bool:
    return not isinstance(value, dict | list)


def label(name: str) -> str:
    """Return the name of a tool or a key in words."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def written(value: Any) -> str:
    """Write a flat value as text, truth values in the active language. Numbers may be ids, so they stay as they are."""
    if value is None or value == "":
        return EMPTY
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    return value if isinstance(value, str) else json.dumps(value)


def indented(value: Any) -> str:
    """Return a value as indented JSON; on one line where it is too deep for that."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        return "…"


def input_summary(value: Mapping[str, Any]) -> str:
    """Return the flat values of a call's input in one short line, such as ``status: open, limit: 5``."""
    return _pairs(value.items())


def output_summary(value: Any) -> str:
    """Return one short line about a result: how many there are, its first values, or the beginning of its text."""
    if isinstance(value, list):
        return ngettext("%(count)d result", "%(count)d results", len(value)) % {"count": len(value)}
    if isinstance(value, dict):
        return _pairs(value.items())
    return "" if value is None or value == "" else _short(written(value))


def _pairs(items: Iterable[tuple[str, Any]]) -> str:
    flat = ((key, part) for key, part in items if _is_flat(part) and part is not None and part != "")
    return _short(", ".join(f"{key.replace('_', ' ')}: {written(part)}" for key, part in flat))


def _short(text: str) -> str:
    return Truncator(" ".join(text.split())).chars(SUMMARY_LENGTH)
