"""Clients that need hardly any CPU: raw sockets that look for marks in what arrives, and do not parse it."""

import asyncio
import contextlib
import json
import time
from array import array
from dataclasses import dataclass, field
from typing import Any

from . import marks
from .dialects import CLOSE, Dialect, masked

KEPT = 32
"""Bytes of a read that are looked at again with the next one, longer than a mark and than the end of any dialect."""

GOODBYE = 2.0
"""Seconds that a server may take to close a connection."""


class FailedError(Exception):
    """A server that did not answer the question: it refused it, ended early, or lost tokens."""


@dataclass
class Meter:
    """What the clients of one crowd have seen so far.

    ``steady`` has the latencies of the tokens that were sent after the ``expected`` clients had all begun to read.
    """

    expected: int = 0
    latencies: array = field(default_factory=lambda: array("d"))
    steady: array = field(default_factory=lambda: array("d"))
    firsts: list[float] = field(default_factory=list)
    begun: int | None = None

    @property
    def tokens(self) -> int:
        """Return how many tokens have arrived."""
        return len(self.latencies)

    def first(self, seconds: float) -> None:
        """Note the time to the first token of one more client."""
        self.firsts.append(seconds)
        if len(self.firsts) == self.expected:
            self.begun = marks.now() % marks.TURN

    def arrived(self, mark: int, now: int) -> None:
        """Note the latency of a token."""
        latency = marks.seconds_between(mark, now)
        self.latencies.append(latency)
        if self.begun is not None and marks.follows(mark, self.begun):
            self.steady.append(latency)

    def forget(self) -> None:
        """Forget the latencies, with the clients as they are."""
        self.latencies = array("d")


class Visitor(asyncio.Protocol):
    """One connection that asks one question, reads the answer to its end and says goodbye.

    ``first`` is set with the first token, ``ended`` with the last, and ``closed`` when the server has closed too.
    """

    def __init__(self, dialect: Dialect, frame: dict[str, Any] | None, meter: Meter) -> None:
        loop = asyncio.get_running_loop()
        self.first, self.ended, self.closed = loop.create_future(), loop.create_future(), loop.create_future()
        self.tokens = 0
        self.received = self.frames = 0
        self._dialect, self._meter = dialect, meter
        self._frame = frame
        self._opened = False
        self._kept = b""
        self._last: int | None = None
        self._began = time.perf_counter()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")
        if not self.closed.done():
            self.closed.set_result(None)

    def ask(self, frame: dict[str, Any]) -> None:
        """Send a frame on an open websocket."""
        self.transport.write(masked(json.dumps(frame).encode()))

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.frames += data.count(b'"type":"chunk"')
        seen = self._kept + data
        if not self._opened:
            self._read_head(seen)
        else:
            self._read(seen)

    def _read_head(self, seen: bytes) -> None:
        head, found, rest = seen.partition(b"\r\n\r\n")
        if not found:
            self._kept = seen
            return
        if head.split(b" ", 2)[1] != (b"101" if self._dialect.websocket else b"200"):
            self._fail(head.decode(errors="replace"))
            self.transport.abort()
            return
        self._opened, self._kept = True, b""
        if self._dialect.websocket and self._frame is not None:
            self.ask(self._frame)
        if rest:
            self._read(rest)

    def _read(self, seen: bytes) -> None:
        now, last = marks.now(), self._last
        for digits in marks.MARK.findall(seen):
            mark = marks.decoded(digits)
            if last is None or marks.follows(mark, last):
                last = mark
                self.tokens += 1
                self._meter.arrived(mark, now)
        if self.tokens and not self.first.done():
            self.first.set_result(time.perf_counter() - self._began)
            self._meter.first(self.first.result())
        self._last, self._kept = last, seen[-KEPT:]
        if self._dialect.end in seen:
            self._finish()
        elif b'"type":"error"' in seen:
            self._fail(seen.decode(errors="replace"))

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(self.tokens)
            if not self.first.done():
                self.first.cancel()
            self.leave()

    def leave(self) -> None:
        """Say goodbye; the server closes the connection."""
        if self._dialect.websocket:
            self.transport.write(CLOSE)

    def _fail(self, why: str) -> None:
        for future in (self.first, self.ended):
            if not future.done():
                future.set_exception(FailedError(why))
                future.exception()  # not everybody waits for both


async def visit(
    dialect: Dialect, port: int, conversation: str, cookie: str, meter: Meter, frame: dict[str, Any] | None = None
) -> Visitor:
    """Open a connection, and send the dialect's question or another frame as soon as it stands."""
    asked = frame or dialect.question(conversation)
    began = asyncio.get_running_loop().create_connection(lambda: Visitor(dialect, asked, meter), "127.0.0.1", port)
    try:
        transport, visitor = await began
    except OSError as error:
        raise FailedError(str(error)) from error
    transport.write(dialect.opening(port, conversation, cookie))
    return visitor


async def listen(dialect: Dialect, port: int, cookie: str) -> Visitor:
    """Open a websocket, and ask nothing."""
    loop = asyncio.get_running_loop()
    transport, visitor = await loop.create_connection(lambda: Visitor(dialect, None, Meter()), "127.0.0.1", port)
    transport.write(dialect.opening(port, "", cookie))
    return visitor


async def finished(visitor: Visitor, length: int | None = None) -> None:
    """Wait for the end of an answer, and for the server to close.

    Raises ``FailedError`` if more than one in a hundred tokens is missing: see ``upstream.token``.
    """
    tokens = await visitor.ended
    if length is not None and not 0.99 * length <= tokens <= length:
        raise FailedError(f"{tokens} of {length} tokens arrived")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await asyncio.shield(visitor.closed)
    visitor.transport.abort()


async def crowd(
    dialect: Dialect, port: int, cookies: list[str], name: str, streams: int, length: int, patience: float
) -> Meter:
    """Ask as ``streams`` visitors at once, each on a new connection, and wait until all answers have ended.

    Raises:
        FailedError: an answer was not complete.
        TimeoutError: the crowd was not done after ``patience`` seconds.
    """
    meter = Meter(expected=streams)
    visitors: list[Visitor] = []

    async def ask(number: int) -> None:
        cookie = cookies[number % len(cookies)] if cookies else ""
        visitor = await visit(dialect, port, f"{name}-{number}", cookie, meter)
        visitors.append(visitor)
        await finished(visitor, length)

    try:
        async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(ask(number))
    except* FailedError as errors:
        raise errors.exceptions[0] from None
    finally:
        await hang_up(visitors)
    return meter


async def hang_up(visitors: list[Visitor]) -> None:
    """Close the connections that are still open."""
    for visitor in visitors:
        visitor.transport.abort()
    await asyncio.gather(*(visitor.closed for visitor in visitors))
