"""Malicious clients, as bare sockets on threads, and a visitor that measures how much others are affected."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from tests.faults.visitor import Visitor
from tests.support.processes import SiteProcess

TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10

PAUSE = 0.06
"""Seconds between two pings: slower than the rate at which the server reads frames."""


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True, length: int | None = None) -> bytes:
    """Return a client's masked frame; ``length`` is the announced payload length, if not the real one."""
    size = len(payload) if length is None else length
    head = bytes([0x80 * final | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + payload  # masked with zeros, so that it is its own mask


def _connection(port: int, *, narrow: bool) -> socket.socket:
    """Connect; a ``narrow`` connection has little room on its way, where loopback otherwise has megabytes."""
    connection = socket.socket()
    connection.settimeout(20)
    if narrow:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.connect(("127.0.0.1", port))
    return connection


def handshake(process: SiteProcess, cookie: str, **headers: str | None) -> bytes:
    """Return the request that opens a visitor's websocket; a header that is ``None`` is left out."""
    lines = {
        "Host": f"127.0.0.1:{process.port}",
        "Origin": f"http://127.0.0.1:{process.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Cookie": cookie,
        **headers,
    }
    sent = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"GET /ws/chat/ HTTP/1.1\r\n{sent}\r\n".encode()


@contextlib.contextmanager
def bare_socket(
    process: SiteProcess, cookie: str, *, narrow: bool = False, **headers: str | None
) -> Iterator[socket.socket]:
    """Yield a websocket after its handshake, without a library that would enforce the protocol."""
    with _connection(process.port, narrow=narrow) as connection:
        connection.sendall(handshake(process, cookie, **headers))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert b" 101 " in answer, answer
        yield connection


def closed_with(connection: socket.socket) -> int | None:
    """Read until the server closes the connection, and return its close code, or ``None`` if it sent none."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            said += piece
    place = said.rfind(b"\x88")
    return int.from_bytes(said[place + 2 : place + 4], "big") if place >= 0 else None


def held(process: SiteProcess, connections: Iterable[socket.socket]) -> int:
    """Return how many of these connections a process still has."""
    ours = {connection.getsockname()[1] for connection in connections}
    return sum(found.raddr.port in ours for found in process.observed().net_connections() if found.raddr)


@contextlib.contextmanager
def flooding(connections: list[socket.socket], first: bytes, again: bytes) -> Iterator[None]:
    """Send ``first`` once on each socket, then ``again`` as fast as the server takes it, until the context ends."""
    over = threading.Event()
    many = again * (262_144 // len(again))

    def flood(connection: socket.socket) -> None:
        connection.settimeout(0.2)
        with contextlib.suppress(ConnectionError):
            connection.sendall(first)
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.send(many)

    threads = [threading.Thread(target=flood, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


class Pings:
    """The round-trip times of a visitor's pings, in seconds."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def percentile(self, number: int) -> float:
        return statistics.quantiles(self.times, n=100)[number - 1]

    def assert_unnoticed(self) -> None:
        """Check the targets, 50 ms for p95 and 150 ms for p99; a busy machine may take five times as long."""
        measured = f"p95 {self.percentile(95):.3f} s, p99 {self.percentile(99):.3f} s of {len(self.times)} pings"
        assert self.percentile(95) < 5 * 0.05, measured
        assert self.percentile(99) < 5 * 0.15, measured


@contextlib.asynccontextmanager
async def pinging(process: SiteProcess) -> AsyncIterator[Pings]:
    """Let another visitor ping until the context ends, and yield the measured times."""
    async with Visitor.of(process) as visitor:
        tab = await visitor.open(process.port)
        answered = asyncio.Event()
        tab.heard = lambda frame: answered.set() if frame["type"] == "pong" else None
        pings, over = Pings(), asyncio.Event()

        async def ping() -> None:
            while not over.is_set():
                answered.clear()
                begun = time.monotonic()
                await tab.raw(json.dumps({"type": "ping", "requestId": "p"}))
                async with asyncio.timeout(30):
                    await answered.wait()
                pings.times.append(time.monotonic() - begun)
                await asyncio.sleep(max(0.0, PAUSE - pings.times[-1]))

        task = asyncio.create_task(ping())
        try:
            yield pings
        finally:
            over.set()
            await task
