"""Tells living processes from dead ones, without comparing the clocks of different machines."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from ..conf import conf


def clock() -> float:
    """Return the seconds of a clock that cannot be set. On Linux it also counts the time that the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class _Row(NamedTuple):
    heartbeat: datetime
    since: float


class Watch:
    """The heartbeats of other processes, each with the time at which this process saw it change.

    A heartbeat is only compared with its previous value: any other value, even an older one, is a sign of life. The
    time without one is measured by the watcher's own clock, so the machines' clocks need not agree.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._looked = clock()

    def look(self, heartbeats: Mapping[str, datetime]) -> None:
        """Take the current heartbeats of all watched processes; forget the processes that have none any more."""
        now = clock()
        # While the database, this process or the machine was away, no heartbeat could be seen: start again.
        if now - self._looked > conf.process_timeout / 2:
            self.restart()
        self._looked = now
        self._rows = {process: self._row(process, heartbeat) for process, heartbeat in heartbeats.items()}

    def _row(self, process: str, heartbeat: datetime) -> _Row:
        known = self._rows.get(process)
        return known if known and known.heartbeat == heartbeat else _Row(heartbeat, self._looked)

    def restart(self) -> None:
        """Forget all heartbeats, so that every process has the whole timeout again to show that it is alive."""
        self._rows.clear()

    def stalled(self, times: int = 1) -> set[str]:
        """Return the processes that had shown no change for ``times * CHAT["PROCESS_TIMEOUT"]`` at the last look."""
        changed_before = self._looked - times * conf.process_timeout
        return {process for process, row in self._rows.items() if row.since <= changed_before}

    @property
    def alive(self) -> int:
        """Count the processes that are not stalled."""
        return len(self._rows) - len(self.stalled())
