"""What the server answers to one request of a socket: its frames, from the first to ``end``."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.db import Error as DatabaseError
from django.utils import timezone

from .chunks import Chunk, Start
from .conf import conf
from .database import in_database
from .logs.base import LostLogError
from .models import Message
from .owners import Owner
from .presentation import conversation_chunk, message_chunk, message_view
from .protocol import Question, Refusal, Resume, Send, chunk_frame, chunk_prefix, error_frame, frame
from .readers import html_view, missed, text_view
from .runs.registry import Registry
from .runs.run import Run
from .store.lookups import is_stopping, last_answer
from .store.turns import Ask, Regenerate, Turn, ask, regenerate

logger = logging.getLogger(__name__)

STOP_WAIT = 5.0
"""How long a question waits for the end of an answer that was stopped on another process, in seconds."""


class Reply(ABC):
    """One request. ``stop`` may come at any time, even before the answer is known."""

    def __init__(self, registry: Registry, owner: Owner, request_id: str) -> None:
        self.registry = registry
        self.owner = owner
        self.request_id = request_id
        self._answer: Message | None = None
        self._stopped = False

    def stop(self) -> None:
        """Stop the answer that this request follows."""
        self._stopped = True
        if self._answer is not None:
            self.registry.stop(self._answer)

    async def frames(self) -> AsyncGenerator[str, None]:
        """The request's frames. A failure of ours becomes an ``error`` frame; what it was stands in the log."""
        try:
            async with aclosing(self._frames()) as frames:
                async for text in frames:
                    yield text
            return
        except Refusal as refusal:
            code = refusal.code
        except LostLogError:
            code = "lost"
        except DatabaseError:
            logger.exception("A request failed in the database.")
            code = "storage"
        except Exception:
            logger.exception("A request failed.")
            code = "internal"
        yield error_frame(self.request_id, code)

    @abstractmethod
    def _frames(self) -> AsyncGenerator[str, None]: ...

    def _follows(self, answer: Message) -> None:
        self._answer = answer
        if self._stopped:
            self.registry.stop(answer)

    async def _text(self, message: Message, after: int = -1) -> AsyncGenerator[str, None]:
        """The frames of the text view: the numbers are the log's own."""
        prefix = chunk_prefix(self.request_id)
        async with aclosing(text_view(message, self.registry.log_of(message), after)) as batches:
            async for first, batch in batches:
                for sequence, chunk in enumerate(batch, first):
                    yield chunk_frame(prefix, sequence, chunk)
        yield frame("end", self.request_id)

    async def _html(
        self, opening: list[Chunk], message: Message | None, after: str | None
    ) -> AsyncGenerator[str, None]:
        """The frames of the html view: the numbers count this reader's frames."""
        prefix = chunk_prefix(self.request_id)
        sequence = -1
        for sequence, chunk in enumerate(opening):
            yield chunk_frame(prefix, sequence, chunk)
        if message is not None:
            async with aclosing(html_view(message, self.registry.log_of(message), after)) as batches:
                async for batch in batches:
                    for chunk in batch:
                        sequence += 1
                        yield chunk_frame(prefix, sequence, chunk)
        yield frame("end", self.request_id)


class Asking(Reply):
    """The reply to a ``send``: store the question, start the answer, follow it."""

    def __init__(self, registry: Registry, owner: Owner, send: Send, question: Question | None) -> None:
        super().__init__(registry, owner, send.request_id)
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
        opening: list[Chunk] = [Start(turn.answer.uid), conversation_chunk(turn.conversation)]
        if self._question is not None:
            opening.append(message_chunk(message_view(turn.question)))
        return opening


class Resuming(Reply):
    """The reply to a ``resume``: follow what runs, and in the html view everything that the page lacks."""

    def __init__(self, registry: Registry, owner: Owner, resume: Resume) -> None:
        super().__init__(registry, owner, resume.request_id)
        self._resume = resume

    async def _frames(self) -> AsyncGenerator[str, None]:
        frames = self._resume_html() if self._resume.body.view == "html" else self._resume_text()
        async with aclosing(frames):
            async for text in frames:
                yield text

    async def _resume_text(self) -> AsyncGenerator[str, None]:
        async with self.registry.order(self.owner, self._resume.id):
            answer = await in_database(last_answer, self.owner, self._resume.id)
        if answer is None or not self._active(answer):
            yield frame("no-active", self.request_id)
            return
        self._follows(answer)
        yield frame("start", self.request_id)
        known = self._resume.body.message_id == answer.uid
        after = self._resume.last_sequence if known and self._resume.last_sequence is not None else -1
        async with aclosing(self._text(answer, after)) as frames:
            async for text in frames:
                yield text

    def _active(self, answer: Message) -> bool:
        """Whether there is something to resume: an answer that ended a moment ago is still replayed."""
        if self.registry.log_of(answer) is not None:
            return True
        ended = answer.ended_at
        return ended is not None and (timezone.now() - ended).total_seconds() < conf.log_retention

    async def _resume_html(self) -> AsyncGenerator[str, None]:
        resume = self._resume
        async with self.registry.order(self.owner, resume.id):
            lacks = await in_database(missed, self.owner, resume.id, resume.body.after)
        if lacks is None:
            yield frame("no-active", self.request_id)
            return
        if lacks.running is not None:
            self._follows(lacks.running)
        yield frame("start", self.request_id)
        async with aclosing(self._html(lacks.messages, lacks.running, lacks.after)) as frames:
            async for text in frames:
                yield text
