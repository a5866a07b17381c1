"""What waits: the memory of idle sockets and running answers, and the CPU of a process that does nothing."""

import asyncio
import contextlib
import dataclasses
import resource
import time
from collections.abc import Iterator

from .bench import Bench
from .clients import Meter, finished, listen, visit
from .dialects import TEXT
from .harness import cpu, run, tell
from .measuring import new_name, warm_up
from .report import Table, number
from .servers import SUBJECTS, Running
from .services import postgres, redis

WARM, SOCKETS = 100, 400
ANSWERS, RUNNING_FOR = 200, 4.0
SILENT = 20.0


def measure(bench: Bench) -> list[Table]:
    """Measure, and return the table."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sizes = {}
    for name in ("idle", "site"):
        with _new(bench, name) as running:
            sizes[name] = run(idle_socket(running, *(5, 20) if bench.quick else (WARM, SOCKETS)))
    with _new(bench, "site") as running:
        answer = run(running_answers(bench, running, 5 if bench.quick else ANSWERS)) - sizes["site"]
    table = Table("Waiting", "", ("measurement", "figure"))
    table.rows = [
        ("an idle socket", f"{number(sizes['site'] / 1024)} KiB"),
        ("an idle socket of an app on uvicorn that only accepts it", f"{number(sizes['idle'] / 1024)} KiB"),
        ("an idle socket over that", f"{number((sizes['site'] - sizes['idle']) / 1024)} KiB"),
        ("a running answer, its socket not counted", f"{number(answer / 1024)} KiB"),
    ]
    with _silent_site(bench) as (title, running):
        share = silent_share(running, 3.0 if bench.quick else SILENT)
    table.rows.append((f"a process without sockets, with {title}", f"{share:.1%} of a core"))
    return [table]


@contextlib.contextmanager
def _new(bench: Bench, name: str) -> Iterator[Running]:
    """Run a new server that has answered a few questions, and so has imported everything, but has held no crowd."""
    with bench.servers.changed(f"new {name}", name) as server:
        if name == "site":
            warm_up(bench.servers, dataclasses.replace(SUBJECTS["text"], server=server), bench.upstream)
        with bench.servers.only(server) as running:
            yield running


async def idle_socket(running: Running, warm: int, sockets: int) -> float:
    """Return the bytes by which one more idle socket makes the process grow."""
    visitors = []
    before = 0
    for place in range(warm + sockets):
        if place == warm:
            await asyncio.sleep(1)
            before = running.process.memory_info().rss
        cookie = running.cookies[place % len(running.cookies)] if running.cookies else ""
        visitors.append(await listen(TEXT, running.port, cookie))
        if place % 10 == 0:
            await asyncio.sleep(0.05)  # handshakes one after the other, as in life
    await asyncio.sleep(2)
    grown = running.process.memory_info().rss - before
    for visitor in visitors:
        visitor.leave()
    await asyncio.wait([visitor.closed for visitor in visitors], timeout=5)
    for visitor in visitors:
        visitor.transport.abort()
    return grown / sockets


async def running_answers(bench: Bench, running: Running, answers: int) -> float:
    """Return the bytes by which one more running answer makes the process grow, with its socket."""
    tell(bench.upstream, "pace/20/1000")
    dialect = SUBJECTS["text"].dialect
    cookies = running.cookies
    first = await visit(dialect, running.port, new_name(), cookies[0], Meter())
    await first.first
    before = running.process.memory_info().rss
    others = [
        await visit(dialect, running.port, new_name(), cookies[place % len(cookies)], Meter())
        for place in range(1, answers + 1)
    ]
    await asyncio.gather(*(visitor.first for visitor in others))
    await asyncio.sleep(RUNNING_FOR)
    grown = running.process.memory_info().rss - before
    tell(bench.upstream, "finish")
    await asyncio.gather(*(finished(visitor) for visitor in (first, *others)))
    return grown / answers


def silent_share(running: Running, seconds: float) -> float:
    """Return the share of a core that a process takes which nobody talks to."""
    time.sleep(min(5.0, seconds))
    used, began = cpu(running.process), time.monotonic()
    time.sleep(seconds)
    return (cpu(running.process) - used) / (time.monotonic() - began)


@contextlib.contextmanager
def _silent_site(bench: Bench) -> Iterator[tuple[str, Running]]:
    """Run a site on Redis and PostgreSQL, or on SQLite if that is not installed, and yield what it stands on."""
    with contextlib.ExitStack() as stack:
        changes = {"REDIS_URL": stack.enter_context(redis(bench.cores.others))}
        title = "Redis and PostgreSQL"
        try:
            changes["DATABASE_URL"] = stack.enter_context(postgres(bench.cores.others))
        except ImportError:
            title = "Redis and SQLite"
        server = stack.enter_context(bench.servers.changed("silent", "site", **changes))
        yield title, stack.enter_context(bench.servers.only(server))
