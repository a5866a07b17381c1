"""The reply to a ``read``."""

from collections.abc import AsyncGenerator

from ...db.feedback import read
from ...db.threads import in_database
from ...engine.engine import Engine
from ...owners import Owner
from ..received import Read
from ..sent import frame
from .base import Reply


class Reading(Reply):
    """Clear the conversation's unread mark, on the owner's other pages as well."""

    def __init__(self, engine: Engine, owner: Owner, request: Read) -> None:
        super().__init__(engine, owner, request)
        self._conversation = request.id

    async def _frames(self) -> AsyncGenerator[str, None]:
        if await in_database(read, self.owner, self._conversation):
            self.engine.news.read(self.owner.key, self._conversation)
        yield frame("start", self.request_id)
        yield frame("end", self.request_id)
