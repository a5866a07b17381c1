"""The reply to a ``select``."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ...db.branches import Stretch, select
from ...db.threads import in_database
from ...engine.engine import Engine
from ...owners import Owner
from ..following import told
from ..received import Select
from ..sent import frame
from .base import Reply


class Selecting(Reply):
    """Another branch of a conversation, on all of its owner's pages, and when one comes back."""

    def __init__(self, engine: Engine, owner: Owner, request: Select) -> None:
        super().__init__(engine, owner, request)
        self._request = request

    async def _frames(self) -> AsyncGenerator[str, None]:
        # The step belongs to the process: of what is stored the other pages hear, whether or not this one stays.
        selecting = self.engine.tasks.spawn(self._select())
        selecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        stretch = await asyncio.shield(selecting)
        shown = await asyncio.to_thread(told, stretch, self.language)
        yield frame("start", self.request_id)
        async with aclosing(self._html(shown.messages, None, None)) as frames:
            async for text in frames:
                yield text

    async def _select(self) -> Stretch:
        request = self._request
        async with self.engine.order(self.owner, request.id):
            stretch = await in_database(select, self.owner, request.id, request.message_id)
        self.engine.news.turned(self.owner.key, request.id, stretch.messages[-1])
        return stretch
