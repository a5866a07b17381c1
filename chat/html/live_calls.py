"""A call of a tool in a growing answer: its view changes as a whole, with each chunk of the call."""

from collections.abc import Sequence
from dataclasses import replace

from ..chunks import PartHtml, ToolInput, ToolOutput, ToolOutputError
from ..db.calls import UNKNOWN
from ..models import ToolCall
from .calls import NOWHERE, CallConversation, CallView
from .message_chunks import part_chunk
from .messages import PartView

State = ToolCall.State


class LiveCall:
    """A call that is a part of a growing answer.

    ``blocks`` is empty, and another object after each change, by which readers see that they show an older state.
    """

    running = False
    length = 0

    def __init__(self, index: int, chunk: ToolInput, conversation: CallConversation = NOWHERE) -> None:
        self.index = index
        self.uid = chunk.tool_call_id
        self.blocks: Sequence[str] = []
        self._call = CallView(chunk.tool_name, chunk.input)
        self._conversation = conversation
        self._rendered: dict[str | None, PartHtml] = {}

    def take(self, chunk: ToolOutput | ToolOutputError) -> None:
        """Take the call's progress or its end."""
        if isinstance(chunk, ToolOutputError):
            state = State.UNKNOWN if chunk.error_text == UNKNOWN else State.FAILED
            self._call = replace(self._call, state=state.value, progress="", reason=chunk.error_text)
        elif chunk.preliminary:
            self._call = replace(self._call, progress=str(chunk.output.get("progress", "")))
        else:
            self._call = replace(self._call, state=State.DONE.value, progress="", output=chunk.output)
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
