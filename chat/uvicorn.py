"""uvicorn's websocket protocol, hardened against clients that flood it or do not finish what they began.

    uvicorn mysite.asgi:application --ws llm_chat.uvicorn:GuardedProtocol

An ASGI application meets whole messages only. What comes before that costs the event loop, and so all other clients:
uvicorn parses whatever has arrived in one go (40,000 tiny frames, a third of a second), continues to do so for 10 s
after a socket was closed, and keeps a frame that never ends.
"""

import asyncio
import ctypes
import logging
from contextlib import suppress
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from .conf import conf
from .sockets.limits import Bucket, volume

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""How long a client may take to answer a close, in seconds."""

SMALLEST, USUAL, LARGEST = 256, 4_096, 262_144
"""Bytes that are parsed in one go: few from a client that sends many frames, many in the middle of a long frame."""

PROGRESS, RENEWALS = 65_536, 10
"""Bytes of a message that renew its deadline, and how often at most: a slow line needs minutes for 8 MiB."""

MANY = 32
"""More frames than this in one go make the next one the smallest."""


RETURNED = 1_048_576
"""Blocks of memory from this size on go back to the system when they are freed, in bytes."""

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def return_large_blocks() -> None:
    """Let glibc return large blocks: left to itself it learns from the first long frame to keep those of all others."""
    with suppress(OSError, AttributeError, TypeError):  # another libc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, RETURNED)


return_large_blocks()


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

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; read it when its turn comes."""
        self._unread += data
        if self._pause is None:
            self._read_on()

    async def receive(self) -> Any:
        """Give the application its next message, and read on when it has taken all."""
        message = await super().receive()
        if self._waiting:
            self.transport.pause_reading()
            if self._pause is None and not self.read_paused:
                self._pause = self.loop.call_later(0, self._read_on)
        return message

    async def send(self, message: Any) -> None:
        """Send a message of the application's. A close makes uvicorn read what it had left for later: keep the pace."""
        await super().send(message)
        if self._waiting and message["type"] == "websocket.close":
            self.transport.pause_reading()
            if self._pause is None:
                self._pause = self.loop.call_later(0, self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was not read or not complete: the objects around it wait for the garbage collector."""
        self._forget_deadline()
        if self._pause is not None:
            self._pause.cancel()
        for kept in (self._unread, self.conn.reader.buffer, self.frames):
            kept.clear()
        self.conn.parser.close()
        super().connection_lost(exc)

    def handle_text(self, event: Frame) -> None:
        """Count a text frame."""
        self._frames += 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Count a binary frame."""
        self._frames += 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Count a continuation."""
        self._frames += 1
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Count a ping."""
        self._frames += 1
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Count a pong."""
        self._frames += 1
        super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on."""
        self._completed = True
        super().send_receive_event_to_app()

    @property
    def _waiting(self) -> bool:
        """Whether the client has to wait, for something of its own is not read yet or it was too fast."""
        return bool(self._unread) or self._pause is not None

    def _read_on(self) -> None:
        """Parse slice by slice, until all is read, the application is behind, or the client is too fast."""
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
            if self.read_paused:  # ``receive`` goes on from here
                break
        self._watch()
        if not self._waiting and not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _next_slice(self) -> int:
        if self._frames == 0:
            return min(LARGEST, 2 * self._slice)
        return USUAL if self._frames <= MANY else SMALLEST

    def _watch(self) -> None:
        """Give each message that has begun its time. Pings between its fragments do not renew it, nor do pauses."""
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
            logger.info("A socket was closed: one frame took longer than %g s.", conf.frame_timeout)
            self.transport.abort()
