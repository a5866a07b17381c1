"""What every reply has in common: its frames in either view, its stop, and what becomes of a failure."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.db import Error as DatabaseError

from ...chunks import Chunk
from ...engine.engine import Engine
from ...errors import Refusal
from ...html.language import spoken
from ...models import Message
from ...owners import Owner
from ...streams.base import LostStreamError
from ..following import html_view, text_view
from ..received import Asked, Resume, Send
from ..sent import chunk_frame, chunk_prefix, error_frame, frame

logger = logging.getLogger(__name__)


def language_of(request: Asked) -> str:
    """The language in which a request is answered: its page's, and none in the text view, whose sentences are fixed."""
    if isinstance(request, Send | Resume) and request.body.view == "text":
        return ""
    return spoken(request.body.language)


class Reply(ABC):
    """One request. ``stop`` may come at any time, even before the answer is known."""

    def __init__(self, engine: Engine, owner: Owner, request: Asked) -> None:
        self.engine = engine
        self.owner = owner
        self.request_id = request.request_id
        self.language = language_of(request)
        self._answer: Message | None = None
        self._stopped = False

    def stop(self) -> None:
        """Stop the answer that this request follows."""
        self._stopped = True
        if self._answer is not None:
            self.engine.stop(self._answer)

    async def frames(self) -> AsyncGenerator[str, None]:
        """The request's frames. A failure of ours becomes an ``error`` frame; what it was stands in the log."""
        try:
            async with aclosing(self._frames()) as frames:
                async for text in frames:
                    yield text
            return
        except Refusal as refusal:
            code = refusal.code
        except LostStreamError:
            code = "lost"
        except DatabaseError:
            logger.exception("A request failed in the database.")
            code = "storage"
        except Exception:
            logger.exception("A request failed.")
            code = "internal"
        yield error_frame(self.request_id, code, self.language)

    @abstractmethod
    def _frames(self) -> AsyncGenerator[str, None]: ...

    def _follows(self, answer: Message) -> None:
        self._answer = answer
        if self._stopped:
            self.engine.stop(answer)

    async def _text(self, message: Message, after: int = -1) -> AsyncGenerator[str, None]:
        """The frames of the text view: the numbers are the log's own."""
        prefix = chunk_prefix(self.request_id)
        async with aclosing(text_view(message, self.engine.stream_of(message), after)) as batches:
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
            yield chunk_frame(prefix, sequence, chunk, self.language)
        if message is not None:
            stream = self.engine.stream_of(message)
            async with aclosing(html_view(message, stream, after, self.language)) as batches:
                async for batch in batches:
                    for chunk in batch:
                        sequence += 1
                        yield chunk_frame(prefix, sequence, chunk, self.language)
        yield frame("end", self.request_id)
