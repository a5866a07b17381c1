"""The websocket consumer: it admits a frame, parses it and hands it on. It follows answers but does not own them."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Hashable
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from .addresses import network_of_socket
from .claims import claims_of, cookie_of
from .conf import conf
from .db.merging import place_of
from .db.threads import in_database
from .engine.daphne import accepting
from .engine.engine import engine
from .engine.merging import merge
from .engine.rights import ENDED, FORBIDDEN, Admission
from .engine.rights import RENEWED as SESSION_RENEWED
from .errors import Refusal
from .events import BROWSER, Event, session_name
from .html.version import PAGE_VERSION
from .identity import BASIS, basis_of
from .owners import Owner
from .prometheus import EVENTS_DROPPED
from .sockets import page_requests  # noqa: F401 (registers its handlers)
from .sockets.limits import Bucket, volume
from .sockets.received import (
    BAD_FRAME,
    NO_PERMISSION,
    NO_SESSION,
    OUTDATED,
    RENEWED,
    TOO_BIG,
    TOO_MUCH,
    Abort,
    Asked,
    BadFrameError,
    Ping,
    conversation_in,
    owner_in,
    parse,
    version_in,
)
from .sockets.requests import HANDLERS, GoneError, Request, Write, never
from .sockets.sent import error_frame, event_frame, reload_frame, signed_in_frame
from .sockets.sent import frame as answer_frame

logger = logging.getLogger(__name__)

MAX_EVENTS = 100
"""How many events are queued for a socket that does not read."""

NO_CODE = 1006
"""The close code of a socket that ended without a close frame (RFC 6455, section 7.4.1)."""

ANOTHER_OWNER = "The browser has signed in or out since the page was loaded: load it again."

ENDS = {
    ENDED: (NO_SESSION, ANOTHER_OWNER),
    SESSION_RENEWED: (RENEWED, "The session has ended or become another one: connect again."),
    FORBIDDEN: (NO_PERMISSION, "The visitor may no longer use this chat."),
}
"""The close code and the reason, by how a socket ends."""

PATIENCE = 10.0
"""A socket that sends too many frames for this long is closed, in seconds."""

SHARE = 4
"""All sockets of an owner together may send this many times the frames of one socket."""


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One browser connection, for any number of one owner's conversations."""

    channel_layer_alias = None  # events have a channel of the process: a layer that fails must not close the sockets

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._requests: dict[str, Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions = ExitStack()
        self._events: list[Event] = []
        self._bucket = Bucket(conf.frame_rate, time.monotonic())
        self._volume = volume(conf.max_frame_size, time.monotonic())
        self._delayed = 0.0
        self._over = False
        self._engine = engine()
        self._write: Write = never

    async def __call__(self, *arguments: Any) -> None:
        """Serve the socket, and clean up however it ends, such as by an exception in ``send`` or by cancellation.

        Daphne cancels it when a shutdown begins. Its requests then continue, because the shutdown waits for their
        answers, which are still sent.
        """
        try:
            await super().__call__(*arguments)
        finally:
            if self._engine.draining:
                self._subscriptions.close()
            else:
                await self.disconnect(NO_CODE)

    async def connect(self) -> None:
        """Admit a socket that has an owner.

        Other sockets are accepted too, and then closed, because a close code can only be sent after accept.
        """
        owner = Owner.of(self.scope.get("user"), self.scope.get("session"))
        cookies = self.scope.get("cookies", {})
        cookie = cookie_of(cookies)
        await self.accept(**accepting(*(cookie.header if owner else ())))
        # That of GuardedProtocol. If the site has wrapped ``send``, there is none, and every frame passes the wrapper.
        self._write = getattr(getattr(self.base_send, "__self__", None), "write_text", never)
        if version_in(self.scope["query_string"]) not in ("", PAGE_VERSION):
            await self.send(reload_frame())
            await self.leave(OUTDATED, "Expected a page of this server's own version: load it again.")
        if how := self._engine.rights.ended(session_name(cookies), owner):
            await self.leave(*ENDS[how])
        if owner is None:
            logger.warning("A websocket was closed with %d: its session has neither a user nor a visitor.", NO_SESSION)
            await self.leave(NO_SESSION, "Expected the session's cookie, which the page with the chat sets.")
        owner = owner._replace(claims=claims_of({**cookies, cookie.name: cookie.token}))
        await self._check_page(owner)
        self._owner = owner
        self._admission = await self._admitted(owner)
        self._enter(owner)
        if not self._entered:
            logger.warning("A socket was refused: its owner or its address has too many open.")
            await self.leave(TOO_MUCH, "Too many connections are open.")
        self._engine.tasks.serve(asyncio.current_task())  # type: ignore[arg-type]  # the server's task for this socket
        self._subscriptions.enter_context(self._engine.events.subscribe(self._owner.key, self._queue_event))
        self._subscriptions.enter_context(self._engine.rights.admit(self._admission, self._end))
        try:
            await self._engine.start()
        except DatabaseError:
            logger.exception("The database does not answer, or lacks the app's tables: run manage.py migrate.")

    async def _check_page(self, owner: Owner) -> None:
        """Turn away the page of another owner. One from before its visitor has signed in learns who that is now."""
        query = self.scope["query_string"]
        if owner_in(query) in ("", owner.digest):
            return
        if owner_in(query) == owner.former_digest:
            try:
                place = await in_database(_place_of, owner, conversation_in(query))
            except DatabaseError:
                logger.exception("The page of a visitor who has signed in could not be moved.")
                await self.leave(*ENDS[SESSION_RENEWED])
            if place is not None:
                await self.send(signed_in_frame(owner.digest, place))
                await self.leave(*ENDS[SESSION_RENEWED])
        await self.leave(NO_SESSION, ANOTHER_OWNER)

    async def _admitted(self, owner: Owner) -> Admission:
        """Return what the socket is admitted for. The site's own router may have read its session and user."""
        known = BASIS in self.scope or owner.user_id is None
        basis = basis_of(self.scope) if known else await in_database(basis_of, self.scope)
        names = {session_name(self.scope.get("cookies", {})), *(f"{BROWSER}{claim}" for claim in owner.claims)}
        return Admission(owner, basis.session, basis.fingerprint, names)

    def _enter(self, owner: Owner) -> None:
        """Count the socket under its owner and its address, and set ``_entered`` to whether it may stay."""
        places: dict[Hashable, int] = {owner.key: conf.max_sockets_per_owner}
        self._network = network_of_socket(self.scope.get("client"), self.scope["headers"])
        if self._network:
            places[f"address {self._network}"] = conf.max_sockets_per_address
        sockets = self._engine.sockets
        self._entered = sockets.enter(places)
        if self._entered:
            self._shared = sockets.shared(owner.key, SHARE * conf.frame_rate, time.monotonic())
            self._subscriptions.callback(sockets.leave, places)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle an ASGI event at once.

        Channels would first close old database connections, on the one thread that all handshakes share, where a stop
        would wait for another visitor's slow query. No handler here uses a connection of that thread.
        """
        await getattr(self, get_handler_name(message))(message)

    async def disconnect(self, code: int) -> None:
        """Stop following answers; they continue."""
        self._subscriptions.close()
        for task in self._tasks:
            task.cancel()

    async def leave(self, code: int, reason: str) -> NoReturn:
        """Close the socket and end the consumer: no frame is sent or handled afterwards."""
        await self.disconnect(code)
        await self.close(code, reason)
        raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Admit a frame, within the socket's limits of rate and size. A client that is too fast has to wait."""
        if self._over:
            return
        data = message["text"] if message.get("text") is not None else message.get("bytes") or b""
        size = len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode(errors="replace"))
        now = time.monotonic()
        wait = max(self._bucket.take(now), self._shared.take(now))
        self._delayed = self._delayed + wait if wait else 0.0
        if self._delayed > PATIENCE:
            await self.leave(TOO_MUCH, f"Expected at most {conf.frame_rate:g} frames a second.")
        if size > conf.max_frame_size:
            await self.leave(TOO_BIG, f"A frame may have {conf.max_frame_size} bytes.")
        if wait := max(wait, self._volume.take(now, size)):
            await asyncio.sleep(wait)
        await super().websocket_receive(message)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Parse one frame and hand it on. This must never wait for the model or the database."""
        try:
            frame = parse(text_data if text_data is not None else bytes_data or b"")
            if isinstance(frame, Ping):
                await self.send(answer_frame("pong", frame.request_id))
            elif isinstance(frame, Abort):
                if request := self._requests.get(frame.request_id):
                    request.stop()
            else:
                await self._begin(frame)
        except BadFrameError as error:
            await self.leave(BAD_FRAME, str(error))

    async def _begin(self, frame: Asked) -> None:
        """Start answering a request, or refuse it. Raises ``BadFrameError``."""
        if frame.request_id in self._requests:
            raise BadFrameError("Expected a requestId that no open request has.")
        try:
            if len(self._requests) >= conf.max_pending_requests:
                raise Refusal("too_many")
            request = Request(self._engine, self._owner, frame, self._push, self._write, self._network)
        except Refusal as refusal:
            await self.send(error_frame(frame.request_id, refusal, frame.page_language))
            return
        self._requests[request.id] = request
        self._admission.use(frame.id, frame.body.assistant, frame.body.about)
        task = self._spawn(request.serve(HANDLERS[type(frame)], frame))
        task.add_done_callback(lambda _: self._requests.pop(request.id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._engine.tasks.spawn_for_socket(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _push(self, text: str) -> None:
        try:
            await self.base_send({"type": "websocket.send", "text": text})
        except OSError:  # raised by the server if the client is gone; disconnect() follows
            raise GoneError from None

    def _end(self, how: str) -> None:
        """Stop serving the socket, because its visitor has lost the right to it."""
        self._over = True
        self._subscriptions.close()
        for task in self._tasks:
            task.cancel()
        self._spawn(self.close(*ENDS[how]))

    def _queue_event(self, event: Event) -> None:
        """Queue an event. If the client is too slow, the oldest are kept and the rest dropped; it catches up later."""
        self._events.append(event)
        if len(self._events) == 1:
            self._spawn(self._send_events())
        if len(self._events) > MAX_EVENTS:
            del self._events[MAX_EVENTS:]
            EVENTS_DROPPED.add()

    async def _send_events(self) -> None:
        with suppress(GoneError):
            while self._events:
                await self._push(event_frame(self._events[0]))
                del self._events[:1]


def _place_of(owner: Owner, uid: str) -> str | None:
    """Return where a page from before the owner has signed in finds its conversation now. This is a database step.

    What was stored while the owner signed in moves first. Return ``None`` if the conversation has not moved.
    """
    visitor = Owner(owner.former)
    merge(visitor, owner)
    return place_of(visitor, owner, uid)
