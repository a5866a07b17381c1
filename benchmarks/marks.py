"""Times inside tokens: the upstream writes when it sent a token into the token, and the clients read it.

A mark is a percent sign and four digits of base 36 that count tenths of a millisecond, and so it starts again after
168 s. Neither JSON nor Markdown nor HTML changes these characters, so that a client finds the marks in the bytes of any
format, without parsing them. The marks of one stream always grow.
"""

import re
import time

UNIT = 1e-4
"""Seconds that one step of a mark counts."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = [(first + second).encode() for first in _DIGITS for second in _DIGITS]
TURN = len(_PAIRS) ** 2
"""The number of steps after which marks start again."""

MARK = re.compile(rb"%([0-9a-z]{4})")


def now() -> int:
    """Return the steps of the clock that all processes of the machine share."""
    return int(time.monotonic() / UNIT)


def encoded(steps: int) -> bytes:
    """Return the four digits of a time."""
    high, low = divmod(steps % TURN, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[low]


def decoded(digits: bytes) -> int:
    """Return the steps of a mark, less than ``TURN``."""
    return int(digits, 36)


def seconds_between(earlier: int, later: int) -> float:
    """Return the time between two marks; 0 if the first is ahead, as marks of one moment are, which have to grow."""
    steps = (later - earlier) % TURN
    return steps * UNIT if steps < TURN // 2 else 0.0


def follows(mark: int, last: int) -> bool:
    """Tell whether a mark is later than another of the same stream."""
    return 0 < (mark - last) % TURN < TURN // 2
