"""uvicorn's websocket protocol, hardened against clients that flood it or never finish a frame.

    uvicorn mysite.asgi:application --ws llm_chat.uvicorn:GuardedProtocol

An ASGI application sees only whole messages. The work before that blocks the event loop, and with it all other clients:
uvicorn parses everything that has arrived in one go (40,000 tiny frames take a third of a second), continues to parse
for 10 s after a socket was closed, and keeps a frame that never ends.
"""

import asyncio
import ctypes
import logging
import socket
import struct
from contextlib import suppress
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from .conf import conf
from .sockets.limits import Bucket, volume

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""How long a client may take to answer a close, in seconds."""

SMALLEST, USUAL, LARGEST = 256, 4_096, 262_144
"""Bytes to parse in one slice: few from a client that sends many frames, many in the middle of a long frame."""

PROGRESS, RENEWALS = 65_536, 10
"""Bytes of a message that renew its deadline, and how often they may: 8 MiB take minutes over a slow connection."""

SLOWEST = 256
"""Bytes that a client must receive each second so that a ping may wait behind them."""

UNSENT = 16_384
"""Bytes that the system may queue for a client (Linux, macOS); by default it is megabytes."""

MANY = 32
"""After a slice with more frames than this, the next slice has the smallest size."""


RETURNED = 1_048_576
"""Size in bytes from which freed blocks of memory are returned to the system."""

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h


def return_large_blocks() -> None:
    """Make glibc return large blocks of memory; by default it keeps them after the first long frame was freed."""
    with suppress(OSError, AttributeError, TypeError):  # another libc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, RETURNED)


return_large_blocks()


def received_by(transport: asyncio.Transport) -> int:
    """Return how many bytes the other end has acknowledged, by ``tcp_info`` of Linux; 0 elsewhere."""
    with suppress(OSError, AttributeError, struct.error):
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return int(struct.unpack_from("Q", info, 120)[0])
    return 0


def text_frame(text: str) -> bytes:
    """Encode a text as one unmasked frame (RFC 6455, section 5.2)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return bytes((0x81, size)) + data
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + data
    return b"\x81\x7f" + size.to_bytes(8, "big") + data


class GuardedProtocol(WebSocketsSansIOProtocol):
    """One connection: read in slices, at ``CHAT["FRAME_RATE"]``, each message within ``CHAT["FRAME_TIMEOUT"]``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.close_timeout = CLOSE_TIMEOUT
        self._bucket = Bucket(conf.frame_rate, self.loop.time())
        self._volume = volume(conf.max_frame_size, self.loop.time())
        self._unread = bytearray()
        self._slice = USUAL
        self._frames = 0
        self._completed = False
        self._progress = self._renewals = 0
        self._pause: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with little room on the way: what waits there for a slow client cannot be combined any more."""
        super().connection_made(transport)
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        with suppress(AttributeError):
            # It refers to the HTTP protocol, which refers to it; uvicorn cuts that only where no websocket follows.
            transport.get_protocol().parser = None  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Queue what the client sent, and parse it unless the client has to wait."""
        self._unread += data
        if self._pause is None:
            self._read_on()

    async def receive(self) -> Any:
        """Give the application its next message, and continue reading when it has taken all of them."""
        message = await super().receive()
        if self._waiting:
            self.transport.pause_reading()
            if self._pause is None and not self.read_paused:
                self._pause = self.loop.call_later(0, self._read_on)
        return message

    async def send(self, message: Any) -> None:
        """Send a message of the application. Keep the pace after a close, on which uvicorn would resume reading."""
        if message["type"] == "websocket.send" and (text := message.get("text")) is not None and self.write_text(text):
            return
        await super().send(message)
        if self._waiting and message["type"] == "websocket.close":
            self.transport.pause_reading()
            if self._pause is None:
                self._pause = self.loop.call_later(0, self._read_on)

    def write_text(self, text: str) -> bool:
        """Write a text if the client need not be waited for; return whether it was written."""
        if not self._may_write():
            return False
        self.transport.write(text_frame(text))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop unread and incomplete data at once; the objects that hold it wait for the garbage collector."""
        self._forget_deadline()
        for timer in (self._pause, self._leaving):
            if timer is not None:
                timer.cancel()
        for kept in (self._unread, self.conn.reader.buffer, self.frames):
            kept.clear()
        self.conn.parser.close()
        super().connection_lost(exc)

    def send_keepalive_ping(self) -> None:
        """Send a ping, and note how much the client has received so far."""
        self._received = received_by(self.transport)
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Drop a client that neither answers a ping nor reads what was sent before it.

        The ping of a slow client waits behind that. uvicorn only closes the connection, which does not end before the
        client has read everything.
        """
        before, self._received = self._received, received_by(self.transport)
        if self.ping_timeout and self._received - before >= SLOWEST * self.ping_timeout:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Give the client of a socket that the application has left ``CHAT["FRAME_TIMEOUT"]`` to read the rest."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._leaving = self.loop.call_later(conf.frame_timeout, self.transport.abort)

    def handle_text(self, event: Frame) -> None:
        """Count a text frame, and handle it."""
        self._frames += 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Count a binary frame, and handle it."""
        self._frames += 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Count a continuation frame, and handle it."""
        self._frames += 1
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Count a ping, and answer it."""
        self._frames += 1
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Count a pong, and handle it."""
        self._frames += 1
        super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message to the application, and note that it is complete."""
        self._completed = True
        super().send_receive_event_to_app()

    def _may_write(self) -> bool:
        """Tell whether a text can be written at once, as a frame without extensions."""
        return (
            self.handshake_complete
            and self.writable.is_set()
            and self.conn.state is State.OPEN
            and not self.conn.extensions
            and not (self.close_sent or self.disconnected or self.initial_response)
        )

    @property
    def _waiting(self) -> bool:
        """Tell whether the client has to wait, because some of its data is unread or because it was too fast."""
        return bool(self._unread) or self._pause is not None

    def _read_on(self) -> None:
        """Parse slice by slice until everything is read, the application falls behind, or the client is too fast."""
        self._pause = None
        while self._unread and not self.transport.is_closing():
            piece = bytes(self._unread[: self._slice])
            del self._unread[: self._slice]
            self._frames = 0
            super().data_received(piece)
            self._progress += len(piece)
            self._slice = self._next_slice()
            now = self.loop.time()
            wait = max(self._bucket.take(now, self._frames), self._volume.take(now, len(piece)))
            if wait:
                self.transport.pause_reading()
                self._pause = self.loop.call_later(wait, self._read_on)
                break
            if self.read_paused:  # ``receive`` continues from here
                break
        self._watch()
        if not self._waiting and not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _next_slice(self) -> int:
        if self._frames == 0:
            return min(LARGEST, 2 * self._slice)
        return USUAL if self._frames <= MANY else SMALLEST

    def _watch(self) -> None:
        """Start, renew or cancel the deadline of an incomplete message.

        Only progress renews it, not the pings between its fragments, and not pauses.
        """
        begun = bool(self.conn.reader.buffer or self.frames)
        if self._completed or not begun:
            self._forget_deadline()
            self._renewals = 0
        elif self._progress >= PROGRESS and self._renewals < RENEWALS:
            self._forget_deadline()
            self._renewals += 1
        self._completed = False
        if begun and self._deadline is None and not self._waiting:
            self._progress = 0
            self._deadline = self.loop.call_later(conf.frame_timeout, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            logger.info("A websocket was closed: one message took longer than %g s.", conf.frame_timeout)
            self.transport.abort()
