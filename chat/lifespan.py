"""ASGI lifespan: starts and drains the chat with the server, together with the application that the site had before."""

import asyncio
import atexit
import logging
import sys

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from .asgi import App, Event, Receive, Scope, Send
from .checks import errors
from .engine.engine import engine

logger = logging.getLogger(__name__)

STARTUP, SHUTDOWN = "lifespan.startup", "lifespan.shutdown"


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Register the process when its server starts, and drain its runs when the server stops.

    This is an ASGI application, for the key ``"lifespan"`` of a site's own ``ProtocolTypeRouter``.
    """
    await lifespan_of(None)(scope, receive, send)


def lifespan_of(app: App | None) -> App:
    """Make the lifespan application of the chat and another application, which starts before it and stops after it.

    With a wrong setting, neither starts. If the other application fails to start, neither does the chat.

    Args:
        app: the other application; ``None`` for the chat alone.
    """

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if wrong := await asyncio.to_thread(errors):  # a database router of the site may send a query
            await send(_failed("\n".join(wrong)))
            return
        other = Other(app, scope) if app is not None else None
        try:
            failure = await _start(other)
            await send(failure or {"type": f"{STARTUP}.complete"})
            if failure is None:
                await receive()
                await engine().drain()
                failure = await other.pass_on(SHUTDOWN) if other else None
                await send(failure or {"type": f"{SHUTDOWN}.complete"})
        finally:
            if other is not None:
                await other.close()

    return both


def check_under_daphne() -> None:
    """Raise ``ImproperlyConfigured`` for a wrong setting under the daphne command, which has no checks or lifespan."""
    if "daphne.cli" in sys.modules and (wrong := errors()):
        raise ImproperlyConfigured("\n".join(wrong))


async def _start(other: "Other | None") -> Event | None:
    """Start the other application, then the chat; return the event of a failure, or ``None``."""
    failure = await other.pass_on(STARTUP) if other else None
    if failure is not None:
        return failure
    try:
        await engine().start()
    except DatabaseError:
        logger.exception("The database does not answer, or lacks the app's tables: run manage.py migrate.")
    except ImproperlyConfigured as error:  # raised by Django, for example for a database
        if other is not None:
            await other.pass_on(SHUTDOWN)
        return _failed(str(error))
    return None


def _failed(sentence: str) -> Event:
    """Make the event of a failed start, and print its reason once more at exit, below the server's own output."""
    atexit.register(print, sentence, file=sys.stderr)
    return {"type": f"{STARTUP}.failed", "message": sentence}


class Other:
    """The lifespan of the application that the chat wraps, which may have none.

    An application that raises or returns without an answer counts as one without a lifespan, as servers treat it too.
    """

    def __init__(self, app: App, scope: Scope) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._answers: list[Event] = []
        self._answered = asyncio.Event()
        self._asked = self._gone = False
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def pass_on(self, event: str) -> Event | None:
        """Pass an event to the application and wait for its answer; return it if it is a failure."""
        self._events.put_nowait({"type": event})
        answered = asyncio.ensure_future(self._answered.wait())
        await asyncio.wait([answered, self._task], return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        self._answered.clear()
        answers, self._answers = self._answers, []
        if not answers and not self._gone:
            self._gone = True
            self._note_end()
        return next((answer for answer in answers if answer["type"] == f"{event}.failed"), None)

    async def close(self) -> None:
        """End the application's task, if it is still running."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # logged already, or the failure that was sent to the server

    def _note_end(self) -> None:
        error = asyncio.CancelledError() if self._task.cancelled() else self._task.exception()
        if error is not None and self._asked:
            logger.warning(
                "The site's own application failed in its lifespan and continues without it.", exc_info=error
            )
        elif error is not None:
            logger.debug("The site's own application has no lifespan: %r", error)

    async def _receive(self) -> Event:
        self._asked = True
        return await self._events.get()

    async def _send(self, event: Event) -> None:
        if not event["type"].startswith("lifespan."):
            raise ValueError(f"Expected a lifespan event, got {event['type']!r}.")
        self._answers.append(event)
        self._answered.set()
