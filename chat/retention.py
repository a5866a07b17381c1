"""The kind of ``CHAT["RETENTION"]``: how long conversations are kept, by the kind of their owner."""

import re
from datetime import timedelta
from typing import Any

from .setting import Kind

KINDS = ("anonymous", "user")
"""The kinds of owners: visitors without an account, and users."""

UNITS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
"""The units of durations, in the singular."""

MOST = 100 * UNITS["year"]
"""The longest duration. With a much longer one, databases could not compute the time."""

_DURATION = re.compile(rf"([0-9]{{1,3}}(?:_?[0-9]{{1,3}}){{0,2}}) +({'|'.join(UNITS)})s?")


def duration(value: Any) -> timedelta:
    """Read a duration: a ``timedelta``, or a text such as ``"30 days"`` or ``"1 year"``.

    Raises ``ValueError`` if it is something else, not above 0, or longer than ``MOST``.
    """
    found = value if isinstance(value, timedelta) else _read(value)
    if found is None or not timedelta() < found <= MOST:
        units = ", ".join(f"{unit}s" for unit in UNITS)
        expected = f'a timedelta, or a whole number of {units}, such as "30 days"; above 0 and at most 100 years'
        raise ValueError(f"{expected}, got {value!r}")
    return found


def _read(value: Any) -> timedelta | None:
    matched = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(matched[1]) * UNITS[matched[2]] if matched else None


def read(value: Any) -> dict[str, timedelta]:
    """Read the setting. Raises ``ValueError`` if it is wrong."""
    if wrong := wrong_part(value):
        raise ValueError(wrong)
    return {kind: duration(given) for kind, given in value.items()}


def wrong_part(value: Any) -> str:
    """Say which entry of the setting is wrong, and what was expected there; empty if it is right."""
    if not isinstance(value, dict):
        return f"It must be a dictionary, got a value of type {type(value).__name__}."
    for kind, given in value.items():
        if kind not in KINDS:
            return f"{kind!r} is not a kind of owner; the kinds are {', '.join(KINDS)}."
        try:
            duration(given)
        except ValueError as error:
            return f'The entry "{kind}" must be {error}.'
    return ""


EXPECTED = 'a dictionary of durations by kind of owner, such as {"anonymous": "30 days", "user": "2 years"}'


def complaint(value: Any) -> str:
    """Say what is wrong with the setting, behind its name; empty if nothing is."""
    wrong = wrong_part(value)
    return wrong and f" must be {EXPECTED}, got {value!r}. {wrong}"


RETENTION = Kind[dict[str, timedelta]](read, lambda value: not wrong_part(value), EXPECTED, complain=complaint)
