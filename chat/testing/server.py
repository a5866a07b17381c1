"""Serves the site's ASGI application to a test, on an event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from channels.routing import get_default_application

from ..asgi import App
from ..db.threads import close_pool
from ..endings import INTERRUPTED
from ..engine.engine import engines

T = TypeVar("T")

WAIT = 10.0
"""How long a test waits for the site, in seconds."""

GRACE = 0.5
"""How long answers may finish at the end of a test, in seconds: one whose text has come may not have ended yet."""


class Server:
    """The application that ``ASGI_APPLICATION`` names, in this process and without a network.

    Making one raises ``ImproperlyConfigured`` if the site has no such application.
    """

    def __init__(self) -> None:
        self.app: App = get_default_application()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="chat-test-site", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the site's loop, from another thread, and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT)

    def stop(self) -> None:
        """Release everything, as a server does when it stops. Answers that do not finish now end as interrupted."""
        self.run(self._drain())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT)
        self.loop.close()

    async def _drain(self) -> None:
        for _loop, engine in (found for found in engines() if found[0] is self.loop):
            await engine.tasks.wait(GRACE)
            for run in list(engine.runs.values()):  # models that the test has left mid-answer will not finish
                run.end(INTERRUPTED)
            await engine.drain()
        await asyncio.to_thread(close_pool)  # an application that raised has no engine that would do it
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()
