"""Tells the living processes from the dead ones, without comparing anybody's time of day."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from ..conf import conf


def clock() -> float:
    """Return seconds on a clock that nobody can set. It counts sleep where the system can (on Linux)."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class _Row(NamedTuple):
    heartbeat: datetime
    since: float


class Watch:
    """The rows of other processes, each with the moment at which this process saw it change.

    A heartbeat is only compared with the one before: any other value, an older one too, is a sign of life. How long
    there was none is measured by the watcher's own clock, so it does not matter what time the machines believe it is.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._looked = clock()

    def look(self, heartbeats: Mapping[str, datetime]) -> None:
        """Take the heartbeats of all watched processes as they are now; a row that is missing is forgotten."""
        now = clock()
        # If the database, this process or the whole machine was away, nobody could be seen to beat meanwhile.
        if now - self._looked > conf.process_timeout / 2:
            self.restart()
        self._looked = now
        self._rows = {process: self._row(process, heartbeat) for process, heartbeat in heartbeats.items()}

    def _row(self, process: str, heartbeat: datetime) -> _Row:
        known = self._rows.get(process)
        return known if known and known.heartbeat == heartbeat else _Row(heartbeat, self._looked)

    def restart(self) -> None:
        """Forget all rows: every process gets the whole time again to show that it lives."""
        self._rows.clear()

    def stalled(self, times: int = 1) -> set[str]:
        """Return the processes whose rows have not changed for ``times * CHAT["PROCESS_TIMEOUT"]``, as last looked."""
        latest = self._looked - times * conf.process_timeout
        return {process for process, row in self._rows.items() if row.since <= latest}

    @property
    def alive(self) -> int:
        """The number of processes that are not stalled."""
        return len(self._rows) - len(self.stalled())
