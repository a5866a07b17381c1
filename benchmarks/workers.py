"""Two processes over Redis: the answer runs in one, and its reader is in the other."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from .bench import Bench
from .clients import GOODBYE, Meter, finished, visit
from .dialects import Dialect
from .harness import cpu, run, tell
from .measuring import PATIENCE, new_name, settle
from .report import Table, figure, ratio
from .servers import SUBJECTS, Running
from .services import redis

STREAMS, RATE, LENGTH, ROUNDS = 50, 50.0, 150, 3


@dataclass
class Site:
    """One process of a site, or two that share their answers."""

    first: Running
    second_port: int
    processes: list[psutil.Process]

    def resume(self) -> None:
        for process in self.processes:
            process.resume()

    def suspend(self) -> None:
        for process in self.processes:
            process.suspend()


def measure(bench: Bench) -> list[Table]:
    """Measure both formats with one process and with two, and return the table."""
    text = (
        f"CPU of all processes for one answer of {LENGTH} tokens, {STREAMS} at once: asked on one socket, which is "
        "closed after the first token, and read on another one, which resumes. With Redis, that one is on the other "
        "process."
    )
    table = Table("Two processes", text, ("format", "one process, ms", "two with Redis, ms", "ratio"))
    costs: dict[str, tuple[list[float], list[float]]] = {"text": ([], []), "html": ([], [])}
    with _sites(bench) as sites:
        for number in range(1 if bench.quick else ROUNDS + 1):
            for name, kept in costs.items():
                for site, values in zip(sites, kept, strict=True):
                    cost = _answers(bench, site, SUBJECTS[name].dialect)
                    if number or bench.quick:  # the first round warms up
                        values.append(cost)
    for name, (one, two) in costs.items():
        table.rows.append((f"{name} format", figure(one, 1e3), figure(two, 1e3), ratio(two, one)))
    return [table]


@contextlib.contextmanager
def _sites(bench: Bench) -> Iterator[list[Site]]:
    """Run a site as one process, and another as two, each with a database of SQLite."""
    servers = bench.servers
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(redis(bench.cores.others))
        one = stack.enter_context(servers.start("site"))
        shared = stack.enter_context(servers.changed("shared", "site", REDIS_URL=url))
        two = stack.enter_context(servers.start(shared))
        port, second = stack.enter_context(servers.beside(two))
        sites = [Site(one, one.port, [one.process]), Site(two, port, [two.process, second])]
        stack.callback(lambda: [site.resume() for site in sites])
        for site in sites:
            site.suspend()
        yield sites


def _answers(bench: Bench, site: Site, dialect: Dialect) -> float:
    """Return the CPU seconds of one answer, in all processes of a site."""
    streams, rate, length = (3, 200.0, 60) if bench.quick else (STREAMS, RATE, LENGTH)
    tell(bench.upstream, f"pace/{rate:g}/{length}")
    site.resume()
    used = sum(map(cpu, site.processes))
    run(_crowd(site, dialect, streams, length, length / rate + PATIENCE))
    settle(site.first)
    used = sum(map(cpu, site.processes)) - used
    site.suspend()
    return used / streams


async def _crowd(site: Site, dialect: Dialect, streams: int, length: int, patience: float) -> None:
    async with asyncio.timeout(patience):
        await asyncio.gather(*(_follow(site, dialect, number, length) for number in range(streams)))


async def _follow(site: Site, dialect: Dialect, number: int, length: int) -> None:
    """Ask on the first process, leave after the first token, and read the whole answer on the second one."""
    conversation, cookie = new_name(), site.first.cookies[number % len(site.first.cookies)]
    asked = await visit(dialect, site.first.port, conversation, cookie, Meter())
    await asked.first
    asked.leave()
    await asyncio.wait([asked.closed], timeout=GOODBYE)
    asked.transport.abort()
    view = dialect.question(conversation)["body"]
    resume = {"type": "resume", "requestId": "r", "id": conversation, "headers": {}, "body": view}
    await finished(await visit(dialect, site.second_port, conversation, cookie, Meter(), resume), length)
