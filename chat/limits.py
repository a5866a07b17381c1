"""The grammar of limits: how much of a measure may be used in each window of time.

``{"answers": "5/minute 30/day", "cost": "2.00/day"}``: one or more numbers for each measure, each with its window.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any, NamedTuple

WINDOWS = ("minute", "hour", "day", "month")
"""The windows are fixed, in UTC: the minutes of the clock, the days and months of the calendar."""

ANSWERS, TOKENS, COST = MEASURES = ("answers", "tokens", "cost")
WHO = ("anonymous", "user", "address", "site")
"""Whose use is counted: that of each visitor without an account, of each user, of each address, and of all together."""

UNITS = 10**9
"""A cost is counted in billionths of the currency, because whole numbers add up exactly in every database."""

MOST = 10**9
"""No limit is larger."""

EXPECTED = 'a number and a window, such as "30/day", or several, such as "5/minute 30/day"'
EXAMPLE = '{"anonymous": {"answers": "30/day"}, "site": {"cost": "50.00/day"}}'

_LIMIT = re.compile(rf"(\d[\d_]*(?:\.\d+)?)/({'|'.join(WINDOWS)})")


class Limit(NamedTuple):
    """At most so much of a measure in each window; a cost is in ``UNITS``."""

    most: int
    window: str

    def around(self, now: datetime) -> tuple[datetime, datetime]:
        """Return when the window that a time belongs to begins, and when the next one does."""
        begin = now.astimezone(UTC).replace(second=0, microsecond=0)
        if self.window == "minute":
            return begin, begin + timedelta(minutes=1)
        begin = begin.replace(minute=0)
        if self.window == "hour":
            return begin, begin + timedelta(hours=1)
        begin = begin.replace(hour=0)
        if self.window == "day":
            return begin, begin + timedelta(days=1)
        begin = begin.replace(day=1)
        return begin, (begin + timedelta(days=31)).replace(day=1)

    def text(self, measure: str) -> str:
        """Return the limit as it is written in the settings, such as "30/day", without needless zeros."""
        most = Decimal(self.most) / UNITS if measure == COST else Decimal(self.most)
        return f"{most.normalize():f}/{self.window}"


Limits = dict[str, tuple[Limit, ...]]
"""Limits by their measure."""


def units(cost: Decimal) -> int:
    """Return a cost in ``UNITS``, rounded up."""
    return int((cost * UNITS).to_integral_value(ROUND_CEILING))


def read_all(given: Any) -> dict[str, Limits]:
    """Read the value of ``CHAT["LIMITS"]``. Raises ``ValueError`` with what is wrong, behind the setting's name."""
    if not isinstance(given, dict):
        raise ValueError(f" must be a dictionary like {EXAMPLE}, got a value of type {type(given).__name__}.")
    for who in given:
        if who not in WHO:
            raise ValueError(f"[{who!r}] is not known: the keys are {_named(WHO)}.")
    found = {}
    for who, limits in given.items():
        try:
            found[who] = read(limits)
        except ValueError as error:
            raise ValueError(f'["{who}"]{error}') from None
    return found


def read(given: Any) -> Limits:
    """Read the limits of one kind of visitor, or of an assistant. Raises ``ValueError`` with what is wrong."""
    if not isinstance(given, Mapping):
        raise ValueError(f' must be a dictionary like {{"answers": "30/day"}}, got a value of type {_kind(given)}.')
    return {measure: tuple(_read(measure, text)) for measure, text in given.items()}


def _read(measure: Any, text: Any) -> Iterator[Limit]:
    if measure not in MEASURES:
        raise ValueError(f"[{measure!r}] is not known: the measures are {_named(MEASURES)}.")
    found = text.split() if isinstance(text, str) else []
    if not found:
        raise ValueError(f'["{measure}"] must be {EXPECTED}, got {text!r}.')
    for each in found:
        match = _LIMIT.fullmatch(each)
        if match is None:
            raise ValueError(f'["{measure}"] must be {EXPECTED}, got {each!r}; the windows are {_named(WINDOWS)}.')
        number = Decimal(match[1].replace("_", ""))
        if not 0 < number <= MOST:
            raise ValueError(f'["{measure}"] must be more than 0 and at most {MOST:,}, got {each!r}.')
        if measure != COST and number != int(number):
            raise ValueError(f'["{measure}"] must be a whole number, got {each!r}.')
        yield Limit(units(number) if measure == COST else int(number), match[2])


def complaint(given: Any) -> str:
    """Say what is wrong with the value of ``CHAT["LIMITS"]``, as the rest of a sentence; empty if nothing is."""
    try:
        read_all(given)
    except ValueError as error:
        return str(error)
    return ""


def window_complaint(given: Any) -> str:
    """Say what is wrong with the limits of a setting that has only one measure; empty if nothing is."""
    try:
        list(_read(ANSWERS, given))
    except ValueError as error:
        return str(error).removeprefix(f'["{ANSWERS}"]')
    return ""


def read_one(text: str) -> tuple[Limit, ...]:
    """Read the limits of a setting that has only one measure. Raises ``ValueError``."""
    return tuple(_read(ANSWERS, text))


def _named(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _kind(value: Any) -> str:
    return type(value).__name__
