"""ASGI lifespan: the chat starts and drains with the server, and so does the application that the site had before."""

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

    An ASGI application: the ``"lifespan"`` of a site's own ``ProtocolTypeRouter``.
    """
    await lifespan_of(None)(scope, receive, send)


def lifespan_of(app: App | None) -> App:
    """Return a lifespan for the chat and another application: it starts before the chat and stops after it.

    A site with a wrong setting starts neither. Where the other application fails to start, the chat does not start.
    """

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if wrong := await asyncio.to_thread(errors):  # a router of the site's may ask its database
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
    """Raise ``ImproperlyConfigured`` for a wrong setting under daphne's command, which runs no checks or lifespan."""
    if "daphne.cli" in sys.modules and (wrong := errors()):
        raise ImproperlyConfigured("\n".join(wrong))


async def _start(other: "Other | None") -> Event | None:
    """Start the other application, then the chat; return the failure that keeps the server from starting."""
    failure = await other.pass_on(STARTUP) if other else None
    if failure is not None:
        return failure
    try:
        await engine().start()
    except DatabaseError:
        logger.exception("The database does not answer, or lacks the app's tables: run manage.py migrate.")
    except ImproperlyConfigured as error:  # by Django, of a database for example
        if other is not None:
            await other.pass_on(SHUTDOWN)
        return _failed(str(error))
    return None


def _failed(sentence: str) -> Event:
    """Return the event of a start that failed, and print its reason once more below what servers add to it."""
    atexit.register(print, sentence, file=sys.stderr)
    return {"type": f"{STARTUP}.failed", "message": sentence}


class Other:
    """The lifespan of the application that the chat was put around, which may have none.

    As under a server, an application that raises or returns before it has answered counts as one without a lifespan.
    """

    def __init__(self, app: App, scope: Scope) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._answers: list[Event] = []
        self._answered = asyncio.Event()
        self._asked = self._gone = False
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def pass_on(self, event: str) -> Event | None:
        """Pass an event on and wait for the answer; return it if it is a failure."""
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
