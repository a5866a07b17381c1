"""A call of a tool in a growing answer: its view changes as a whole, with each chunk of the call."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..chunks import (
    PartHtml,
    QuestionData,
    ToolApproval,
    ToolDenied,
    ToolInput,
    ToolOutput,
    ToolOutputError,
    ToolQuestion,
)
from ..db.calls import UNKNOWN
from ..models import ToolCall
from .calls import NOWHERE, CallConversation, CallView, in_time_zone
from .message_chunks import part_chunk
from .messages import PartView

State = ToolCall.State

CallChunk = ToolQuestion | ToolApproval | ToolDenied | ToolOutput | ToolOutputError


class LiveCall:
    """A call that is a part of a growing answer.

    ``blocks`` is always empty, but a new object after each change: so readers see that they show an older state.
    """

    running = False
    length = 0

    def __init__(self, index: int, chunk: ToolInput, conversation: CallConversation = NOWHERE) -> None:
        self.index = index
        self.uid = chunk.tool_call_id
        self.blocks: Sequence[str] = []
        self._call = CallView(chunk.tool_name, chunk.input, id=chunk.tool_call_id)
        self._conversation = conversation
        self._rendered: dict[str | None, PartHtml] = {}

    def take(self, chunk: CallChunk) -> None:
        """Take the question about the call, its progress or its end."""
        if isinstance(chunk, ToolQuestion):
            self._take_question(chunk.data)
        elif isinstance(chunk, ToolApproval | ToolDenied):
            state = State.ASKED if isinstance(chunk, ToolApproval) else State.DENIED
            self._call = replace(self._call, state=self._call.state if self._is_expired else state.value)
        elif isinstance(chunk, ToolOutputError):
            state = State.UNKNOWN if chunk.error_text == UNKNOWN else State.FAILED
            self._call = replace(self._call, state=state.value, progress="", reason=chunk.error_text)
        elif chunk.preliminary:
            self._call = replace(self._call, progress=str(chunk.output.get("progress", "")))
        else:
            self._call = replace(self._call, state=State.DONE.value, progress="", output=chunk.output)
        self._change()

    def go_on(self) -> None:
        """Take the beginning of the run after a decision: a call that was asked about is under way."""
        if self._call.state == State.ASKED:
            self._call = replace(self._call, state=State.RUNNING.value)
            self._change()

    def _take_question(self, data: QuestionData) -> None:
        expires = datetime.fromtimestamp(data.expires, UTC) if data.expires is not None else None
        self._call = replace(self._call, question=data.question, expires=in_time_zone(expires))
        if data.expired:
            self._call = replace(self._call, state=State.EXPIRED.value)

    @property
    def _is_expired(self) -> bool:
        return self._call.state == State.EXPIRED

    def _change(self) -> None:
        self.blocks = []
        self._rendered.clear()

    async def render(self) -> float:
        """Do nothing: the template is rendered when a reader needs it."""
        return 0.0

    def view(self) -> PartView:
        """Make the view of the part that templates receive."""
        return PartView(self.index, "tool", call=self._call, conversation=self._conversation)

    shell = view

    def chunk(self, message: str, language: str | None) -> PartHtml:
        """Return the chunk that shows the call as it is now, rendered once for all readers of a language."""
        if language not in self._rendered:
            self._rendered[language] = part_chunk(message, self.view(), language)
        return self._rendered[language]
