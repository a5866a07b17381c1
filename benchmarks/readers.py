"""Many readers of one answer: what one more costs, in multiples of a bare write to a socket."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import psutil

from .bench import Bench
from .clients import Meter, finished, visit
from .harness import cpu, free_port, listening, run, tell
from .measuring import new_name
from .report import Table, figure, ratio
from .servers import SUBJECTS, Running

FEWER, MORE = 50, 100
WINDOW = 4.0
ROUNDS = 3
INTERVAL = 0.06
"""Seconds between two bare writes, about as between two frames of an answer."""


class Counting(Protocol):
    """A client that counts the frames and bytes it has received."""

    frames: int
    received: int


def measure(bench: Bench) -> list[Table]:
    """Measure both formats, and return the table."""
    text = (
        f"CPU per frame of one more reader, between {FEWER} and {MORE} readers of one answer of 50 tokens/s. A bare "
        "write is the same for a server that only writes frames of that size to its connections, on uvicorn's event "
        "loop."
    )
    table = Table("Readers of one answer", text, ("format", "a reader's frame, us", "a bare write, us", "ratio"))
    window = 0.3 if bench.quick else WINDOW
    with bench.servers.changed("crowded", "site", BENCH_SOCKETS="400") as server:
        for name in ("text", "html"):
            costs: list[float] = []
            bare: list[float] = []
            for _ in range(1 if bench.quick else ROUNDS):
                with bench.servers.only(server) as running:
                    cost, size = run(answer(bench, running, name, window))
                costs.append(cost)
                bare.append(_bare_write(bench, size, window))
            table.rows.append((f"{name} format", figure(costs, 1e6), figure(bare, 1e6), ratio(costs, bare)))
    return [table]


async def answer(bench: Bench, running: Running, name: str, window: float) -> tuple[float, int]:
    """Return the CPU seconds per frame of one more reader of an answer, and the size of a frame."""
    dialect, cookie = SUBJECTS[name].dialect, running.cookies[0]

    @asynccontextmanager
    async def read_by(count: int) -> AsyncGenerator[list[Any]]:
        tell(bench.upstream, "pace/50/100000")
        conversation = new_name()
        asked = await visit(dialect, running.port, conversation, cookie, Meter())
        await asked.first
        view = dialect.question(conversation)["body"]
        resume = {"type": "resume", "requestId": "r", "id": conversation, "headers": {}, "body": view}
        joined = [await visit(dialect, running.port, conversation, cookie, Meter(), resume) for _ in range(count)]
        await asyncio.gather(*(reader.first for reader in joined))
        await asyncio.sleep(0.5)
        yield joined
        for reader in joined:
            reader.transport.abort()
        tell(bench.upstream, "finish")
        await finished(asked)

    return await one_more(read_by, running.process, window)


def _bare_write(bench: Bench, size: int, window: float) -> float:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.fanout", str(port), str(size), str(INTERVAL)]
    with listening(port, *command, core=bench.cores.server) as process:
        return run(_bare(port, process, window))


async def _bare(port: int, process: psutil.Process, window: float) -> float:
    @asynccontextmanager
    async def read_by(count: int) -> AsyncGenerator[list[Sink]]:
        loop = asyncio.get_running_loop()
        joined = [(await loop.create_connection(Sink, "127.0.0.1", port))[1] for _ in range(count)]
        yield joined
        for sink in joined:
            sink.transport.abort()

    return (await one_more(read_by, process, window))[0]


async def one_more(
    read_by: Callable[[int], AbstractAsyncContextManager[Sequence[Counting]]], process: psutil.Process, window: float
) -> tuple[float, int]:
    """Return what one more frame costs, as the difference between fewer and more readers, and a frame's size.

    Both numbers of readers read an answer from its beginning: a long one costs more to render than a short one.
    """
    costs: list[float] = []
    frames: list[int] = []
    size = 0
    for count in (FEWER, MORE):
        async with read_by(count) as readers:
            used, before, received = cpu(process), _frames(readers), sum(reader.received for reader in readers)
            await asyncio.sleep(window)
            costs.append(cpu(process) - used)
            frames.append(_frames(readers) - before)
            size = (sum(reader.received for reader in readers) - received) // max(1, frames[-1])
    return (costs[1] - costs[0]) / max(1, frames[1] - frames[0]), size


def _frames(readers: Sequence[Counting]) -> int:
    return sum(reader.frames for reader in readers)


class Sink(asyncio.Protocol):
    """A reader of a bare server, which counts the frames."""

    def __init__(self) -> None:
        self.frames = self.received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.frames += data.count(b'"type":"chunk"')
