"""Reduces an endpoint's usage report to what a database can store. No I/O."""

import math
from typing import Any

MAX_DEPTH = 4
MAX_INTEGER = 2**53
"""The largest integer that every JSON parser reads exactly."""


def figures(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the numbers of a usage report, nested as in the report; ``None`` for ``None``.

    Leave out strings and lists, which no bill depends on.
    """
    return None if usage is None else _figures(usage, MAX_DEPTH)


def _figures(values: dict[str, Any], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if not (name.isascii() and name.isprintable()):
            continue
        if isinstance(value, dict) and depth:
            kept[name] = _figures(value, depth - 1)
        elif value is None or (isinstance(value, int | float) and math.isfinite(value) and abs(value) <= MAX_INTEGER):
            kept[name] = value
    return kept
