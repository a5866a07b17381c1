"""News of conversations for every open socket of their owner, on every process: through the site's channel layer.

Each process listens on one channel for all its sockets: a socket costs the layer nothing, and a layer that is away for
a while closes none. Without a layer the news reach the sockets of this process.
"""

import asyncio
import contextlib
import contextvars
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from channels.layers import get_channel_layer

from .sockets.sent import Event

logger = logging.getLogger(__name__)

GROUP = "llm_chat.events"
WAIT = 5.0
"""Longest wait for the layer to take an event, and between two tries to listen, in seconds."""

RENEWAL = 3600.0
"""How often the group is joined again: some layers forget members after a day. In seconds."""

Listener = Callable[[Event], None]


class Events:
    """The news that reach one process; all methods are called on its event loop."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._told = False
        self._layer: Any = None

    @contextlib.contextmanager
    def heard(self, owner: str, listener: Listener) -> Iterator[None]:
        """Call ``listener`` with the events of an owner's conversations."""
        self._listeners[owner].add(listener)
        try:
            yield
        finally:
            self._listeners[owner].discard(listener)
            if not self._listeners[owner]:
                del self._listeners[owner]

    def tell(self, owner: str, event: Event) -> None:
        """Tell every socket of an owner, on this process at once."""
        self._deliver(owner, event)
        if self._layer is not None:
            task = asyncio.get_running_loop().create_task(self._send(owner, event), context=contextvars.Context())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def start(self) -> None:
        """Begin to listen to the other processes, where the site has a layer."""
        self._layer = get_channel_layer()
        if self._layer is not None:
            self._task = asyncio.get_running_loop().create_task(self._listen_forever(), context=contextvars.Context())

    async def finish(self) -> None:
        """Send what is under way, and stop listening."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=WAIT)
        for task in filter(None, (self._task, *self._sending)):
            task.cancel()
            await asyncio.wait([task])

    def _deliver(self, owner: str, event: Event) -> None:
        for listener in list(self._listeners.get(owner, ())):
            listener(event)

    async def _send(self, owner: str, event: Event) -> None:
        message = {"type": GROUP, "process": self._process, "owner": owner, "event": msgspec.to_builtins(event)}
        try:
            async with asyncio.timeout(WAIT):
                await self._layer.group_send(GROUP, message)
        except Exception as error:  # whatever a layer raises: the news are a courtesy
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
        self._told = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEWAL):
                while True:
                    if (message := await _received(layer, channel)) and message["process"] != self._process:
                        self._deliver(message["owner"], msgspec.convert(message["event"], Event))

    def _fail(self, error: Exception) -> None:
        if not self._told:
            logger.warning("The channel layer fails (%r): open pages hear later of what happens elsewhere.", error)
        self._told = True


async def _received(layer: Any, channel: str) -> dict[str, Any] | None:
    """The next message. A layer of channels_redis times out every few seconds of silence with redis-py 8 (its #422)."""
    try:
        return cast(dict[str, Any], await layer.receive(channel))
    except Exception as error:
        if type(error).__name__ == "TimeoutError" and not isinstance(error, TimeoutError):
            return None
        raise
