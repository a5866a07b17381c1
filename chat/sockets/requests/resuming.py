"""The reply to a ``resume``."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.utils import timezone

from ...conf import conf
from ...db.lookups import last_answer
from ...db.threads import in_database
from ...engine.engine import Engine
from ...models import Message
from ...owners import Owner
from ..following import missed
from ..received import Resume
from ..sent import frame
from .base import Reply


class Resuming(Reply):
    """The reply to a ``resume``: follow what runs, and in the html view everything that the page lacks."""

    def __init__(self, engine: Engine, owner: Owner, resume: Resume) -> None:
        super().__init__(engine, owner, resume)
        self._resume = resume

    async def _frames(self) -> AsyncGenerator[str, None]:
        frames = self._resume_html() if self._resume.body.view == "html" else self._resume_text()
        async with aclosing(frames):
            async for text in frames:
                yield text

    async def _resume_text(self) -> AsyncGenerator[str, None]:
        async with self.engine.order(self.owner, self._resume.id):
            answer = await in_database(last_answer, self.owner, self._resume.id)
        if answer is None or not (self._begun(answer) or self._active(answer)):
            yield frame("no-active", self.request_id)
            return
        self._follows(answer)
        yield frame("start", self.request_id)
        after = self._resume.last_sequence if self._begun(answer) else None
        async with aclosing(self._text(answer, -1 if after is None else after)) as frames:
            async for text in frames:
                yield text

    def _begun(self, answer: Message) -> bool:
        """Whether the client has a part of the answer: then it gets the rest, however long ago the answer ended."""
        return self._resume.body.message_id == answer.uid and self._resume.last_sequence is not None

    def _active(self, answer: Message) -> bool:
        """Whether there is something to resume: an answer that ended a moment ago is still replayed."""
        if self.engine.stream_of(answer) is not None:
            return True
        ended = answer.ended_at
        # Absolute: the clock may have been set back, and that of the process that ended it may be ahead.
        return ended is not None and abs((timezone.now() - ended).total_seconds()) < conf.stream_retention

    async def _resume_html(self) -> AsyncGenerator[str, None]:
        resume = self._resume
        async with self.engine.order(self.owner, resume.id):
            lacks = await in_database(missed, self.owner, resume.id, resume.body.after, self.language)
        if lacks is None:
            yield frame("no-active", self.request_id)
            return
        if lacks.followed is not None:
            self._follows(lacks.followed)
        yield frame("start", self.request_id)
        async with aclosing(self._html(lacks.messages, lacks.followed, lacks.after)) as frames:
            async for text in frames:
                yield text
