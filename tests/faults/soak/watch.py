"""The memory, descriptors and logs of a site's processes, over the whole run."""

import asyncio
import bisect
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.faults.promises import MEGABYTE
from tests.faults.site import Site
from tests.faults.soak.ledger import Ledger

WARM_UP = 120.0
"""How long a process may keep allocating permanent memory after its start, in seconds."""

LONG_ENOUGH = 600.0
"""A shorter series of memory is reported but not judged, in seconds."""

STEEPEST = 1.0
"""MB per minute."""

AFTER = 15.0
"""How long after the end of an outage its traces may still appear in the log, in seconds."""

ALLOWED = {
    "restart postgres": re.compile(
        # Django and psycopg, wherever the database is used meanwhile: pages, handshakes, heartbeats, turns.
        r"(django\.db\.utils|psycopg(_pool)?(\.errors|\.pool)?)\.(Operational|Interface)Error|psycopg_pool\.PoolTimeout"
    ),
    # channels_redis logs itself, once a second, that its subscription broke.
    "kill redis": re.compile(r"redis\.exceptions\.(Connection|Timeout|BusyLoading)Error"),
    "freeze redis": re.compile(r"redis\.exceptions\.(Connection|Timeout)Error"),
}
"""The last exception of a traceback that an outage may leave in the log while it lasts. Any other is a violation."""


@dataclass
class Outage:
    """A fault from beginning to end; ``end`` is infinite while it lasts. ``clock`` is its beginning by the clock."""

    name: str
    begin: float
    end: float = float("inf")
    clock: float = field(default_factory=time.time)


class Watch:
    """Samples the processes at intervals, until it is cancelled."""

    def __init__(self, site: Site, ledger: Ledger) -> None:
        self.outages: list[Outage] = []
        self._site = site
        self._ledger = ledger
        self._memory: defaultdict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
        self._read: defaultdict[Path, list[tuple[int, float]]] = defaultdict(list)

    async def sample(self) -> None:
        while True:
            for number, process in enumerate(self._site.processes):
                path = self._site.folder / f"process{number}.log"
                self._read[path].append((path.stat().st_size, self._ledger.now))
                if process.alive:
                    rss = psutil.Process(process.process.pid).memory_info().rss / MEGABYTE
                    self._memory[number, process.process.pid].append((self._ledger.now, rss))
            await asyncio.sleep(1)

    def slopes(self) -> Iterator[str]:
        """Yield a line for each process that lived for a while; report a violation if its memory grows."""
        for (number, pid), series in self._memory.items():
            warm = [(at, rss) for at, rss in series if at >= series[0][0] + WARM_UP]
            if len(warm) < 30:
                continue
            lasted, slope = warm[-1][0] - warm[0][0], 60 * _slope(warm)
            judged = lasted >= LONG_ENOUGH
            quarters = ", ".join(f"{warm[(len(warm) - 1) * n // 4][1]:.1f}" for n in range(5))
            yield (
                f"memory of process {number} ({pid}): {quarters} MB in the {lasted:.0f} s after its warm-up, "
                f"{slope:+.2f} MB/min{'' if judged else ' (too short to judge)'}"
            )
            if judged and slope > STEEPEST:
                self._ledger.violate("I6", f"the memory of process {number} grows by {slope:.2f} MB a minute")

    def tracebacks(self) -> Iterator[str]:
        """Yield a line for each kind of traceback that an outage explains; report all others as violations."""
        explained: Counter[str] = Counter()
        for path, marks in self._read.items():
            for offset, exception in _exceptions(path.read_bytes()):
                at = bisect.bisect([size for size, _ in marks], offset)
                when = marks[min(at, len(marks) - 1)][1]
                if name := self._outage_of(exception, when):
                    explained[f"{name}: {exception.partition(':')[0]}"] += 1
                else:
                    self._ledger.violate("log", f"{path.name} has at {when:.0f} s: {exception[:200]}")
        for kind, count in sorted(explained.items()):
            yield f"tracebacks of {kind}: {count}"

    def _outage_of(self, exception: str, when: float) -> str:
        for outage in self.outages:
            pattern = ALLOWED.get(outage.name)
            if pattern and pattern.match(exception) and outage.begin <= when <= outage.end + AFTER:
                return outage.name
        return ""


def _slope(series: list[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line."""
    count = len(series)
    mean_x, mean_y = sum(x for x, _ in series) / count, sum(y for _, y in series) / count
    spread = sum((x - mean_x) ** 2 for x, _ in series)
    return sum((x - mean_x) * (y - mean_y) for x, y in series) / spread


def _exceptions(log: bytes) -> Iterator[tuple[int, str]]:
    """Yield the last exception of each traceback, with its position in the log."""
    last: tuple[int, str] | None = None
    inside, offset, quiet = False, 0, 0
    for raw in log.splitlines(keepends=True):
        line = raw.decode(errors="replace").rstrip("\n")
        if "Traceback (most recent call last)" in line:
            chained = last is not None and quiet <= 4  # "During handling of the above exception, ..."
            if last is not None and not chained:
                yield last
            inside, last = True, None
        elif inside and line and not line.startswith((" ", "\t", "|")):
            inside, last, quiet = False, (offset, line), 0
        else:
            quiet += 1
        offset += len(raw)
    if last is not None:
        yield last
