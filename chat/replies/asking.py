"""The reply to a ``send``."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..chunks import Chunk, Start
from ..conf import conf
from ..database import in_database
from ..owners import Owner
from ..presentation import conversation_chunk, message_chunk, message_view
from ..protocol import Question, Refusal, Send
from ..runs.registry import Registry
from ..runs.run import Run
from ..store.lookups import is_stopping
from ..store.turns import Ask, Regenerate, Turn, ask, regenerate
from .base import Reply

STOP_WAIT = 5.0
"""How long a question waits for the end of an answer that was stopped on another process, in seconds."""


class Asking(Reply):
    """The reply to a ``send``: store the question, start the answer, follow it."""

    def __init__(self, registry: Registry, owner: Owner, send: Send, question: Question | None) -> None:
        super().__init__(registry, owner, send)
        self._send = send
        self._question = question

    async def _frames(self) -> AsyncGenerator[str, None]:
        # The step belongs to the process: a socket that closes now leaves no answer without its run.
        storing = self.registry.spawn(self._store())
        storing.add_done_callback(lambda task: task.cancelled() or task.exception())  # also where nobody waits any more
        turn = await asyncio.shield(storing)
        if self._send.body.view == "html":
            frames = self._html(self._opening(turn), turn.answer, turn.question.uid)
        else:
            frames = self._text(turn.answer)
        async with aclosing(frames):
            async for text in frames:
                yield text

    async def _store(self) -> Turn:
        await self.registry.start()
        async with self.registry.order(self.owner, self._send.id):
            runs = self.registry.runs_of(self.owner, self._send.id)
            try:
                turn = await self._stored()
            except Refusal as refusal:
                # Who stops an answer and asks again at once must not be told that it still runs.
                if refusal.code != "busy" or not await self._over(runs):
                    raise
                turn = await self._stored()
            if turn.fresh:
                self.registry.begin(turn)
        self._follows(turn.answer)
        return turn

    async def _over(self, runs: list[Run]) -> bool:
        """Wait for the end of an answer that was stopped, here or elsewhere; ``False`` where none was."""
        if ending := [run for run in runs if run.ending]:
            for run in ending:
                await run.over.wait()
            return True
        latest = time.monotonic() + STOP_WAIT
        while stopping := await in_database(is_stopping, self.owner, self._send.id):
            if time.monotonic() > latest:
                return False
            await asyncio.sleep(conf.tick)
        return stopping is None

    async def _stored(self) -> Turn:
        send, writer = self._send, self.registry.writer()
        if self._question is None:
            body = send.body
            request = Regenerate(self.owner, send.id, send.message_id, body.attempt, body.continue_)
            return await in_database(regenerate, request, writer)
        edits = send.message_id == self._question.id
        return await in_database(ask, Ask(self.owner, send.id, self._question, edits), writer)

    def _opening(self, turn: Turn) -> list[Chunk]:
        opening: list[Chunk] = [Start(turn.answer.uid), conversation_chunk(turn.conversation, self.language)]
        if self._question is not None:
            opening.append(message_chunk(message_view(turn.question), language=self.language))
        return opening
