"""What daphne does in its own way: it has no ASGI lifespan, and leaves out the headers of a handshake's response."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def drain_before_shutdown(drain: Callable[[], Awaitable[None]]) -> None:
    """Make Twisted's reactor wait for ``drain`` before it stops; do nothing if it does not run this event loop.

    This has no effect under ``manage.py runserver`` with autoreload, whose process ends without stopping the reactor.
    """
    reactor = _reactor()
    if reactor is None:
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(drain())))


def accepting(*header: bytes) -> dict[str, Any]:
    """Return the arguments with which a consumer accepts a socket, and sets a header if one is given.

    Daphne hands on only the subprotocol, and autobahn takes a pair of it and headers in its place.
    """
    if not header:
        return {}
    if _reactor() is None:
        return {"headers": [header]}
    name, value = (part.decode("latin-1") for part in header)
    return {"subprotocol": (None, {name: value})}


def _reactor() -> Any:
    """Return Twisted's reactor if it runs this event loop, otherwise ``None``."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    loop = asyncio.get_running_loop()
    return reactor if getattr(reactor, "_asyncioEventloop", None) is loop else None
