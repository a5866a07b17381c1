"""Events about conversations, for every open page of their owner, whichever process serves it.

They are sent through the site's channel layer. Each process listens on one channel for all its sockets, so that a
socket costs the layer nothing and no socket is closed while the layer is unavailable. Without a layer, events reach
only the sockets of the same process. Events are best effort: a page that missed some catches up with ``resume``.
"""

import asyncio
import contextlib
import contextvars
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal, cast
from weakref import WeakKeyDictionary

import msgspec
from channels.layers import get_channel_layer

from .claims import claims_of
from .conf import conf
from .db.threads import on_commit
from .forking import after_fork
from .layer import send
from .models import Conversation, Message

logger = logging.getLogger(__name__)

GROUP = "llm_chat.events"
PROCESSES = "processes"
"""In place of an owner: the events for the processes themselves, about sessions, rights and their runs."""

BROWSER = "browser "
"""What the name of a browser begins with, in place of that of its session."""

OUTSIDE = ""
"""The process of an event that comes from outside the event loops; those of engines have names."""

WAIT = 5.0
"""Timeout for the layer to take an event, and the pause between two attempts to listen, in seconds."""

RENEWAL = 3600.0
"""The group is joined again after this time, in seconds, because some layers forget members after a day."""

_last_version = 0


def next_version() -> int:
    """Return a version that is higher than those of earlier events: milliseconds since 1970, also across processes.

    If the clock is set back, the process continues from its last version.
    """
    global _last_version
    _last_version = max(_last_version + 1, time.time_ns() // 1_000_000)
    return _last_version


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened to one of an owner's conversations. Later events have a higher ``version``."""

    event: Literal[
        "run-started",
        "run-ended",
        "decided",
        "deleted",
        "restored",
        "title",
        "pinned",
        "branch",
        "read",
        "session-ended",
        "session-renewed",
        "rights-changed",
        "moved",
        "run-moved",
    ]
    id: str
    """The conversation's ``uid``; in an event about a session, its name."""
    message: str
    """The answer of a run that started or ended, or the tip of the branch that is now shown."""
    version: int = msgspec.field(default_factory=next_version)
    title: str = ""
    """The conversation's title, where a run started, where the title changed and where a deletion was undone."""
    updated: float = 0.0
    """The time of the conversation's last activity, in seconds since 1970: where a deletion was undone, and where an
    event about a run is published some time after it."""
    pinned: bool = False
    """Whether the conversation is at the top of the list, where that changed and where a deletion was undone."""
    unread: bool = False
    """Whether the conversation has an unread answer, where a deletion was undone."""
    waiting: bool = False
    """Whether the answer waits for a decision, where a run ended and where a deletion was undone."""

    to: str = ""
    """The new ``uid`` of a conversation that was moved; in an event about its run or a session, the new owner's key."""

    @classmethod
    def started(cls, conversation: Conversation, answer: Message) -> "Event":
        """Report that an answer started, and with the first answer also the new conversation."""
        return cls("run-started", conversation.uid, answer.uid, title=conversation.title)

    @classmethod
    def ended(cls, answer: Message, *, waiting: bool | None = None) -> "Event":
        """Report that an answer ended, for whatever reason, or waits for a decision, as its row says by default."""
        waits = answer.status == Message.Status.WAITING if waiting is None else waiting
        return cls("run-ended", answer.conversation.uid, answer.uid, waiting=waits)

    @classmethod
    def decided(cls, answer: Message) -> "Event":
        """Report that the visitor has decided about some of the calls for which an answer waits."""
        return cls("decided", answer.conversation.uid, answer.uid)

    @classmethod
    def titled(cls, uid: str, title: str) -> "Event":
        """Report that a conversation has a new title."""
        return cls("title", uid, "", title=title)

    @classmethod
    def branch_selected(cls, uid: str, tip: Message) -> "Event":
        """Report that a conversation shows another branch, whose last message is ``tip``."""
        return cls("branch", uid, tip.uid)

    @classmethod
    def read(cls, uid: str) -> "Event":
        """Report that a conversation was marked as read."""
        return cls("read", uid, "")

    @classmethod
    def deleted(cls, uid: str) -> "Event":
        """Report that a conversation was deleted."""
        return cls("deleted", uid, "")

    @classmethod
    def restored(cls, conversation: Conversation) -> "Event":
        """Report that a deletion was undone, with all that a line of the list shows."""
        return cls(
            "restored",
            conversation.uid,
            "",
            title=conversation.title,
            updated=conversation.updated_at.timestamp(),
            pinned=conversation.pinned,
            unread=conversation.unread,
            waiting=getattr(conversation, "waiting", False),
        )

    @classmethod
    def pinning(cls, uid: str, *, pinned: bool) -> "Event":
        """Report that a conversation was pinned to the top of the list, or no longer is."""
        return cls("pinned", uid, "", pinned=pinned)

    @classmethod
    def moved(cls, before: str, now: str) -> "Event":
        """Report that a conversation has another ``uid``, because a visitor's conversation has taken it."""
        return cls("moved", before, "", to=now)

    @classmethod
    def run_moved(cls, conversation: Conversation, answer: Message) -> "Event":
        """Report to all processes that the conversation of a running answer has another owner, or another ``uid``."""
        return cls("run-moved", conversation.uid, answer.uid, to=conversation.owner)

    @classmethod
    def session_ended(cls, name: str) -> "Event":
        """Report to all processes that a browser has signed out. The name is that of its session (``session_name``)."""
        return cls("session-ended", name, "")

    @classmethod
    def session_renewed(cls, name: str, owner: str) -> "Event":
        """Report to all processes that a browser has signed in, and the key of its owner from now on."""
        return cls("session-renewed", name, "", to=owner)

    @classmethod
    def rights_changed(cls) -> "Event":
        """Report to all processes that users may have lost rights."""
        return cls("rights-changed", "", "")


def session_name(cookies: Mapping[str, str]) -> str:
    """Return the name that the session of a browser with these cookies has in events; ``""`` without a session."""
    session = cookies.get(conf.session_cookie, "")
    return session and hashlib.sha256(session.encode()).hexdigest()


def session_names(cookies: Mapping[str, str]) -> list[str]:
    """Return the names that concern a browser with these cookies: that of its session, and those of its tokens.

    Behind signed cookies, the cookie of a session changes whenever the session does; the tokens stay.
    """
    return [*filter(None, [session_name(cookies)]), *(f"{BROWSER}{claim}" for claim in claims_of(cookies))]


Listener = Callable[[Event], None]


class Events:
    """The events of one process, sent and received. Only ``publish_from_thread`` may be called off its event loop."""

    _running: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, "Events"]] = WeakKeyDictionary()

    def __init__(self, process: str) -> None:
        self._process = process
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._failing = False
        self._layer: Any = None
        self._running[asyncio.get_running_loop()] = self

    @classmethod
    def publish_from_thread(cls, owner: str, event: Event, *, using: str | None = None) -> None:
        """Publish an event from code outside the event loops, such as a view, once its transaction is committed.

        In a process without an event loop, as under WSGI or in a command, it reaches the pages through the site's
        channel layer. ``using`` is the alias of that transaction's database, if it is not the app's.
        """

        def spread() -> None:
            serving = [(loop, events) for loop, events in list(cls._running.items()) if loop.is_running()]
            for loop, events in serving:
                loop.call_soon_threadsafe(events.publish, owner, event)
            if all(events._layer is None for _, events in serving):
                send(GROUP, _message(OUTSIDE, owner, event))

        on_commit(spread, using=using)

    @property
    def owners(self) -> Collection[str]:
        """List the owners whose events somebody listens to in this process."""
        return self._listeners.keys()

    @contextlib.contextmanager
    def subscribe(self, owner: str, listener: Listener) -> Iterator[None]:
        """Call ``listener`` with each event of an owner's conversations, inside the ``with`` block."""
        self._listeners[owner].add(listener)
        try:
            yield
        finally:
            self._listeners[owner].discard(listener)
            if not self._listeners[owner]:
                del self._listeners[owner]

    def listen(self, owner: str, listener: Listener) -> None:
        """Call ``listener`` with each event of an owner, as long as the process lives."""
        self._listeners[owner].add(listener)

    def publish(self, owner: str, event: Event) -> None:
        """Pass an event to every socket of an owner: at once in this process, through the layer in others."""
        self._deliver(owner, event)
        if self._layer is not None:
            task = asyncio.get_running_loop().create_task(self._send(owner, event), context=contextvars.Context())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def start(self, *, listens: bool = True) -> None:
        """Start to exchange events with other processes, if the site has a channel layer; or only to send some."""
        self._layer = get_channel_layer()
        if self._layer is not None and listens:
            self._task = asyncio.get_running_loop().create_task(self._listen_forever(), context=contextvars.Context())

    async def finish(self) -> None:
        """Wait for the events that are being sent, for at most ``WAIT``, and stop listening."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=WAIT)
        for task in filter(None, (self._task, *self._sending)):
            task.cancel()
            await asyncio.wait([task])
        self._running.pop(asyncio.get_running_loop(), None)

    def _deliver(self, owner: str, event: Event) -> None:
        for listener in list(self._listeners.get(owner, ())):
            listener(event)

    async def _send(self, owner: str, event: Event) -> None:
        try:
            async with asyncio.timeout(WAIT):
                await self._layer.group_send(GROUP, _message(self._process, owner, event))
        except Exception as error:  # whatever a layer raises: events are best effort
            self._fail(error)

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # as above
                self._fail(error)
                await asyncio.sleep(WAIT)

    async def _listen(self) -> None:
        """Listen until it is time to join the group again. Raises whatever the layer raises."""
        layer = self._layer
        async with asyncio.timeout(WAIT):
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
        self._failing = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEWAL):
                while True:
                    if (message := await _receive(layer, channel)) and message["process"] != self._process:
                        self._deliver(message["owner"], msgspec.convert(message["event"], Event))

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            logger.warning("The channel layer fails (%r): pages miss events of other processes until it works.", error)
        self._failing = True


def _message(process: str, owner: str, event: Event) -> dict[str, Any]:
    return {"type": GROUP, "process": process, "owner": owner, "event": msgspec.to_builtins(event)}


def _forget_running() -> dict[asyncio.AbstractEventLoop, Events]:
    found = dict(Events._running)
    Events._running.clear()
    return found


after_fork(_forget_running)


async def _receive(layer: Any, channel: str) -> dict[str, Any] | None:
    """Return the next message, or ``None`` after a timeout of the layer, which is no failure.

    With redis-py 8, a layer of channels_redis times out after a few seconds without messages (its issue 422).
    """
    try:
        return cast(dict[str, Any], await layer.receive(channel))
    except Exception as error:
        if type(error).__name__ == "TimeoutError" and not isinstance(error, TimeoutError):
            return None
        raise
