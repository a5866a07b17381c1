"""Encodes the results of tools: as plain data, which may have sources in it, and not longer than they may be."""

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet

from ..sources import MARK
from ..text import storable, storable_value
from .sources import Source

MAX_RESULT = 65_536
"""Length limit of a result, in characters of its JSON."""

MAX_SOURCES = 50
"""How many sources one result has; the list is cut before the next one."""

CUT = "[The result was longer and was cut here.]"


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        """Encode what JSON lacks, but no row of the database: which of its columns may the model read?"""
        if isinstance(o, Model | QuerySet):
            raise TypeError(
                f"A tool returned a {type(o).__name__}: name the fields that the model may read, "
                'as in list(queryset.values("number", "total")).'
            )
        if isinstance(o, Source):
            raise TypeError("A tool returned a Source inside of another value: expected a Source or a list of them.")
        return super().default(o)


def encoded(result: Any) -> str:
    """Encode a result as JSON, with lazy texts in the active language.

    Raises ``TypeError`` or ``ValueError`` if it is not plain data, apart from a ``Source`` or a list with sources.
    """
    items = list(result) if isinstance(result, list | tuple) else [result]
    for item in items:
        if isinstance(item, dict) and MARK in item:
            raise TypeError(f"A tool returned a dict with the key {MARK!r}, which is the app's own: return a Source.")
    if not any(isinstance(item, Source) for item in items):
        return _json(result)
    if isinstance(result, Source):
        return _json(result.stored())
    return _fitting(items)


def decoded(text: str) -> Any:
    """Return an encoded result as it is stored; one that is too long as the beginning of its JSON, with a sentence."""
    if len(text) <= MAX_RESULT:
        return storable_value(json.loads(text))
    return f"{storable(text[:MAX_RESULT])} {CUT}"


def _fitting(items: list[Any]) -> str:
    """Encode a list with sources, whole items only: what does not fit is left out, with a sentence in its place."""
    kept: list[str] = []
    room, sources = MAX_RESULT - len(_json([CUT])), 0
    for item in items:
        is_source = isinstance(item, Source)
        text = _json(item.stored() if isinstance(item, Source) else item)
        room, sources = room - len(text) - 1, sources + is_source
        if room < 0 or sources > MAX_SOURCES:
            kept.append(_json(CUT))
            break
        kept.append(text)
    return f"[{','.join(kept)}]"


def _json(value: Any) -> str:
    return json.dumps(value, cls=_Encoder, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
