"""The reply to a ``rate``."""

from collections.abc import AsyncGenerator

from ...db.feedback import rate
from ...db.threads import in_database
from ...engine.engine import Engine
from ...owners import Owner
from ..received import Rate
from ..sent import frame
from .base import Reply


class Rating(Reply):
    """Store what the reader thinks of an answer."""

    def __init__(self, engine: Engine, owner: Owner, request: Rate) -> None:
        super().__init__(engine, owner, request)
        self._request = request

    async def _frames(self) -> AsyncGenerator[str, None]:
        await in_database(rate, self.owner, self._request)
        yield frame("start", self.request_id)
        yield frame("end", self.request_id)
