"""The websocket: admit, parse, delegate, and pump replies to the socket. A socket is a reader and owns nothing."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Hashable
from contextlib import ExitStack, aclosing, suppress
from typing import Any, NoReturn

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from .conf import conf
from .engine.engine import Engine, engine
from .errors import Refusal
from .html.version import PAGE_VERSION
from .owners import Owner
from .sockets.limits import Bucket, network_of, volume
from .sockets.received import (
    BAD_FRAME,
    NO_SESSION,
    OUTDATED,
    TOO_BIG,
    TOO_MUCH,
    Abort,
    Asked,
    BadFrameError,
    Ping,
    Received,
    parse,
    version_in,
)
from .sockets.requests import Reply, language_of, reply_to
from .sockets.sent import Event, error_frame, event_frame, reload_frame
from .sockets.sent import frame as answer_frame

logger = logging.getLogger(__name__)

MAX_NEWS = 100
"""How many events wait for a socket that does not take them."""

NO_CODE = 1006
"""What the end of a socket is called that was not closed (RFC 6455, section 7.4.1)."""

PATIENCE = 10.0
"""A socket that has sent too many frames for this long is closed, in seconds."""

SHARE = 4
"""All sockets of an owner together may send frames at this many times the rate of one."""


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One browser connection, for any number of one owner's conversations."""

    channel_layer_alias = None  # news come through the process's own channel: a layer that fails closes no socket

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._replies: dict[str, Reply] = {}
        self._pumps: set[asyncio.Task[None]] = set()
        self._heard = ExitStack()
        self._news: list[Event] = []
        self._bucket = Bucket(conf.frame_rate, time.monotonic())
        self._volume = volume(conf.max_frame_size, time.monotonic())
        self._delayed = 0.0
        self._engine: Engine | None = None

    async def __call__(self, *arguments: Any) -> None:
        """Serve the socket. It leaves whatever ends it: a send to a client that is gone raises, a server cancels.

        daphne cancels when it is told to end; what the drain waits for is then still sent.
        """
        try:
            await super().__call__(*arguments)
        finally:
            if self._engine is not None and self._engine.draining:
                self._heard.close()
            else:
                await self.disconnect(NO_CODE)

    async def connect(self) -> None:
        """Admit a socket that has an owner. Another learns why not by the close code, which needs an accept before."""
        self._engine = engine()
        owner = Owner.of(self.scope.get("user"), self.scope.get("session"))
        await self.accept()
        if version_in(self.scope["query_string"]) not in ("", PAGE_VERSION):
            await self.send(reload_frame())
            await self.leave(OUTDATED, "Expected a page of this server's own version: load it again.")
        if owner is None:
            logger.warning("A websocket was closed with %d: its session has neither a user nor a visitor.", NO_SESSION)
            await self.leave(NO_SESSION, "Expected the session's cookie, which the page with the chat sets.")
        self._owner = owner
        self._enter(owner)
        if not self._entered:
            logger.warning("A socket was refused: its owner or its address has too many open.")
            await self.leave(TOO_MUCH, "Too many connections are open.")
        engine().tasks.serve(asyncio.current_task())  # type: ignore[arg-type]  # the server's task for this socket
        self._heard.enter_context(engine().events.heard(self._owner.key, self._hear))
        try:
            await engine().start()
        except DatabaseError:
            logger.exception("The database does not answer, or lacks the app's tables: run manage.py migrate.")

    def _enter(self, owner: Owner) -> None:
        """Count the socket under its owner and its address; ``_entered`` says whether it may stay."""
        places: dict[Hashable, int] = {owner.key: conf.max_sockets_per_owner}
        if network := network_of((self.scope.get("client") or ("", 0))[0]):
            places[f"address {network}"] = conf.max_sockets_per_address
        sockets = engine().sockets
        self._entered = sockets.enter(places)
        if self._entered:
            self._shared = sockets.shared(owner.key, SHARE * conf.frame_rate, time.monotonic())
            self._heard.callback(sockets.leave, places)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle an event at once.

        Channels would first look after old connections, on the one thread that handshakes share: a stop would wait
        there for a stranger's slow query. No handler of ours uses a connection of that thread.
        """
        await getattr(self, get_handler_name(message))(message)

    async def disconnect(self, code: int) -> None:
        """Leave: the readers end, the answers go on."""
        self._heard.close()
        for pump in self._pumps:
            pump.cancel()

    async def leave(self, code: int, reason: str) -> NoReturn:
        """Close the socket and end the consumer: no frame is sent or handled afterwards."""
        await self.disconnect(code)
        await self.close(code, reason)
        raise StopConsumer

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Parse one frame and hand it on; never wait for the model or the database here."""
        data = text_data if text_data is not None else bytes_data or b""
        await self._keep_pace()
        size = _size(data)
        if size > conf.max_frame_size:
            await self.leave(TOO_BIG, f"A frame may have {conf.max_frame_size} bytes.")
        if wait := self._volume.take(time.monotonic(), size):
            await asyncio.sleep(wait)
        try:
            await self._handle(parse(data), self._owner)
        except BadFrameError as error:
            await self.leave(BAD_FRAME, str(error))

    async def _keep_pace(self) -> None:
        """Wait where a socket sends faster than it may. One that does so for long is closed."""
        now = time.monotonic()
        wait = max(self._bucket.take(now), self._shared.take(now))
        self._delayed = self._delayed + wait if wait else 0.0
        if self._delayed > PATIENCE:
            await self.leave(TOO_MUCH, f"Expected at most {conf.frame_rate:g} frames a second.")
        if wait:
            await asyncio.sleep(wait)

    async def _handle(self, frame: Received, owner: Owner) -> None:
        if isinstance(frame, Ping):
            await self.send(answer_frame("pong", frame.request_id))
            return
        if isinstance(frame, Abort):
            if reply := self._replies.get(frame.request_id):
                reply.stop()
            return
        try:
            self._begin(self._reply(frame, owner))
        except Refusal as refusal:
            await self.send(error_frame(frame.request_id, refusal.code, language_of(frame)))

    def _reply(self, frame: Asked, owner: Owner) -> Reply:
        if frame.request_id in self._replies:
            raise BadFrameError("Expected a requestId that no open request has.")
        if len(self._replies) >= conf.max_pending_requests:
            raise Refusal("too_many")
        return reply_to(frame, engine(), owner)

    def _begin(self, reply: Reply) -> None:
        self._replies[reply.request_id] = reply
        self._spawn(self._pump(reply))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        pump = asyncio.get_running_loop().create_task(work)
        self._pumps.add(pump)
        engine().tasks.serve(pump)
        pump.add_done_callback(self._pumps.discard)

    def _hear(self, event: Event) -> None:
        """Pass news on. A reader that does not read misses some: a resume will tell it everything."""
        self._news.append(event)
        if len(self._news) == 1:
            self._spawn(self._tell())
        del self._news[MAX_NEWS:]

    async def _tell(self) -> None:
        with suppress(OSError):
            while self._news:
                await self.base_send({"type": "websocket.send", "text": event_frame(self._news[0])})
                del self._news[:1]

    async def _pump(self, reply: Reply) -> None:
        try:
            async with aclosing(reply.frames()) as frames:
                async for text in frames:
                    await self.base_send({"type": "websocket.send", "text": text})
        except OSError:  # what ASGI raises where the other side is gone; disconnect() follows
            logger.debug("A reader left in mid-answer.")
        finally:
            del self._replies[reply.request_id]


def _size(data: str | bytes) -> int:
    """The bytes of a frame."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode(errors="replace"))
