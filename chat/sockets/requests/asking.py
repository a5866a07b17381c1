"""The reply to a ``send``."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from ...backends.loading import max_message_length
from ...chunks import Chunk, ConversationData, ConversationTitle, Start
from ...db.values import Ask, Regenerate, Turn
from ...engine.engine import Engine
from ...engine.start import begin
from ...owners import Owner
from ..following import told
from ..received import Send, question
from .base import Reply


class Asking(Reply):
    """The reply to a ``send``: store the question, start the answer, follow it.

    Raises ``BadFrameError`` or ``Refusal`` for what is no question.
    """

    def __init__(self, engine: Engine, owner: Owner, send: Send) -> None:
        super().__init__(engine, owner, send)
        self._send = send
        self._question = question(send, max_message_length()) if send.trigger == "submit-message" else None

    async def _frames(self) -> AsyncGenerator[str, None]:
        turn = await begin(self.engine, self._request(), self._follows)
        if turn.turned:
            self.engine.news.turned(self.owner.key, self._send.id, turn.answer)
        frames = self._branch(turn) if self._whole else self._text(turn.answer)
        async with aclosing(frames):
            async for text in frames:
                yield text

    def _request(self) -> Ask | Regenerate:
        send, asked = self._send, self._question
        if asked is None:
            body = send.body
            return Regenerate(self.owner, send.id, send.message_id, body.attempt, body.continue_, self._whole)
        return Ask(self.owner, send.id, asked, self._edits, send.body.attempt, self._whole)

    @property
    def _whole(self) -> bool:
        return self._send.body.view == "html"

    @property
    def _edits(self) -> bool:
        return self._question is None or self._send.message_id == self._question.id

    async def _branch(self, turn: Turn) -> AsyncGenerator[str, None]:
        """What was asked, and for a turn that was found everything below it: the page may have missed that."""
        tell = partial(told, turn.shown, self.language, follow=True, placed=self._edits)
        shown = tell() if turn.fresh else await asyncio.to_thread(tell)  # which may have long answers to render
        if shown.followed is not None:
            self._follows(shown.followed)
        title = ConversationTitle(ConversationData(turn.conversation.uid, turn.conversation.title))
        opening: list[Chunk] = [Start(turn.answer.uid), title]
        async with aclosing(self._html(opening + shown.messages, shown.followed, shown.after)) as frames:
            async for text in frames:
                yield text
