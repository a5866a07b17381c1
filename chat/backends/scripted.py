"""A model whose replies a test dictates: for the tests of sites that use the app, and for the app's own.

A test makes a ``Script``, configures the backend and plays the model's part::

    script = Script("demo")
    with override_settings(CHAT={"BACKENDS": {"default": {
        "BACKEND": "llm_chat.backends.scripted.ScriptedBackend", "OPTIONS": {"script": "demo"}}}}):
        ...                                    # a visitor asks
        reply = script.next_reply()            # waits for the call; reply.request holds the messages
        reply.say("Hello ")                    # released one by one
        reply.say("world.")
        reply.call("orders", status="open")    # runs when the reply has ended; then the model is called again
        reply.finish()                         # or reply.fail("upstream"), or reply.break_off()

Replies can also be planned before the visitor asks::

    script.will_call("orders", status="open")
    script.will_say("It is ", "under way.")

All methods of a script may be called from any thread. Without a script the backend echoes the question, word by word.
"""

import asyncio
import json
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, ClassVar

from ..chunks import FinishReason
from .base import Alive, Backend, BackendError, Delta, Finished, Loaded, Loading, Reasoning, Request, Text, ToolCall

WAIT = 10.0
"""How long a test waits for a call of the model, in seconds."""


class Reply:
    """One call of the model, whose reply the test makes step by step.

    All methods may be called from any thread. ``request`` is what the model was asked.
    """

    def __init__(self, request: Request, *, paced: bool = False) -> None:
        self.request = request
        self._paced = paced
        """Whether each text is a chunk of its own; else those that are said within a tick come as one."""
        self.closed = threading.Event()
        """Set when the reader has closed the reply, as happens when the visitor stops the answer."""
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Delta | BackendError | None] = asyncio.Queue()

    def say(self, text: str) -> None:
        """Send some text of the answer."""
        self._release(Text(text))

    def think(self, text: str) -> None:
        """Send some reasoning."""
        self._release(Reasoning(text))

    def call(self, tool: str, /, **arguments: Any) -> None:
        """Call a tool with these arguments. The call takes place when the reply has ended, as by ``finish``."""
        self.call_with(tool, json.dumps(arguments))

    def call_with(self, tool: str, arguments: str, id: str = "", **extra: Any) -> None:  # noqa: A002 (the format's name)
        """Call a tool as an endpoint may: with any text as its arguments, an id, and further fields."""
        self._release(ToolCall(id, tool, arguments, extra))

    def load(self) -> None:
        """Pretend that the model must be loaded first."""
        self._release(Loading())

    def loaded(self) -> None:
        """Pretend that the model has been loaded."""
        self._release(Loaded())

    def live(self) -> None:
        """Send a sign of life, as an endpoint does whose model reasons without showing it."""
        self._release(Alive())

    def finish(self, reason: FinishReason = "stop", usage: dict[str, Any] | None = None) -> None:
        """End the reply as a model does, with a reason and perhaps a usage report."""
        self._release(Finished(reason, usage))
        self._release(None)

    def fail(self, code: str, *, retry: bool = False, retry_after: float | None = None) -> None:
        """End the reply with a ``BackendError``.

        Args:
            code: a key of ``errors.ERRORS``.
            retry: whether the same call may succeed later.
            retry_after: how long to wait before that, in seconds.
        """
        self._release(BackendError(code, "the script says so", retry=retry, retry_after=retry_after))

    def play(self, *deltas: Delta, finish: bool = True) -> None:
        """Send deltas, and with ``finish`` end the reply as a model does."""
        for delta in deltas:
            self._release(delta)
        if finish:
            self.finish()

    def break_off(self) -> None:
        """End the reply without a finish reason, as when a connection is cut."""
        self._release(None)

    def _release(self, step: Delta | BackendError | None) -> None:
        self._loop.call_soon_threadsafe(self._steps.put_nowait, step)

    async def stream(self) -> AsyncGenerator[Delta, None]:
        """Yield, or raise, what the test has sent."""
        try:
            while (step := await self._steps.get()) is not None:
                if isinstance(step, BackendError):
                    raise step
                yield step
                if self._paced and isinstance(step, Text):
                    await self.request.pace()
        finally:
            self.closed.set()


class Script:
    """The calls of a model that a test plays, found by a name that can be given in ``OPTIONS``."""

    _scripts: ClassVar[dict[str, "Script"]] = {}

    def __init__(self, name: str) -> None:
        self.requests: list[Request] = []
        """What the model was asked, by each of its calls so far."""
        self._replies: queue.Queue[Reply] = queue.Queue()
        self._planned: deque[Callable[[Reply], None]] = deque()
        self._scripts[name] = self

    @classmethod
    def named(cls, name: str) -> "Script":
        """Look up a script by its name. Raises ``KeyError`` if no test has made one."""
        return cls._scripts[name]

    def next_reply(self, wait: float = WAIT) -> Reply:
        """Wait for the model's next call, and return the reply to make. Blocks the thread.

        Args:
            wait: how long to wait, in seconds.

        Raises:
            queue.Empty: there was no call in that time.
        """
        return self._replies.get(timeout=wait)

    async def anext_reply(self, wait: float = WAIT) -> Reply:
        """Wait for the model's next call like ``next_reply``, in a test that is a coroutine on the server's loop."""
        return await asyncio.to_thread(self.next_reply, wait)

    def will_say(self, *texts: str, finish: bool = True) -> None:
        """Plan the reply to the next call of the model that has none yet: these texts, each as a chunk of its own.

        Args:
            *texts: the pieces of the reply.
            finish: whether the reply ends after them; otherwise the model waits until the visitor stops the answer.
        """
        self._planned.append(lambda reply: reply.play(*map(Text, texts), finish=finish))

    def will_call(self, tool: str, /, **arguments: Any) -> None:
        """Plan a reply that calls a tool with these arguments; the reply after it is the one to the tool's result."""
        self._planned.append(lambda reply: reply.play(ToolCall("", tool, json.dumps(arguments))))

    def will_fail(self, code: str) -> None:
        """Plan a reply that fails with a ``BackendError`` of this code, a key of ``errors.ERRORS``."""
        self._planned.append(lambda reply: reply.fail(code))

    @property
    def planned(self) -> int:
        """Count the planned replies that the model has not been asked for yet."""
        return len(self._planned)

    @property
    def waiting(self) -> int:
        """Count the calls of the model that no test has taken yet."""
        return self._replies.qsize()

    def begin(self, request: Request) -> Reply:
        """Register a call of the model. The backend calls this, not the test."""
        self.requests.append(request)
        if not self._planned:
            reply = Reply(request)
            self._replies.put(reply)
            return reply
        planned = Reply(request, paced=True)
        self._planned.popleft()(planned)
        return planned


class ScriptedBackend(Backend):
    """Replies as a test dictates.

    Args:
        script: the name of a ``Script``; ``None`` to echo the question, word by word.
        tools: whether the model can call tools, by ``Reply.call``.
    """

    structured = True

    def __init__(self, script: str | None = None, *, tools: bool = True) -> None:
        self._script = script
        self.tools = tools

    @property
    def model(self) -> str:
        """Return the name ``scripted``."""
        return "scripted"

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Yield the reply that the test dictates, or the words of the question."""
        if self._script is None:
            for word in request.messages[-1]["content"].split(" "):
                yield Text(word + " ")
            yield Finished("stop")
            return
        async with aclosing(Script.named(self._script).begin(request).stream()) as deltas:
            async for delta in deltas:
                yield delta
