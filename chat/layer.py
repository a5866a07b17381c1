"""Sends through the site's channel layer from a process without an event loop: under WSGI, or in a command.

Nothing in such a process could wait for the layer, and the connections of a layer belong to the loop that made them.
So one thread of the process has a loop, which runs only while a message is sent and keeps its connection for the next
one. The caller never waits.
"""

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections import deque
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

WAIT = 5.0
"""Timeout for the layer to take a message, and for all that remain when the process ends, in seconds."""

IDLE = 60.0
"""After this time without a message, the thread closes its connection and ends, in seconds."""

MAX_WAITING = 10_000
"""How many messages may wait while the layer is slow."""


def send(group: str, message: dict[str, Any]) -> None:
    """Send a message to a group, without waiting for it. What goes wrong is logged, and the message is lost.

    Without a channel layer, and with one in memory, which cannot reach another process, nothing happens.
    """
    try:
        layer = get_channel_layer()
    except Exception as error:  # whatever a layer raises that is set up wrongly
        _sender.fail(repr(error))
        return
    if layer is not None and not isinstance(layer, InMemoryChannelLayer):
        _sender.put(layer, group, message)


def finish() -> None:
    """Wait until all messages are sent, for at most ``WAIT``, and close the connection."""
    _sender.finish()


class Sender:
    """Sends the messages of a process, one after another, on a thread that starts with the first one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Any, str, dict[str, Any]]] = deque()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._failing = False

    def put(self, layer: Any, group: str, message: dict[str, Any]) -> None:
        """Queue a message, and start the thread if there is none."""
        if _has_green_threads():
            self.fail("the threads of this process are gevent's, which cannot run an event loop")
            return
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self.fail(f"{MAX_WAITING} messages wait")
                return
            self._waiting.append((layer, group, message))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="llm-chat-layer", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Wait for the queued messages, for at most ``WAIT``, and end the thread."""
        with self._changed:
            thread, self._ending = self._thread, True
            self._changed.notify()
        if thread is not None:
            thread.join(WAIT)

    def fail(self, reason: str) -> None:
        """Log why messages are lost, once until the layer works again."""
        if not self._failing:
            logger.warning("The channel layer fails (%s): open pages miss events of this process.", reason)
        self._failing = True

    def _work(self) -> None:
        with asyncio.Runner() as runner:  # when it closes the loop, the layer closes its connections
            while (queued := self._next()) is not None:
                try:
                    runner.run(_send(*queued))
                    self._failing = False
                except Exception as error:  # whatever a layer raises
                    self.fail(repr(error))
                    self._waiting.clear()  # each of them would take as long to fail

    def _next(self) -> tuple[Any, str, dict[str, Any]] | None:
        """Wait for the next message; return ``None`` if there is none and the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending, IDLE)
            if self._waiting:
                return self._waiting.popleft()
            self._thread, self._ending = None, False
            return None


async def _send(layer: Any, group: str, message: dict[str, Any]) -> None:
    async with asyncio.timeout(WAIT):
        await layer.group_send(group, message)


def _has_green_threads() -> bool:
    """Tell whether gevent has replaced the threads: a loop would then run in the thread of every request."""
    gevent: Any = sys.modules.get("gevent.monkey")
    return gevent is not None and bool(gevent.is_module_patched("threading"))


_sender = Sender()


def _begin_again() -> None:
    """Replace the sender of the parent process, whose thread does not exist in a forked one."""
    global _sender
    _sender = Sender()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_begin_again)
atexit.register(finish)
