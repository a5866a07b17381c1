"""The reply to a ``source``."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from ...chunks import MessageSource, SourceData
from ...conf import conf
from ...db.answers import Written
from ...db.feedback import message_of
from ...db.replay import parts_of
from ...db.threads import in_database
from ...engine.engine import Engine
from ...models import Message
from ...owners import Owner
from ..received import Source
from ..sent import chunk_frame, chunk_prefix, frame
from .base import Reply


class Sourcing(Reply):
    """A message as the Markdown that it is made of."""

    def __init__(self, engine: Engine, owner: Owner, request: Source) -> None:
        super().__init__(engine, owner, request)
        self._request = request

    async def _frames(self) -> AsyncGenerator[str, None]:
        message = await in_database(message_of, self.owner, self._request.id, self._request.message_id)
        text = max(message.text, await self._running_text(message), key=len)
        yield frame("start", self.request_id)
        chunk = MessageSource(SourceData(message.uid, text))
        yield chunk_frame(chunk_prefix(self.request_id), 0, chunk)
        yield frame("end", self.request_id)

    async def _running_text(self, message: Message) -> str:
        """What the log of a running answer holds, where it can be read in time: more than the last checkpoint."""
        if message.status != Message.Status.RUNNING or (stream := self.engine.stream_of(message)) is None:
            return ""
        with suppress(TimeoutError):
            async with asyncio.timeout(conf.redis_timeout), aclosing(stream.follow()) as batches:
                async for batch in batches:
                    return str(Written(message.pk, parts_of(batch.chunks)).columns["text"])
        return ""
