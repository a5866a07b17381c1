"""What all parts of ``make bench`` share: the servers, the upstream, the time that is left, and what was left out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from .clients import FailedError
from .measuring import Reading, measure, warm_up
from .servers import Cores, Servers, Subject


@dataclass
class Bench:
    """One run of the benchmark."""

    servers: Servers
    upstream: int
    cores: Cores
    deadline: float
    limit: float
    quick: bool = False
    chosen: Sequence[Subject] = ()
    left_out: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    _warm: set[tuple[str, str]] = field(default_factory=set)

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()

    def until(self, seconds: float) -> float:
        """Return the time at which a part with this budget has to stop beginning new rounds."""
        return min(self.deadline, time.monotonic() + seconds)

    def subjects(self, *names: str) -> list[Subject]:
        """Return those of the named subjects that can be measured here; all, if none is named."""
        return [subject for subject in self.chosen if not names or subject.name in names]

    def warm(self, subject: Subject) -> None:
        """Warm a subject up, once for each start of its server."""
        if (subject.server, subject.name) not in self._warm:
            warm_up(self.servers, subject, self.upstream)
            self._warm.add((subject.server, subject.name))

    def read(self, subject: Subject, streams: int, rate: float, length: int) -> Reading | None:
        """Measure one crowd; ``None`` if the server was overloaded, and then it is started again."""
        self.warm(subject)
        try:
            with self.servers.only(subject.server) as running:
                return measure(subject, running, self.upstream, self.cores.others, streams, rate, length)
        except (FailedError, TimeoutError, OSError) as error:
            print(f"    {subject.name}: {type(error).__name__} {str(error)[:200]}", flush=True)
            self.restart(subject)
            return None

    def restart(self, subject: Subject) -> None:
        """End the subject's server; the next measurement starts it."""
        self.servers.drop(subject.server)
        self._warm = {(server, name) for server, name in self._warm if server != subject.server}

    def too_busy(self, reading: Reading, where: str) -> bool:
        """Tell whether the clients were too busy, and note the figure that is left out."""
        if reading.busy <= self.limit:
            return False
        if where not in self.left_out:
            self.left_out.append(where)
        return True
