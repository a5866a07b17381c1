"""One measurement: a crowd of visitors at one server, and what it costs."""

import itertools
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from .clients import Meter, crowd
from .harness import cpu, run, tell
from .servers import Running, Servers, Subject

PATIENCE = 30.0
"""Seconds that a crowd may take longer than its answers need at their pace. A server that needs more is overloaded."""

QUIET = 0.01
"""Seconds of CPU in a tenth of a second below which a server has nothing left to do."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Reading:
    """What one crowd has cost: the server's CPU from the first connection to the last close, and the clients' times."""

    streams: int
    length: int
    cpu: float
    busy: float
    firsts: list[float]
    latency: "Latency"
    steady: "Latency | None"
    """The latency of the tokens that were sent after all streams had begun; ``None`` if there were none."""

    @property
    def cost(self) -> float:
        """Return the seconds of CPU of one answer."""
        return self.cpu / self.streams


@dataclass(frozen=True)
class Latency:
    """The time from the model's send of a token to its receipt, in seconds: of most tokens, and of the slow ones."""

    p50: float
    p99: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> "Latency":
        return cls(quantile(latencies, 0.5), quantile(latencies, 0.99))


@dataclass(frozen=True)
class Split:
    """The cost of an answer as two parts, in seconds: what every turn costs, and what every token adds."""

    fixed: float
    marginal: float


def split(short: Reading, long: Reading) -> Split:
    """Solve cost = fixed + tokens * marginal, for two lengths of answers."""
    marginal = (long.cost - short.cost) / (long.length - short.length)
    return Split(short.cost - short.length * marginal, marginal)


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, with the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Machine:
    """How busy a core is, with everything that runs on it."""

    def __init__(self, core: int | None) -> None:
        self._core = core
        self._began = self._times()

    def busy(self) -> float:
        """Return the busy share of the core, or of all cores, since the object was made."""
        idle, whole = (now - then for now, then in zip(self._times(), self._began, strict=True))
        return 1 - idle / whole if whole else 0.0

    def _times(self) -> tuple[float, float]:
        times = psutil.cpu_times() if self._core is None else psutil.cpu_times(percpu=True)[self._core]
        return times.idle + getattr(times, "iowait", 0.0), sum(times[:8])  # the rest is counted in the first ones


def measure(
    subject: Subject, running: Running, upstream: int, core: int | None, streams: int, rate: float, length: int
) -> Reading:
    """Let a crowd ask at once, each for an answer of ``length`` tokens.

    Raises:
        FailedError: an answer was not complete.
        TimeoutError: the server was overloaded.
    """
    tell(upstream, f"pace/{rate:g}/{length}")
    machine, used = Machine(core), cpu(running.process)
    meter: Meter = run(
        crowd(subject.dialect, running.port, running.cookies, new_name(), streams, length, length / rate + PATIENCE)
    )
    busy = machine.busy()
    settle(running)
    used = cpu(running.process) - used
    steady = Latency.of(meter.steady) if meter.steady else None
    return Reading(streams, length, used, busy, meter.firsts, Latency.of(meter.latencies), steady)


def settle(running: Running) -> None:
    """Wait until the server has stored what it has to store and has nothing left to do, at most 3 s."""
    for _ in range(30):
        used = cpu(running.process)
        time.sleep(0.1)
        if cpu(running.process) - used < QUIET:
            return


def warm_up(servers: Servers, subject: Subject, upstream: int) -> None:
    """Ask a few questions, so that nothing is imported, compiled or connected for the first time later."""
    with servers.only(subject.server) as running:
        for streams in (1, 10, 10):
            measure(subject, running, upstream, None, streams, 200, 60)


def new_name() -> str:
    """Return a new prefix for the names of conversations: a repeated name would find the answer that it has."""
    return f"bench-{next(_numbers)}"
