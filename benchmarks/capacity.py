"""The most streams of 50 tokens/s whose tokens arrive in time, searched by doubling and halving."""

import asyncio

from .bench import Bench
from .cells import MAIN
from .clients import FailedError, Meter, Visitor, finished, hang_up, visit
from .harness import run, tell
from .measuring import Machine, new_name, quantile
from .report import Table, number
from .servers import Running, Subject

RATE, LENGTH = 50.0, 200
IN_TIME = 0.15
"""Seconds in which 99 % of the tokens have to arrive."""

FIRST, MOST = 25, 800
WINDOW = 3.0
"""Seconds of which the latencies count, after all streams have begun."""

ENOUGH = 0.8
"""Share of the tokens that have to arrive in that time: those that a server holds back have no latency yet."""

BEGUN = 30.0
"""Seconds in which all streams have to begin."""


class Crowd:
    """Visitors who ask again as soon as they have their answer; they begin spread over the time of one answer."""

    def __init__(self, subject: Subject, running: Running, seconds: float) -> None:
        self.meter = Meter()
        self.wanted = 0
        self.failed = False
        self._subject, self._running, self._seconds = subject, running, seconds
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def become(self, wanted: int) -> None:
        """Change the number of visitors, and wait until as many are there; the others leave after their answer."""
        self.wanted = wanted
        missing = [place for place in range(wanted) if place not in self._tasks]
        for place in missing:
            self._tasks[place] = asyncio.create_task(self._visitor(place))
            await asyncio.sleep(self._seconds / len(missing))
        if leaving := [task for place, task in self._tasks.items() if place >= wanted]:
            await asyncio.wait(leaving)

    async def end(self) -> None:
        """Let all visitors leave."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _visitor(self, place: int) -> None:
        cookies, dialect = self._running.cookies, self._subject.dialect
        cookie = cookies[place % len(cookies)] if cookies else ""
        open_now: list[Visitor] = []
        try:
            while place < self.wanted:
                visitor = await visit(dialect, self._running.port, new_name(), cookie, self.meter)
                open_now[:] = [visitor]
                await finished(visitor)
        except FailedError:
            self.failed = True
        finally:
            self._tasks.pop(place, None)
            await hang_up(open_now)


def measure(bench: Bench) -> list[Table]:
    """Search for each subject, and return the table."""
    text = (
        f"The most streams of {RATE:g} tokens/s of which 99 % of the tokens arrive within {IN_TIME * 1e3:.0f} ms after "
        f"the model has sent them. Each visitor asks again when an answer of {LENGTH} tokens has ended. A plus means "
        "that the limit was not found: the clients' core was too busy, or the crowd as large as it gets."
    )
    table = Table("Most streams on one core", text, ("server", "streams", "to plain"))
    found: dict[str, tuple[int, bool]] = {}
    for subject in bench.subjects(*MAIN):
        if bench.left > 0:
            bench.warm(subject)
            tell(bench.upstream, f"pace/{RATE * (4 if bench.quick else 1):g}/{LENGTH}")
            found[subject.name] = _search(bench, subject)
            bench.restart(subject)  # some of its answers may still run
    for subject in bench.subjects(*found):
        streams, open_ended = found[subject.name]
        plain = found.get("plain", (0, False))[0]
        shown = f"{streams}{'+' if open_ended else ''}"
        table.rows.append((subject.title, shown, number(streams / plain) if plain else "–"))  # noqa: RUF001
    return [table]


def _search(bench: Bench, subject: Subject) -> tuple[int, bool]:
    with bench.servers.only(subject.server) as running:
        return run(search(bench, Crowd(subject, running, LENGTH / RATE / (4 if bench.quick else 1))))


async def search(bench: Bench, crowd: Crowd) -> tuple[int, bool]:
    """Return the most streams that were served in time, and whether the limit is above them."""
    good, bad, streams = 0, 0, 4 if bench.quick else FIRST
    most = 8 if bench.quick else MOST
    try:
        while streams <= most and bench.left > 0:
            in_time, busy = await _in_time(bench, crowd, streams)
            print(f"    {streams} streams: {'in time' if in_time else 'late'}", flush=True)
            if busy and not in_time:
                return good, True
            good, bad = (streams, bad) if in_time else (good, streams)
            if busy or (bad and bad - good <= max(2, good // 8)):
                return good, busy
            streams = (good + bad) // 2 if bad else 2 * good
        return good, not bad
    finally:
        await crowd.end()


async def _in_time(bench: Bench, crowd: Crowd, streams: int) -> tuple[bool, bool]:
    """Return whether the tokens of this many streams arrive in time, and whether the clients' core was too busy."""
    window = 0.5 if bench.quick else WINDOW
    machine = Machine(bench.cores.others)
    crowd.failed = False
    try:
        async with asyncio.timeout(BEGUN):
            await crowd.become(streams)
    except TimeoutError:
        return False, machine.busy() > bench.limit
    crowd.meter.forget()
    machine = Machine(bench.cores.others)
    await asyncio.sleep(window)
    latencies = crowd.meter.latencies
    enough = len(latencies) >= ENOUGH * streams * RATE * window
    in_time = enough and not crowd.failed and quantile(latencies, 0.99) <= IN_TIME
    return in_time, machine.busy() > bench.limit
