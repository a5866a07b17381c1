"""The reply to a ``send``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..chunks import Chunk, Start
from ..models import Message
from ..owners import Owner
from ..presentation import conversation_chunk, message_chunk, message_view
from ..protocol import Question, Send
from ..runs.beginning import begin
from ..runs.registry import Registry
from ..store.turns import Ask, Regenerate, Turn
from .base import Reply


class Asking(Reply):
    """The reply to a ``send``: store the question, start the answer, follow it."""

    def __init__(self, registry: Registry, owner: Owner, send: Send, question: Question | None) -> None:
        super().__init__(registry, owner, send)
        self._send = send
        self._question = question

    async def _frames(self) -> AsyncGenerator[str, None]:
        turn = await begin(self.registry, self._request(), self._follows)
        if self._send.body.view == "html":
            frames = self._html(self._opening(turn), turn.answer, turn.question.uid)
        else:
            frames = self._text(turn.answer)
        async with aclosing(frames):
            async for text in frames:
                yield text

    def _request(self) -> Ask | Regenerate:
        send, asked = self._send, self._question
        if asked is None:
            return Regenerate(self.owner, send.id, send.message_id, send.body.attempt, send.body.continue_)
        return Ask(self.owner, send.id, asked, edits=send.message_id == asked.id)

    def _opening(self, turn: Turn) -> list[Chunk]:
        running = turn.answer.status == Message.Status.RUNNING
        line = conversation_chunk(turn.conversation, self.language, running=running)
        opening: list[Chunk] = [Start(turn.answer.uid), line]
        if self._question is not None:
            opening.append(message_chunk(message_view(turn.question), language=self.language))
        return opening
