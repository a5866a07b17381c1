"""A model that says what a test tells it to: for the tests of sites that use the app, and for ours.

A test makes a ``Script``, plugs the backend and plays the model's part::

    script = Script("demo")
    with override_settings(CHAT={"BACKENDS": {"default": {
        "BACKEND": "llm_chat.backends.scripted.ScriptedBackend", "OPTIONS": {"script": "demo"}}}}):
        ...                                    # a visitor asks
        reply = script.next_reply()            # waits for the call; reply.request is what the model was asked
        reply.say("Hello ")                    # released one by one
        reply.say("world.")
        reply.finish()                         # or reply.fail("upstream"), or reply.break_off()

All methods of a script may be called from any thread. Without a script the backend echoes the question, word by word.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from ..chunks import FinishReason
from .base import Alive, Backend, BackendError, Delta, Finished, Loaded, Loading, Reasoning, Request, Text

WAIT = 10.0
"""How long a test waits for the model to be called, in seconds."""


class Reply:
    """One call of the model, in the hands of a test."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.closed = threading.Event()
        """Set when the reader has closed the reply, as a stop does."""
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Delta | BackendError | None] = asyncio.Queue()

    def say(self, text: str) -> None:
        """Release some text."""
        self._release(Text(text))

    def think(self, text: str) -> None:
        """Release some reasoning."""
        self._release(Reasoning(text))

    def load(self) -> None:
        """Pretend that the model must be loaded first."""
        self._release(Loading())

    def loaded(self) -> None:
        """Pretend that the model has been loaded."""
        self._release(Loaded())

    def live(self) -> None:
        """Give a sign of life, as an endpoint does that thinks in silence."""
        self._release(Alive())

    def finish(self, reason: FinishReason = "stop", usage: dict[str, Any] | None = None) -> None:
        """End the reply as a model does."""
        self._release(Finished(reason, usage))
        self._release(None)

    def fail(self, code: str, *, retry: bool = False, retry_after: float | None = None) -> None:
        """Fail with a code of ``errors.ERRORS``."""
        self._release(BackendError(code, "the script says so", retry=retry, retry_after=retry_after))

    def break_off(self) -> None:
        """End cleanly, but without a finish reason, as a cut connection does."""
        self._release(None)

    def _release(self, step: Delta | BackendError | None) -> None:
        self._loop.call_soon_threadsafe(self._steps.put_nowait, step)

    async def stream(self) -> AsyncGenerator[Delta, None]:
        """What the test released, as the backend yields it."""
        try:
            while (step := await self._steps.get()) is not None:
                if isinstance(step, BackendError):
                    raise step
                yield step
        finally:
            self.closed.set()


class Script:
    """The replies of the model that a test plays, under a name that ``OPTIONS`` can carry."""

    _scripts: ClassVar[dict[str, "Script"]] = {}

    def __init__(self, name: str) -> None:
        self._replies: queue.Queue[Reply] = queue.Queue()
        self._scripts[name] = self

    @classmethod
    def named(cls, name: str) -> "Script":
        """The script of that name; raises ``KeyError`` where no test made one."""
        return cls._scripts[name]

    def next_reply(self, wait: float = WAIT) -> Reply:
        """The model's next call; raises ``queue.Empty`` when none comes within ``wait`` seconds. Blocks the thread."""
        return self._replies.get(timeout=wait)

    async def anext_reply(self, wait: float = WAIT) -> Reply:
        """The model's next call, for a test that is a coroutine on the server's own loop."""
        return await asyncio.to_thread(self.next_reply, wait)

    @property
    def waiting(self) -> int:
        """Calls of the model that no test has taken yet."""
        return self._replies.qsize()

    def begin(self, request: Request) -> Reply:
        """The backend's side: a call of the model."""
        reply = Reply(request)
        self._replies.put(reply)
        return reply


class ScriptedBackend(Backend):
    """Replies as the script of the name ``script`` says; without one, with the question itself."""

    def __init__(self, script: str | None = None) -> None:
        self._script = script

    @property
    def model(self) -> str:
        """Name the model ``scripted``."""
        return "scripted"

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Yield what the test lets the model say, or the words of the question."""
        if self._script is None:
            for word in request.messages[-1]["content"].split(" "):
                yield Text(word + " ")
            yield Finished("stop")
            return
        async with aclosing(Script.named(self._script).begin(request).stream()) as deltas:
            async for delta in deltas:
                yield delta
