"""Drains the process when daphne stops. Daphne has no ASGI lifespan, so Twisted's reactor has to wait for it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def drain_before_shutdown(drain: Callable[[], Awaitable[None]]) -> None:
    """Make Twisted's reactor wait for ``drain`` before it stops; do nothing if it does not run this event loop.

    This has no effect under ``manage.py runserver`` with autoreload, whose process ends without stopping the reactor.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    loop = asyncio.get_running_loop()
    if reactor is None or getattr(reactor, "_asyncioEventloop", None) is not loop:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(drain())))
