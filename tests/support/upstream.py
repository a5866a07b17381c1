"""A model endpoint that behaves as the model's name says: OpenAI's streaming chat completions over raw asyncio.

It uses no web framework, because it must be able to send invalid data and disconnect. ``tests/support/behaviours.py``
has the names; ``name:argument`` passes an argument, as in ``model="status:429"``, and the model ``as-asked`` does what
the question says::

    async with Upstream() as upstream:         # or ``with running_upstream() as upstream``, on a thread of its own
        OpenAIBackend(base_url=upstream.url, model="gated")
        call = await upstream.next_call()      # call.body is what the model was asked
        call.say("Hello ")
        call.finish()
        assert upstream.open_connections == 0

Tests may call all of it from any thread.
"""

import asyncio
import contextlib
import json
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

from tests.support.behaviours import BEHAVIOURS, Call

WAIT = 10.0
"""How long a test waits for anything, in seconds."""


class Upstream:
    """The server of the endpoint.

    ``calls`` has every request so far; ``accepted`` counts the connections so far, ``open_connections`` those open now.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.accepted = 0
        self.open_connections = 0
        self._taken = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def next_call(self) -> Call:
        """Wait for the first request that no test has taken yet, and return it."""
        await eventually(lambda: len(self.calls) > self._taken)
        self._taken += 1
        return self.calls[self._taken - 1]

    def calls_of(self, question: str) -> list[Call]:
        """Return the calls so far that belong to a question."""
        return [call for call in list(self.calls) if call.question == question]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        self.open_connections += 1
        try:
            await self._answer_all(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            call = Call(head, json.loads(await reader.readexactly(length)), writer)
            self.calls.append(call)
            await until_closed(reader, BEHAVIOURS[call.behaviour](call))
            if writer.transport.is_closing() or "\r\nconnection: close" in head.lower():
                return


async def until_closed(reader: asyncio.StreamReader, work: Awaitable[None]) -> None:
    """Await ``work``, but raise ``ConnectionError`` if the client closes the connection first."""
    answering = asyncio.ensure_future(work)
    tasks = answering, asyncio.create_task(_closed(reader))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ConnectionError("The client has closed the connection.")
        answering.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(reader: asyncio.StreamReader) -> None:
    # Cancelling a read takes no data from the next request.
    if await reader.read(1):
        raise AssertionError("The client sent a request before the last one was answered.")


async def eventually(condition: Callable[[], Any], wait: float = WAIT) -> None:
    """Wait until a condition holds, and fail if it does not in time."""
    async with asyncio.timeout(wait):
        while not condition():  # noqa: ASYNC110 - any condition, not only an event of asyncio
            await asyncio.sleep(0.002)


@contextlib.contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run an upstream on a separate thread and event loop, for tests that are not coroutines."""
    started: queue.Queue[tuple[Upstream, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        async with Upstream() as upstream:
            stop = asyncio.Event()
            started.put((upstream, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="upstream")
    thread.start()
    upstream, loop, stop = started.get(timeout=WAIT)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
