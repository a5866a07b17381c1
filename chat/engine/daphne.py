"""How a process learns that it is to end where its server has no ASGI lifespan: under daphne, from the reactor."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def drain_before_shutdown(drain: Callable[[], Awaitable[None]]) -> None:
    """Let Twisted's reactor, where this event loop is its own, wait for ``drain`` before it stops.

    Not so under ``manage.py runserver`` with autoreload, whose process ends without asking anybody.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    loop = asyncio.get_running_loop()
    if reactor is None or getattr(reactor, "_asyncioEventloop", None) is not loop:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(drain())))
