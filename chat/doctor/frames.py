"""Measures whether the frames of an open socket arrive one by one, by pings of the chat's own protocol.

A ping asks nothing of a model and stores nothing. The page sends them itself, after a while without frames.
"""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from .findings import Finding, ok, wrong
from .page import DATA, NGINX

COUNT, INTERVAL = 10, 0.1
"""How many pings are sent, and how many seconds apart."""

PATIENCE = 5.0
"""How long to wait for the last of the answers, in seconds."""

TOGETHER = INTERVAL / 4
"""Answers that arrive within this time of one another have come together, in seconds."""

CODES = {
    4401: (
        "the server does not know the visitor",
        "let the proxy pass on the Cookie header for the socket's path too; if the page comes from a cache, keep it "
        f"from there ({DATA}); if you gave --cookie, it may have expired",
    ),
    4409: (
        "the page is of another version than the server",
        f"finish the rolling restart; if the page comes from a cache, keep it from there ({DATA})",
    ),
    4429: (
        "too many sockets are open for this visitor or address",
        "close some; behind a proxy, let uvicorn know the visitors' addresses: --forwarded-allow-ips",
    ),
}
"""What the close codes of docs/protocol.md mean here: what is seen, and what to change."""


class Measured(NamedTuple):
    """When pings were sent and their answers arrived, in seconds."""

    sent: list[float]
    arrived: list[float]

    @property
    def are_together(self) -> bool:
        """Tell whether at least half of the answers came together with the one before, but were asked for apart."""
        gaps = [later - earlier for earlier, later in zip(self.arrived, self.arrived[1:], strict=False)]
        return sum(gap < TOGETHER for gap in gaps) >= len(self.sent) / 2

    @property
    def milliseconds(self) -> tuple[float, float]:
        """Return the shortest and the longest time that an answer took."""
        took = [1000 * (arrived - sent) for sent, arrived in zip(self.sent, self.arrived, strict=False)]
        return min(took), max(took)


def look(socket: ClientConnection, idle: float) -> Iterator[Finding]:
    """Measure an open socket; then, with ``idle``, leave it alone for so many seconds, and see whether it is open."""
    try:
        measured = measure(socket)
        if measured.are_together:  # a pause of this machine looks the same, but not twice
            measured = measure(socket)
        yield _judge(measured)
        if idle and measured.arrived:
            yield _wait(socket, idle)
    except ConnectionClosed as closed:
        yield _closed(closed, 0)
    except (OSError, UnicodeError, ValueError) as error:
        yield _garbled(str(error))


def measure(socket: ClientConnection) -> Measured:
    """Send pings, and note when the answers arrive. Raises ``ConnectionClosed``."""
    measured = Measured([], [])
    begin = time.monotonic()
    while len(measured.arrived) < COUNT:
        due = begin + len(measured.sent) * INTERVAL
        limit = due if len(measured.sent) < COUNT else begin + COUNT * INTERVAL + PATIENCE
        try:
            frame = socket.recv(max(0.0, limit - time.monotonic()))
        except TimeoutError:
            if len(measured.sent) == COUNT:
                break
            measured.sent.append(time.monotonic())
            socket.send(json.dumps({"type": "ping", "requestId": f"doctor-{len(measured.sent)}"}))
            continue
        if json.loads(frame).get("type") == "pong":  # not an event of another tab
            measured.arrived.append(time.monotonic())
    return measured


def _judge(measured: Measured) -> Finding:
    missing = len(measured.sent) - len(measured.arrived)
    buffering = (
        "something on the way gathers what the server sends: turn buffering and compression off for the socket's path. "
        f"nginx: proxy_buffering off; ({NGINX}). Do so in a content delivery network or a virus scanner, too"
    )
    if missing:
        seen = f"{missing} of {len(measured.sent)} frames have not arrived after {PATIENCE:g} s."
        return wrong(seen, "each within a fraction of a second.", buffering)
    least, most = measured.milliseconds
    if measured.are_together:
        seen = f"Frames that were sent {1000 * INTERVAL:g} ms apart arrive together, after up to {most:.0f} ms."
        return wrong(seen, "each when it is sent.", buffering)
    return ok(f"Frames arrive one by one, {least:.0f} to {most:.0f} ms after they were asked for.")


def _wait(socket: ClientConnection, idle: float) -> Finding:
    began = time.monotonic()
    try:
        while (left := began + idle - time.monotonic()) > 0:
            socket.recv(left)
    except TimeoutError:
        pass
    except ConnectionClosed as closed:
        return _closed(closed, time.monotonic() - began)
    if not measure(socket).arrived:
        return wrong(f"The socket is dead after {idle:g} s without frames.", "an open socket.", _longer(idle))
    return ok(f"The socket is still open after {idle:g} s without frames.")


def _closed(closed: ConnectionClosed, after: float) -> Finding:
    code = closed.rcvd.code if closed.rcvd else None
    if code in CODES:
        seen, change = CODES[code]
        return wrong(f"The socket was closed with {code}: {seen}.", "an open socket.", change)
    if code is None and closed.sent is not None and closed.sent.code in (1002, 1007):
        return _garbled(closed.sent.reason)
    if after:
        seen = f"The socket was cut after {after:.0f} s without frames."
        return wrong(seen, "an open socket.", _longer(after))
    seen = f"The socket was closed at once, {'without a code' if code is None else f'with {code}'}."
    change = "look into the site's log, and into that of the proxy; a proxy that does not know websockets does this"
    return wrong(seen, "an open socket.", change)


def _garbled(reason: str) -> Finding:
    return wrong(
        f"What arrives after the handshake are no websocket frames{f' ({reason})' if reason else ''}.",
        "the frames as the server sends them.",
        "something on the way changes them: turn compression (gzip) and filters off for the socket's path",
    )


def _longer(seconds: float) -> str:
    return (
        f"a proxy cuts connections that are silent for {seconds:.0f} s. The server sends a ping every 20 s: let the "
        f"proxy wait longer, nginx: proxy_read_timeout 150s; ({NGINX}), or start uvicorn with a shorter "
        "--ws-ping-interval"
    )
