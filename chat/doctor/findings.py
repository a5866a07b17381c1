"""What the doctor has found."""

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Level(enum.Enum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; the chat works."""
    WRONG = "WRONG"


class Finding(NamedTuple):
    """One finding: what was seen and, unless all is well, what was expected and what to change."""

    level: Level
    seen: str
    expected: str = ""
    change: str = ""


def ok(seen: str) -> Finding:
    """Make a finding about something that is as it should be."""
    return Finding(Level.OK, seen)


def note(seen: str, change: str) -> Finding:
    """Make a finding that does not keep the chat from working."""
    return Finding(Level.NOTE, seen, "", change)


def wrong(seen: str, expected: str, change: str) -> Finding:
    """Make a finding that keeps the chat from working as it should."""
    return Finding(Level.WRONG, seen, expected, change)


def lines(finding: Finding) -> Iterator[str]:
    """Write a finding as lines of text."""
    yield f"{finding.level.value:6} {finding.seen}"
    if finding.expected:
        yield f"       Expected: {finding.expected}"
    if finding.change:
        yield f"       To change: {finding.change}"


def count_wrong(findings: Iterable[Finding]) -> int:
    """Count the findings that are wrong."""
    return sum(finding.level is Level.WRONG for finding in findings)
