"""The loads of ``make bench``: answers at several rates and in crowds of several sizes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .bench import Bench
from .clients import crowd
from .harness import run, tell
from .measuring import PATIENCE, Latency, Reading, new_name, quantile, split
from .servers import Running, Subject

LENGTHS = (150, 450)
ROUNDS = 5
MAIN = ("text", "html", "plain", "daphne", "fastapi", "node", "bare")


@dataclass(frozen=True)
class Cell:
    """A load: how many streams of how many tokens a second, and the seconds that its rounds may begin in."""

    streams: int
    rate: float
    seconds: float
    subjects: tuple[str, ...] = MAIN
    lengths: tuple[int, ...] = LENGTHS

    @property
    def name(self) -> str:
        return f"{self.streams} x {self.rate:g}/s"


CENTRE = Cell(50, 50, 480, (*MAIN, "text-foreign", "html-foreign"))
RATES = (Cell(50, 20, 60), CENTRE, Cell(50, 200, 110), Cell(50, 1000, 110))
CROWDS = (Cell(1, 50, 200), CENTRE, Cell(200, 50, 150, lengths=LENGTHS[:1]), Cell(500, 50, 200, lengths=LENGTHS[:1]))
QUICK = Cell(5, 100, 0, CENTRE.subjects, (20, 60))


@dataclass
class Found:
    """The readings of one subject in one cell, round by round, one for each length; ``None`` is a round left out."""

    rounds: list[tuple[Reading, ...] | None] = field(default_factory=list)
    overloaded: bool = False

    def values(self, of: Callable[..., float], lengths: int = 1) -> list[float | None]:
        """Return one value for each round, of its first readings; ``None`` if it has not as many."""
        return [of(*found[:lengths]) if found and len(found) >= lengths else None for found in self.rounds]

    def costs(self, place: int) -> list[float | None]:
        """Return the cost of an answer of the shortest length, or of another."""
        return self.values(lambda *readings: readings[place].cost, place + 1)

    @property
    def fixed(self) -> list[float | None]:
        return self.values(lambda short, long: split(short, long).fixed, 2)

    @property
    def marginal(self) -> list[float | None]:
        return self.values(lambda short, long: split(short, long).marginal, 2)

    def firsts(self, share: float) -> list[float | None]:
        """Return a quantile of the times to the first token, of all lengths together."""
        return [
            quantile([first for reading in found for first in reading.firsts], share) if found else None
            for found in self.rounds
        ]

    @property
    def latency(self) -> list[Latency | None]:
        """Return the latency of the longest answers from their beginning."""
        return [found[-1].latency if found else None for found in self.rounds]

    @property
    def steady(self) -> list[Latency | None]:
        """Return the same for the tokens that were sent after all streams had begun."""
        return [found[-1].steady if found else None for found in self.rounds]


Cells = dict["Cell", dict[str, Found]]


def measure_cell(bench: Bench, cell: Cell) -> dict[str, Found]:
    """Measure rounds of all subjects until the cell's time is over; at least one."""
    found = {subject.name: Found() for subject in bench.subjects(*cell.subjects)}
    until = bench.until(cell.seconds)
    for number in range(ROUNDS):
        began = time.monotonic()
        for subject in bench.subjects(*cell.subjects):
            if not found[subject.name].overloaded and bench.left > 0:
                _round(bench, cell, subject, found[subject.name])
        took = time.monotonic() - began
        print(f"  {cell.name}: round {number + 1} took {took:.0f} s", flush=True)
        if time.monotonic() + took > until:
            break
    return found


def _round(bench: Bench, cell: Cell, subject: Subject, found: Found) -> None:
    where = f"{subject.title} at {cell.name}"
    readings: list[Reading] = []
    for length in cell.lengths:
        reading = bench.read(subject, cell.streams, cell.rate, length)
        if reading is None:
            found.overloaded = True
            break
        readings.append(reading)
    left_out = any(bench.too_busy(reading, where) for reading in readings)
    found.rounds.append(None if left_out else tuple(readings))


def alone(bench: Bench) -> dict[str, list[list[float]]]:
    """Return the times to the first token of visitors who ask one after the other, in rounds."""
    found: dict[str, list[list[float]]] = {subject.name: [] for subject in bench.subjects()}
    for _ in range(1 if bench.quick else 2):
        for subject in bench.subjects():
            if bench.left < 0:
                return found
            bench.warm(subject)
            tell(bench.upstream, "pace/200/10")
            with bench.servers.only(subject.server) as running:
                found[subject.name].append(run(_one_by_one(subject, running, 3 if bench.quick else 50)))
    return found


async def _one_by_one(subject: Subject, running: Running, questions: int) -> list[float]:
    firsts: list[float] = []
    for _ in range(questions):
        meter = await crowd(subject.dialect, running.port, running.cookies, new_name(), 1, 10, PATIENCE)
        firsts += meter.firsts
    return firsts
