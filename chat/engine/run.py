"""One answer, from the first call of the model to its ending in the database and in the stream."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

from django.db import Error as DatabaseError

from ..assistants import Assistant
from ..assistants.hooks import instructions_of
from ..assistants.permission import tools_for
from ..backends.base import BackendError, ToolCall
from ..backends.loading import Named
from ..chunks import FinishStep, Start, StartStep
from ..db.answers import End, Written, finish, give_up
from ..db.calls import call_messages, steps_of
from ..db.counters import LimitReached, reservable
from ..db.threads import in_database
from ..db.usage import Calling, reserve
from ..db.values import Turn
from ..endings import COMPLETE, CUT, INTERRUPTED, LIMITED, NOT_SAVED, STOPPED, WAITING, Ending, failed
from ..models import ToolCall as StoredCall
from ..parts import REASONING, TEXT
from ..streams.base import Stream
from ..tokens import estimated_input
from .announcing import announce_limit
from .calls import Calls, has_succeeded
from .deadlines import Deadlines
from .draft import Draft, flush
from .fallback import Fallback
from .ledger import Ledger
from .meter import for_model
from .replies import Replies
from .saving import Saving
from .tracing import answer_span, tokens_of

__all__ = ["INTERRUPTED", "STOPPED", "Run"]

logger = logging.getLogger(__name__)

MAX_WRONG = 3
"""After this many steps in a row without a call that fits a tool, the answer fails."""


class Run:
    """One answer being generated. A run is independent of all sockets; only ``end`` stops it early."""

    def __init__(
        self, turn: Turn, process: str, assistant: Assistant, backends: Sequence[Named], stream: Stream
    ) -> None:
        self.answer_id = turn.answer.pk
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
        self._fallback = Fallback(backends, process, type(assistant), turn)
        calling = Calling.of(turn.answer)
        self._ledger = Ledger(turn.conversation, turn.answer.pk, calling.reserved if calling else ())
        used = turn.answer.usage
        self._replies = Replies(self._fallback, self.draft, stream, self._ledger, used)
        self._ending: Ending | None = None
        self._saving = Saving(self.answer_id, stream)
        self._calls: Calls | None = None
        self._system: list[dict[str, Any]] = []
        self._steps: list[tuple[str, list[StoredCall], str]] = []
        """The steps of this answer that have called tools: text, calls, reasoning."""
        self._reading: asyncio.Task[Any] | None = None
        self._owned = True
        self._reached: LimitReached | None = None
        """The limit that a step would have exceeded."""
        # Not in make(): a tick may come before the task's first step, and a continued answer already has text then.
        stream.append(Start(turn.answer.uid))
        stream.append(StartStep())
        # What it begins with: a page that follows it from here must not be without it for a moment.
        flush(self.draft, self.stream)

    @property
    def conversation(self) -> tuple[str, str]:
        """Return the key of the conversation's owner and its ``uid``. Both change when a visitor signs in."""
        return self.turn.conversation.owner, self.turn.conversation.uid

    def end(self, ending: Ending) -> None:
        """Stop reading the model and end the answer with ``ending``, unless it already has one."""
        if self._ending is None:
            self._ending, self._replies.gives_up = ending, False
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

    @property
    def ending(self) -> Ending | None:
        """Return how the answer has ended; ``None`` before, and if it was deleted or taken over."""
        return self._ending if self._owned else None

    @property
    def times(self) -> Deadlines:
        """Return when the run began and when its first delta arrived."""
        return self._replies.deadlines

    def abandon(self) -> None:
        """Stop and write nothing more, because the answer was deleted or taken over by another process."""
        if self._ending is None:
            logger.warning("The answer %s was taken over by another process, or deleted.", self.answer_id)
            self._owned = False
            self.end(INTERRUPTED)

    def announce_limit(self) -> None:
        """Send ``limit_reached`` if the answer has ended because of a limit."""
        if self._reached is not None and self.ending is LIMITED:
            announce_limit(self._assistant, self.turn.conversation.uid, self._reached, self.answer_id)

    def tick(self, now: float) -> None:
        """Flush the collected deltas and check the deadlines; ``now`` is the event loop's time, in seconds."""
        flush(self.draft, self.stream)
        resting = self._replies.tick()
        if self._replies.deadlines.is_final(now):
            self.end(CUT if self.draft.length else failed("timeout"))
        elif self._replies.deadlines.is_overdue(now, resting=resting):
            self._time_out()

    def _time_out(self) -> None:
        """Give up the call of the model, for another one if there is one, or end the answer."""
        if self._reading is not None and self._ending is None and self._replies.may_fall_back("timeout"):
            self._replies.deadlines.rest()
            self._replies.gives_up = True
            self._reading.cancel()
        else:
            self.end(failed("timeout"))

    async def make(self) -> None:
        """Generate the answer and write its ending. Only a bug in the run itself makes it raise."""
        conversation = self.turn.conversation
        with answer_span(conversation.assistant, conversation.pk, self.answer_id) as span:
            ending = await self._make()
            span.note(status=ending.status, **tokens_of(self._replies.usage))
            span.fail(ending.error)

    async def _make(self) -> Ending:
        ending = await self._read()
        if ending.error:
            logger.warning("The answer %s ended as: %s%s.", self.answer_id, ending.error, self._replies.hint)
        else:
            logger.info("The answer %s ended as: %s.", self.answer_id, ending.status)
        if ending is INTERRUPTED and self._is_pending:
            self._ending = ending = WAITING
        if self._calls is not None:
            await self._calls.give_up(waiting=ending is WAITING)
        for chunk in self.draft.end():
            self.stream.append(chunk)
        shown = None
        if self._owned:
            shown = await self._write(ending)
        else:
            await self._keep_usage(ending)
        if shown is None:
            self.stream.give_up()
            return ending
        if shown.finish_reason and not self.draft.is_between:
            self.stream.append(FinishStep())
        self.stream.append(shown.chunk)
        self.stream.close()
        return ending

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
            self._replies.hint = error.hint and f" ({error.hint})"
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
        self._replies.deadlines.begin()
        instructions = await instructions_of(self._assistant)
        tools = await tools_for(self._assistant)
        self._calls = calls = Calls(self._assistant, tools, self.draft, self.stream, self._saving, self._ledger)
        self._system = [{"role": "system", "content": instructions}] if instructions else []
        first = await self._first_calls(calls)
        if calls.waiting or first is None:
            return WAITING if calls.waiting else COMPLETE
        for step in range(first, max(self._assistant.max_steps, min(first, 1) + 1)):
            if not await self._may_call(self.draft.step + bool(step)):
                return LIMITED
            if step:
                self.draft.next_step()
            ending = await self._replies.read(self._messages, calls.schemas)
            if not self._replies.calls or ending is not COMPLETE:
                return ending
            await self._use_tools(calls, self._replies.calls)
            if calls.waiting:
                return WAITING
            if calls.wrong == MAX_WRONG:
                return failed("tools")
        return CUT

    async def _may_call(self, step: int) -> bool:
        """Take from the counters of the limits what a step's call may use; return ``False`` if too little is left.

        For the first call, that was done when the question was stored.
        """
        meter = self.turn.meter
        if meter is None or not meter.counts_calls or self._ledger.reserved:
            return True
        named = self._fallback.current
        read = estimated_input(self._messages())
        charges = for_model(meter, type(self._assistant), named).charges(read)
        reserved = tuple(reservable(charges))
        call = Calling(named.alias, step, read, url=named.backend.url, reserved=reserved)
        self._replies.deadlines.rest()
        # Not cancelled with the run: what is taken must be settled.
        taking = asyncio.ensure_future(self._saving.until_stored(reserve, self._process, self.answer_id, call, charges))
        try:
            await asyncio.wait({taking})
        except asyncio.CancelledError:
            await asyncio.wait({taking})
            raise
        finally:
            if has_succeeded(taking):
                self._ledger.reserved = reserved
        try:
            mine = taking.result()
        except LimitReached as reached:
            self._reached = reached
            return False
        if not mine:
            await self._leave()
        return True

    async def _first_calls(self, calls: Calls) -> int | None:
        """Carry out the calls that come before the model is asked: of a decision, of a button, or those to repeat.

        Return the number of the step that follows; ``None`` if the answer ends with them.
        """
        if self.turn.goes_on:
            return await self._go_on(calls)
        asked, answers = [], True
        if self.turn.pressed is not None:
            tool, arguments, answers = self.turn.pressed
            asked = [_asked(tool, arguments)]
        elif self.turn.continued:
            asked = [_asked(call.name, call.input) for call in calls.repeatable(self.turn.answer.calls)]
        if not asked:
            return 0
        await self._use_tools(calls, asked, ends_answer=not answers)
        return 1 if answers else None

    async def _go_on(self, calls: Calls) -> int | None:
        """Carry out the calls that the visitor has decided about; return what ``_first_calls`` does."""
        self._replies.deadlines.rest()
        if not await calls.go_on(self.draft.decided, self.answer_id, self._process):
            await self._leave()
        self._steps = steps_of(self.turn.answer)
        return None if any(call.ends_answer for call in self.draft.decided) else self.draft.step + 1

    async def _use_tools(self, calls: Calls, asked: Sequence[ToolCall], *, ends_answer: bool = False) -> None:
        """Carry out the calls of this step, and keep them for the next one."""
        self._replies.deadlines.rest()
        flush(self.draft, self.stream)
        row = {"message_id": self.answer_id, "backend": self._fallback.current.alias, "ends_answer": ends_answer}
        made = await calls.use(asked, self._process, **row)
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
        messages = [*self._system, *self._fallback.history]
        numbers = self.draft.sources.numbers
        for text, calls, reasoning in self._steps:
            said = call_messages(text, calls, self._fallback.current.alias, reasoning, numbers=numbers)
            if messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]:  # the answer continues it
                said[0]["content"] = messages.pop()["content"] + said[0]["content"]
            messages += said
        return messages

    @property
    def named(self) -> Named:
        """Return the backend that answers now, and its alias."""
        return self._fallback.current

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
        made = self._ledger.unstored(ending), self._ledger.reserved
        written, end = self.unsaved = self.written(), End(ending, self._replies.usage, *made)
        try:
            mine = await self._saving.until_stored(finish, self._process, written, end)
        except DatabaseError:
            return NOT_SAVED
        self.unsaved = None
        return ending if mine else None

    async def _keep_usage(self, ending: Ending) -> None:
        """Enter what the answer has used in the ledger, if it was deleted."""
        try:
            await in_database(give_up, self.answer_id, self._ledger.unstored(ending), self._ledger.reserved)
        except DatabaseError:
            logger.exception("What the deleted answer %s has used could not be written.", self.answer_id)


def _asked(tool: str, arguments: dict[str, Any]) -> ToolCall:
    """Make a call as a model would ask for it."""
    return ToolCall("", tool, json.dumps(arguments), {})
