"""Uses the tools that a model calls in one answer: stores the calls of a step, runs them at once, and ends them."""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.utils import timezone

from ..assistants import Assistant
from ..assistants.calling import FAILED, Outcome, call_tool
from ..assistants.confirming import question_of
from ..assistants.tools import ArgumentsError, Tool
from ..backends.base import ToolCall as Asked
from ..backends.base import ToolSchema
from ..chunks import ToolOutput
from ..db.answers import Written
from ..db.calls import DECLINED, UNKNOWN, asked_chunks, begin_allowed, begin_calls, end_call, part_of
from ..models import ToolCall
from ..signals import tool_called
from ..streams.base import Stream
from ..text import storable, storable_value
from .announcing import announce
from .draft import Draft, flush
from .ledger import Ledger
from .saving import Saving
from .tracing import tool_span

logger = logging.getLogger(__name__)

MAX_CALLS = 16
"""How many calls of one step are carried out."""

MAX_EXTRA = 65_536
"""Length limit of the further fields of a call, in characters of their JSON; longer ones are dropped."""

NO_TOOL = "There is no such tool."
TOO_MANY = f"Only {MAX_CALLS} calls are carried out at once."

State = ToolCall.State

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


class Calls:
    """The calls of one run.

    Args:
        assistant: whose tools are called.
        tools: those that this visitor's model may call, by their names.
        draft: the answer so far, to which the calls are added.
        stream: the answer's stream.
        saving: the answer's database steps.
        ledger: the calls of models, which are stored with those of the tools that they ask for.
    """

    def __init__(
        self,
        assistant: Assistant,
        tools: dict[str, Tool],
        draft: Draft,
        stream: Stream,
        saving: Saving,
        ledger: Ledger,
    ) -> None:
        self.schemas = tuple(ToolSchema(tool.name, tool.description, tool.parameters) for tool in tools.values())
        self.wrong = 0
        """How many steps in a row had no call that fits a tool."""
        self.waiting: list[ToolCall] = []
        """The calls that wait for the visitor's decision."""
        self._assistant = assistant
        self._tools = tools
        self._draft = draft
        self._stream = stream
        self._saving = saving
        self._ledger = ledger
        self._arguments: dict[str, dict[str, Any]] = {}
        self._lost = False
        """Whether another process has taken the answer over."""
        self._beginning: tuple[asyncio.Future[bool], Sequence[ToolCall]] | None = None
        self._begun: dict[str, ToolCall] = {}
        """The calls whose end has not been shown."""
        self._storing: set[asyncio.Future[None]] = set()

    async def use(self, asked: Sequence[Asked], process: str, **row: Any) -> list[ToolCall] | None:
        """Carry out the calls that a model asks for, all at once, and return them. ``row`` are columns of each.

        Those about which the visitor is asked are ``waiting`` then. Return ``None`` if the answer no longer belongs to
        this process; then the model must not be called again. Raises ``django.db.Error``.
        """
        answer_id = row["message_id"]
        calls = [self._read(each, ToolCall(step=self._draft.step, **row)) for each in asked]
        for call in calls[MAX_CALLS:]:
            call.state, call.error = State.FAILED, TOO_MANY
        running = [call for call in calls if call.state == State.RUNNING]
        self.wrong = 0 if running else self.wrong + 1
        await asyncio.gather(*map(self._question, running))
        columns = Written(answer_id, (*self._draft.parts(), *map(part_of, calls))).columns
        if following := self._ledger.following():
            columns["calling"] = following
        made = (self._ledger.unstored(), self._ledger.settled)
        if not await self._begin(calls, begin_calls, process, answer_id, columns, calls, *made):
            return None
        self.waiting = [call for call in calls if call.state == State.ASKED]
        await self._carry_out(calls)
        for call in self.waiting:
            for chunk in asked_chunks(call):
                self._draft.add_chunk(chunk)
        flush(self._draft, self._stream)
        return None if self._lost else calls

    async def go_on(self, calls: Sequence[ToolCall], answer_id: int, process: str) -> bool:
        """Carry out the calls of a step that the visitor has allowed, and show which ones were denied.

        Return ``False`` if the answer no longer belongs to this process. Raises ``django.db.Error``.
        """
        self._begun = {call.uid: call for call in calls}
        for call in calls:
            if call.state == State.ALLOWED:
                self._check(call)
        if not await self._begin(calls, begin_allowed, process, answer_id, calls):
            return False
        await self._carry_out(calls)
        return not self._lost

    def repeatable(self, calls: Mapping[str, ToolCall]) -> list[ToolCall]:
        """Return those of the calls of an earlier answer that may run again, because it is not known what they did."""
        there = [call for call in calls.values() if call.state == State.UNKNOWN and call.name in self._tools]
        return [call for call in there if self._tools[call.name].options.idempotent]

    async def give_up(self, *, waiting: bool = False) -> None:
        """Show the end of the calls that have not ended when the answer does.

        It is not known what those have done that are under way. Those that wait for a decision are declined, unless the
        answer is ``waiting`` for them.
        """
        if self._beginning is not None:
            beginning, calls = self._beginning
            await asyncio.wait({beginning})
            if has_succeeded(beginning):
                self._show_begun(calls)
        if self._storing:
            await asyncio.wait(self._storing)
        for call in list(self._begun.values()):
            if call.state == State.RUNNING:
                call.state, call.output, call.error = State.UNKNOWN, None, UNKNOWN
            elif not waiting:
                call.state, call.error = State.DENIED, DECLINED
            self._show_end(call)

    def _read(self, asked: Asked, call: ToolCall) -> ToolCall:
        """Fill in the row of a call. One that fits no tool has failed already."""
        call.uid = "t-" + secrets.token_urlsafe(12)
        call.name = _NOT_IN_NAMES.sub("_", asked.name)[:64]
        call.model_id = storable(asked.id)[:255]
        call.extra = _storable_extra(asked.extra)
        tool = self._tools.get(asked.name)
        try:
            if tool is None:
                raise ArgumentsError(NO_TOOL)
            call.input, self._arguments[call.uid] = tool.read(asked.arguments)
        except ArgumentsError as error:
            call.state, call.error = State.FAILED, str(error)
        return call

    async def _question(self, call: ToolCall) -> None:
        """Find out whether the visitor must be asked about a call. It fails if that cannot be found out."""
        tool = self._tools[call.name]
        if not tool.may_ask:
            return
        try:
            call.question = await question_of(self._assistant, tool, self._arguments[call.uid])
        except Exception:
            logger.exception("Whether the visitor must allow the tool %s could not be found out.", tool.name)
            call.state, call.error = State.FAILED, FAILED
            return
        if call.question:
            call.state, call.language = State.ASKED, self._assistant.language
            call.expires_at = timezone.now() + tool.options.expires if tool.options.expires else None

    def _check(self, call: ToolCall) -> None:
        """Check a call that was allowed against its tool as it is now: the site may have changed it meanwhile."""
        tool = self._tools.get(call.name)
        try:
            if tool is None:
                raise ArgumentsError(NO_TOOL)
            self._arguments[call.uid] = tool.check(call.input)
            call.state = State.RUNNING
        except ArgumentsError as error:
            call.state, call.error = State.FAILED, str(error)

    async def _begin(self, calls: Sequence[ToolCall], step: Callable[..., bool], *args: Any) -> bool:
        """Store that calls begin; return ``False`` if the answer no longer belongs to this process."""
        # Not cancelled with the run: what is stored must be shown, too.
        beginning = asyncio.ensure_future(self._saving.until_stored(step, *args))
        beginning.add_done_callback(self._stored)
        self._beginning = (beginning, calls)
        return await asyncio.shield(beginning)

    def _stored(self, beginning: asyncio.Future[bool]) -> None:
        if has_succeeded(beginning):
            self._ledger.stored()

    async def _carry_out(self, calls: Sequence[ToolCall]) -> None:
        self._show_begun(calls)
        await asyncio.gather(*(self._run(call) for call in calls if call.state == State.RUNNING))

    def _show_begun(self, calls: Sequence[ToolCall]) -> None:
        """Show that calls have begun, and the end of those that have ended already."""
        self._beginning = None
        self._draft.add_calls(calls)
        self._begun = {call.uid: call for call in calls}
        for call in calls:
            if call.is_over:
                self._show_end(call)
        flush(self._draft, self._stream)

    async def _run(self, call: ToolCall) -> None:
        report = partial(self._report, call)
        with tool_span(call.name, call.uid) as span:
            outcome = await call_tool(self._assistant, self._tools[call.name], self._arguments[call.uid], report)
            span.fail("" if outcome.state == "done" else outcome.state)
        storing = asyncio.ensure_future(self._end(call, outcome))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        await asyncio.shield(storing)

    async def _end(self, call: ToolCall, outcome: Outcome) -> None:
        """Store how a call ended, and then show it."""
        call.state, call.output, call.error = outcome
        if not await self._saving.until_stored(end_call, call):  # another process has given it up, with the answer
            call.state, call.output, call.error = State.UNKNOWN, None, UNKNOWN
            self._lost = True
        else:
            announce(tool_called, type(self._assistant), call=call, assistant=self._assistant)
        self._show_end(call)

    def _report(self, call: ToolCall, text: str) -> None:
        if call.uid in self._begun and call.state == State.RUNNING:
            self._draft.add_chunk(ToolOutput(call.uid, {"progress": text}, preliminary=True))
            flush(self._draft, self._stream)

    def _show_end(self, call: ToolCall) -> None:
        if self._begun.pop(call.uid, None):
            self._draft.end_call(call)
            flush(self._draft, self._stream)


def has_succeeded(beginning: asyncio.Future[bool]) -> bool:
    """Tell whether a database step that has ended has found the answer as this process's own."""
    return not beginning.cancelled() and beginning.exception() is None and beginning.result()


def _storable_extra(extra: dict[str, Any]) -> dict[str, Any]:
    """Return the further fields of a call, if they can be stored."""
    try:
        found = storable_value(extra)
        return dict(found) if len(json.dumps(found, allow_nan=False)) <= MAX_EXTRA else {}
    except (RecursionError, ValueError, TypeError):
        return {}
