"""One answer, from the first call of the model to its ending in the database and in the stream."""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from django.db import Error as DatabaseError

from ..assistants import Assistant
from ..assistants.hooks import instructions_of
from ..assistants.permission import tools_for
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
)
from ..backends.loading import Named
from ..chunks import LOADING, Chunk, FinishStep, Start, StartStep
from ..chunks import WAITING as LOADED
from ..conf import conf
from ..db.answers import End, Written, finish
from ..db.calls import call_messages, steps_of
from ..db.values import Turn
from ..endings import COMPLETE, CUT, INTERRUPTED, NOT_SAVED, STOPPED, WAITING, Ending, by_reason, failed
from ..models import ToolCall as StoredCall
from ..parts import REASONING, TEXT
from ..streams.base import Stream
from .calls import Calls
from .deadlines import Deadlines
from .draft import Draft
from .fallback import Fallback
from .saving import Saving
from .usage import summed

__all__ = ["INTERRUPTED", "STOPPED", "Run"]

logger = logging.getLogger(__name__)

MAX_WRONG = 3
"""After this many steps in a row without a call that fits a tool, the answer fails."""

_CONTENT = (Text, Reasoning, Content)
"""Every delta of a part. The first two are named because ``isinstance`` is three times as fast with the exact class."""


class Run:
    """One answer being generated. A run is independent of all sockets; only ``end`` stops it early."""

    def __init__(
        self, turn: Turn, process: str, assistant: Assistant, backends: Sequence[Named], stream: Stream
    ) -> None:
        self.answer_id = turn.answer.pk
        self.conversation = (turn.conversation.owner, turn.conversation.uid)
        self.stream = stream
        self.over = asyncio.Event()
        self.checkpointed = 0
        """The version of the draft that the database has."""
        self.unsaved: tuple[Written, End] | None = None
        """The answer's end, until the database has it; the heartbeat writes what is still here when the run is over."""
        self.draft = Draft(turn.begun, turn.answer.calls, run=turn.answer.run if turn.goes_on else None)
        self.turn = turn
        self._process = process
        self._assistant = assistant
        self._fallback = Fallback(backends, process, type(assistant))
        self._timed_out = False
        """Whether the call of the model was given up for another one."""
        self._loop = asyncio.get_running_loop()
        self._ending: Ending | None = None
        self._usage: dict[str, Any] | None = turn.answer.usage
        self._saving = Saving(self.answer_id, stream)
        self._calls: Calls | None = None
        self._system: list[dict[str, Any]] = []
        self._history: list[dict[str, Any]] = []
        self._steps: list[tuple[str, list[StoredCall], str]] = []
        """The steps of this answer that have called tools: text, calls, reasoning."""
        self._asked: list[ToolCall] = []
        """The calls of this step, as far as the model has asked for them."""
        self._before = 0
        """The version of the draft before the model was called."""
        self._hint = ""
        self._reading: asyncio.Task[Any] | None = None
        self._next_tick: asyncio.Future[None] | None = None
        """What the backend waits for before it reads more, if it does."""
        self._limit = self.draft.length + conf.max_answer_length
        self._deadlines = Deadlines()
        self._owned = True
        # Not in make(): a tick may come before the task's first step, and a continued answer already has text then.
        stream.append(Start(turn.answer.uid))
        stream.append(StartStep())

    def end(self, ending: Ending) -> None:
        """Stop reading the model and end the answer with ``ending``, unless it already has one."""
        if self._ending is None:
            self._ending = ending
            if self._reading is not None:
                self._reading.cancel()

    @property
    def waits(self) -> bool:
        """Tell whether the answer has ended its run to wait for a decision."""
        return self._ending is WAITING

    @property
    def is_ending(self) -> bool:
        """Tell whether the answer has an ending, which may not have been written yet."""
        return self._ending is not None

    def abandon(self) -> None:
        """Stop and write nothing more, because the answer was deleted or taken over by another process."""
        if self._ending is None:
            logger.warning("The answer %s was taken over by another process, or deleted.", self.answer_id)
            self._owned = False
            self.end(INTERRUPTED)

    def tick(self, now: float) -> None:
        """Flush the collected deltas and check the deadlines; ``now`` is the event loop's time, in seconds."""
        self._flush()
        resting = self._next_tick is not None and not self._next_tick.done()
        if self._next_tick is not None and resting:
            self._next_tick.set_result(None)
        if self._deadlines.is_final(now):
            self.end(CUT if self.draft.length else failed("timeout"))
        elif self._deadlines.is_overdue(now, resting=resting):
            self._time_out()

    def _time_out(self) -> None:
        """Give up the call of the model, for another one if there is one, or end the answer."""
        if self._reading is not None and self._ending is None and self._may_fall_back("timeout"):
            self._deadlines.rest()
            self._timed_out = True
            self._reading.cancel()
        else:
            self.end(failed("timeout"))

    async def make(self) -> None:
        """Generate the answer and write its ending. Only a bug in the run itself makes it raise."""
        ending = await self._read()
        if ending.error:
            logger.warning("The answer %s ended as: %s%s.", self.answer_id, ending.error, self._hint)
        if ending is INTERRUPTED and self._is_pending:
            self._ending = ending = WAITING
        if self._calls is not None:
            await self._calls.give_up(waiting=ending is WAITING)
        self._append(self.draft.end())
        shown = await self._write(ending) if self._owned else None
        if shown is None:
            self.stream.give_up()
            return
        if shown.finish_reason and not self.draft.is_between:
            self.stream.append(FinishStep())
        self.stream.append(shown.chunk)
        self.stream.close()

    async def _read(self) -> Ending:
        """Read the model until its reply ends or ``end`` is called, and return how the answer ended."""
        if self._ending is not None:
            return self._ending
        self._reading = asyncio.current_task()
        try:
            ending = await self._in_steps()
        except asyncio.CancelledError:
            if self._ending is None:  # cancelled from outside: the process shuts down without draining
                self._ending = INTERRUPTED
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            return self._ending
        except BackendError as error:
            logger.debug("The model failed: %s: %s", error.code, error)
            self._hint = error.hint and f" ({error.hint})"
            ending = failed(error.code)
        except DatabaseError:  # logged by then
            ending = failed("storage")
        except Exception:
            logger.exception("The answer %s failed.", self.answer_id)
            ending = failed("internal")
        finally:
            self._reading = None
        self._ending = self._ending or ending
        return self._ending

    async def _in_steps(self) -> Ending:
        """Call the model, and again with the results of the tools that it has called, until it ends its answer."""
        self._deadlines.begin()
        instructions = await instructions_of(self._assistant)
        tools = await tools_for(self._assistant)
        self._calls = calls = Calls(self._assistant, tools, self.draft, self._flush, self._saving)
        system = [{"role": "system", "content": instructions}] if instructions else []
        self._system, self._history = system, self.turn.history
        first = await self._first_calls(calls)
        if calls.waiting or first is None:
            return WAITING if calls.waiting else COMPLETE
        for step in range(first, max(self._assistant.max_steps, min(first, 1) + 1)):
            if step:
                self.draft.next_step()
            ending = await self._with_fallback(calls)
            if not self._asked or ending is not COMPLETE:
                return ending
            await self._use_tools(calls)
            if calls.waiting:
                return WAITING
            if calls.wrong == MAX_WRONG:
                return failed("tools")
        return CUT

    async def _first_calls(self, calls: Calls) -> int | None:
        """Carry out the calls that come before the model is asked: of a decision, of a button, or those to repeat.

        Return the number of the step that follows; ``None`` if the answer ends with them.
        """
        if self.turn.goes_on:
            return await self._go_on(calls)
        answers = True
        if self.turn.pressed is not None:
            tool, arguments, answers = self.turn.pressed
            self._asked = [_asked(tool, arguments)]
        elif self.turn.continued:
            self._asked = [_asked(call.name, call.input) for call in calls.repeatable(self.turn.answer.calls)]
        if not self._asked:
            return 0
        await self._use_tools(calls, ends_answer=not answers)
        return 1 if answers else None

    async def _go_on(self, calls: Calls) -> int | None:
        """Carry out the calls that the visitor has decided about; return what ``_first_calls`` does."""
        self._deadlines.rest()
        if not await calls.go_on(self.draft.decided, self.answer_id, self._process):
            await self._leave()
        self._steps = steps_of(self.turn.answer)
        return None if any(call.ends_answer for call in self.draft.decided) else self.draft.step + 1

    async def _use_tools(self, calls: Calls, *, ends_answer: bool = False) -> None:
        """Carry out the calls of this step, and keep them for the next one."""
        self._deadlines.rest()
        self._flush()
        row = {"message_id": self.answer_id, "backend": self._fallback.current.alias, "ends_answer": ends_answer}
        made = await calls.use(self._asked, self._process, **row)
        if made is None:
            await self._leave()
        self._steps.append((self.draft.said(TEXT), made or [], self.draft.said(REASONING)))

    async def _leave(self) -> None:
        """Stop, because another process has taken the answer over. Raises ``CancelledError``."""
        self.abandon()
        await asyncio.sleep(0)

    @property
    def _is_pending(self) -> bool:
        """Tell whether a call has not begun that the visitor has allowed, or may still allow."""
        asked = [*self.turn.answer.calls.values(), *(self._calls.waiting if self._calls else ())]
        return any(call.state in (StoredCall.State.ASKED, StoredCall.State.ALLOWED) for call in asked)

    def _messages(self) -> list[dict[str, Any]]:
        """Return what the model reads: the instructions, the history, and the steps of this answer so far."""
        messages = [*self._system, *self._history]
        numbers = self.draft.sources.numbers
        for text, calls, reasoning in self._steps:
            said = call_messages(text, calls, self._fallback.current.alias, reasoning, numbers=numbers)
            if messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]:  # the answer continues it
                said[0]["content"] = messages.pop()["content"] + said[0]["content"]
            messages += said
        return messages

    async def _with_fallback(self, calls: Calls) -> Ending:
        """Call the model, and the next backend's where one fails for good before its first delta."""
        while True:
            tools = calls.schemas if self.backend.tools else ()
            try:
                return await self._with_retries(Request(self._messages(), tools=tools, pace=self._pace))
            except BackendError as error:
                code = error.code
                if not self._may_fall_back(code):
                    raise
            except asyncio.CancelledError:
                if not self._timed_out or self._ending is not None:
                    raise
                asyncio.current_task().uncancel()  # type: ignore[union-attr]
                self._timed_out, code = False, "timeout"
            alias = self._fallback.current.alias
            self._history = await self._fallback.next(self.turn)
            logger.warning("The backend %s failed (%s): %s answers.", alias, code, self._fallback.current.alias)

    def _may_fall_back(self, code: str) -> bool:
        return self._fallback.may_follow(code) and self.draft.version == self._before

    @property
    def backend(self) -> Backend:
        """Return the backend that answers now."""
        return self._fallback.current.backend

    async def _with_retries(self, request: Request) -> Ending:
        """Call the model, and again after a temporary failure, but not after its first delta: each call is paid for."""
        self._before, self._asked = self.draft.version, []
        for attempt in range(conf.retries + 1):
            try:
                return await self._stream(request)
            except BackendError as error:
                wait = error.retry_after if error.retry_after is not None else conf.retry_wait * 2**attempt
                final = attempt == conf.retries or self.draft.version > self._before or wait > conf.retry_after_max
                if final or not error.retry:
                    raise
                logger.info("Calling the model again in %.1f s after a failure: %s.", wait, error.code)
                logger.debug("The model failed: %s: %s", error.code, error)
            self._deadlines.rest()
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _stream(self, request: Request) -> Ending:
        self._deadlines.call()
        async with aclosing(self.backend.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, _CONTENT):
                    if not self._take(delta):
                        return CUT
                elif isinstance(delta, Finished):
                    return self._finish(delta)
                elif isinstance(delta, Alive):
                    if self.draft.version == self._before:
                        self._deadlines.prolong()
                elif isinstance(delta, ToolCall):
                    self._asked.append(delta)
                elif isinstance(delta, Calling):
                    self._deadlines.prolong()
                else:
                    self._load(delta)
        return INTERRUPTED

    async def _pace(self) -> None:
        """Flush the collected deltas, and wait for the next tick."""
        self._flush()
        self._next_tick = self._loop.create_future()
        await self._next_tick

    def _finish(self, finished: Finished) -> Ending:
        """Add the usage, and return the ending that stands for the model's finish reason.

        That is ``COMPLETE`` if the model waits for the results of its calls. A reply that was cut has no whole calls.
        """
        self._usage = summed(self._usage, finished.usage)
        if self._calls is None or not self._calls.schemas or not self.backend.tools:
            self._asked = []
        if self._asked and finished.reason == "tool-calls":
            return COMPLETE
        ending = by_reason(finished.reason)
        if ending.error:
            self._hint = f" (the model's reason: {finished.reason})"
        return ending

    def _take(self, delta: Content) -> bool:
        """Add a delta; return ``False`` if the answer has reached its longest, where it is cut."""
        draft = self.draft
        if draft.length + len(delta.text) > self._limit:
            draft.add(type(delta)(delta.text[: self._limit - draft.length]))
            return False
        draft.add(delta)
        if draft.version == self._before + 1:  # the first of a step is sent at once, the others with the next tick
            self._deadlines.speak()
            self._flush()
        self._deadlines.restart()
        return True

    def _load(self, delta: Loading | Loaded) -> None:
        loading = isinstance(delta, Loading)
        self.stream.append(LOADING if loading else LOADED)
        self._deadlines.load(loading=loading)

    def _flush(self) -> None:
        self._append(self.draft.take())

    def _append(self, ready: list[Chunk]) -> None:
        for chunk in ready:
            self.stream.append(chunk)

    @property
    def unwritten(self) -> bool:
        """Tell whether the answer has grown since its last checkpoint."""
        return self.draft.version != self.checkpointed

    def written(self) -> Written:
        """Return the answer so far, for the database."""
        return Written(self.answer_id, self.draft.parts())

    async def _write(self, ending: Ending) -> Ending | None:
        """Write the answer's end, and return the ending to show to its readers.

        That is ``NOT_SAVED`` if the database did not take it for ``CHAT["SAVE_TIMEOUT"]``, and ``None`` if another
        process has already ended the answer. The database is written before the closing chunk is sent, so that a
        reader that has the chunk finds the answer stored.
        """
        written, end = self.unsaved = self.written(), End(ending, self._usage)
        try:
            mine = await self._saving.until_stored(finish, self._process, written, end)
        except DatabaseError:
            return NOT_SAVED
        self.unsaved = None
        return ending if mine else None


def _asked(tool: str, arguments: dict[str, Any]) -> ToolCall:
    """Make a call as a model would ask for it."""
    return ToolCall("", tool, json.dumps(arguments), {})
