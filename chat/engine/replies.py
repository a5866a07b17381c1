"""Reads the model's replies for one answer: again after a temporary failure, and from the next backend after another.

A reply fails for good after its first delta, because each call of a model is paid for.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from ..backends.base import (
    Alive,
    Backend,
    BackendError,
    Calling,
    Content,
    Finished,
    Loaded,
    Loading,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolSchema,
)
from ..chunks import LOADING, WAITING
from ..conf import conf
from ..endings import COMPLETE, CUT, INTERRUPTED, Ending, by_reason
from ..parts import REASONING, TEXT
from ..streams.base import Stream
from .deadlines import Deadlines
from .draft import Draft, flush
from .fallback import Fallback
from .ledger import Ledger
from .tracing import Span, model_span, tokens_of
from .usage import summed

logger = logging.getLogger(__name__)

_CONTENT = (Text, Reasoning, Content)
"""Every delta of a part. The first two are named because ``isinstance`` is three times as fast with the exact class."""


class Replies:
    """The replies of one answer's models.

    Args:
        fallback: the backend that answers, and those that may take its place.
        draft: the answer, to which the deltas are added.
        stream: the answer's stream.
        ledger: gets each call of a model.
        usage: what earlier runs of the answer have used.
    """

    def __init__(
        self,
        fallback: Fallback,
        draft: Draft,
        stream: Stream,
        ledger: Ledger,
        usage: dict[str, Any] | None,
    ) -> None:
        self.fallback = fallback
        self.deadlines = Deadlines()
        self.calls: list[ToolCall] = []
        """The calls that the latest reply asks for."""
        self.usage = usage
        self.hint = ""
        """What the log says about a failure, besides its code."""
        self.gives_up = False
        """Whether the call of the model is being cancelled for another one."""
        self._draft = draft
        self._ledger = ledger
        self._stream = stream
        self._schemas: tuple[ToolSchema, ...] = ()
        self._before = 0
        """The version of the draft before the model was called."""
        self._report: dict[str, Any] | None = None
        """What the endpoint has reported of the latest call."""
        self._limit = draft.length + conf.max_answer_length
        self._next_tick: asyncio.Future[None] | None = None
        """What the backend waits for before it reads more, if it does."""

    @property
    def backend(self) -> Backend:
        """Return the backend that answers now."""
        return self.fallback.current.backend

    def tick(self) -> bool:
        """Let a backend read on that waits for the tick; return whether there is one."""
        if self._next_tick is None or self._next_tick.done():
            return False
        self._next_tick.set_result(None)
        return True

    def may_fall_back(self, code: str) -> bool:
        """Tell whether another backend may answer after this error."""
        return self.fallback.may_follow(code) and self._draft.version == self._before

    async def read(self, messages: Callable[[], list[dict[str, Any]]], schemas: tuple[ToolSchema, ...]) -> Ending:
        """Read a reply to the end.

        If it is cancelled while it ``gives_up``, it goes on with the next backend.

        Args:
            messages: returns what the model reads, for the backend that answers now.
            schemas: the tools that it may call.

        Returns:
            how the answer ends, unless tools run before.

        Raises:
            BackendError: the last backend has failed for good.
            django.db.Error: the history for the next one could not be read.
        """
        self._schemas = schemas
        while True:
            tools = schemas if self.backend.tools else ()
            try:
                request = Request(messages(), tools=tools, returns=self.fallback.returns, pace=self._pace)
                return await self._with_retries(request)
            except BackendError as error:
                code = error.code
                if not self.may_fall_back(code):
                    raise
            except asyncio.CancelledError:
                if not self.gives_up:
                    raise
                asyncio.current_task().uncancel()  # type: ignore[union-attr]
                self.gives_up, code = False, "timeout"
            alias = self.fallback.current.alias
            await self.fallback.go_on()
            logger.warning("The backend %s failed (%s): %s answers.", alias, code, self.fallback.current.alias)

    async def _with_retries(self, request: Request) -> Ending:
        """Call the model, and again after a temporary failure, but not after its first delta."""
        self._before, self.calls = self._draft.version, []
        for attempt in range(conf.retries + 1):
            try:
                return await self._call(request)
            except BackendError as error:
                wait = error.retry_after if error.retry_after is not None else conf.retry_wait * 2**attempt
                final = attempt == conf.retries or self._draft.version > self._before or wait > conf.retry_after_max
                if final or not error.retry:
                    raise
                logger.info("Calling the model again in %.1f s after a failure: %s.", wait, error.code)
                logger.debug("The model failed: %s: %s", error.code, error)
            self.deadlines.rest()
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _call(self, request: Request) -> Ending:
        """Call the model once, and enter what that has used in the ledger."""
        self.deadlines.call()
        call = self._ledger.begin(self.fallback.current, self._draft.step, request.messages)
        try:
            with model_span(self.backend) as span:
                ending = await self._reply(request, span)
        except BaseException as error:
            self._ledger.fail(call, "timeout" if self.gives_up else getattr(error, "code", ""), self._received)
            raise
        self._ledger.end(call, ending, self._report, self._received)
        return ending

    @property
    def _received(self) -> str:
        """Return what has arrived of the reply."""
        asked = (call.name + call.arguments for call in self.calls)
        return "".join((self._draft.said(REASONING), self._draft.said(TEXT), *asked))

    async def _reply(self, request: Request, span: Span) -> Ending:
        self._report = None
        async with aclosing(self.backend.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, _CONTENT):
                    if not self._take(delta):
                        return CUT
                elif isinstance(delta, Finished):
                    span.note(finish_reasons=[delta.reason], **tokens_of(delta.usage))
                    return self._finish(delta)
                elif isinstance(delta, Alive):
                    if self._draft.version == self._before:
                        self.deadlines.prolong()
                elif isinstance(delta, ToolCall):
                    self.calls.append(delta)
                elif isinstance(delta, Calling):
                    self.deadlines.prolong()
                else:
                    self._load(delta)
        return INTERRUPTED

    async def _pace(self) -> None:
        """Flush the collected deltas, and wait for the next tick."""
        flush(self._draft, self._stream)
        self._next_tick = asyncio.get_running_loop().create_future()
        await self._next_tick

    def _finish(self, finished: Finished) -> Ending:
        """Add the usage, and return the ending that stands for the model's finish reason.

        That is ``COMPLETE`` if the model waits for the results of its calls. A reply that was cut has no whole calls.
        """
        self._report = finished.usage
        self.usage = summed(self.usage, finished.usage)
        if not self._schemas or not self.backend.tools:
            self.calls = []
        if self.calls and finished.reason == "tool-calls":
            return COMPLETE
        ending = by_reason(finished.reason)
        if ending.error:
            self.hint = f" (the model's reason: {finished.reason})"
        return ending

    def _take(self, delta: Content) -> bool:
        """Add a delta; return ``False`` if the answer has reached its longest, where it is cut."""
        draft = self._draft
        if draft.length + len(delta.text) > self._limit:
            draft.add(type(delta)(delta.text[: self._limit - draft.length]))
            return False
        draft.add(delta)
        if draft.version == self._before + 1:  # the first of a step is sent at once, the others with the next tick
            self.deadlines.speak()
            flush(self._draft, self._stream)
        self.deadlines.restart()
        return True

    def _load(self, delta: Loading | Loaded) -> None:
        loading = isinstance(delta, Loading)
        self._stream.append(LOADING if loading else WAITING)
        self.deadlines.load(loading=loading)
