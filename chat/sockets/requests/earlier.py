"""The reply to an ``earlier``."""

from collections.abc import AsyncGenerator

from ...chunks import EarlierData, EarlierHtml
from ...db.branches import earlier
from ...db.threads import in_database
from ...engine.engine import Engine
from ...html.messages import message_html, message_view
from ...owners import Owner
from ..received import Earlier
from ..sent import chunk_frame, chunk_prefix, frame
from .base import Reply


class ShowingEarlier(Reply):
    """The messages that stand before the first one that a page shows."""

    def __init__(self, engine: Engine, owner: Owner, request: Earlier) -> None:
        super().__init__(engine, owner, request)
        self._request = request

    async def _frames(self) -> AsyncGenerator[str, None]:
        chunk = await in_database(self._chunk)
        yield frame("start", self.request_id)
        yield chunk_frame(chunk_prefix(self.request_id), 0, chunk)
        yield frame("end", self.request_id)

    def _chunk(self) -> EarlierHtml:
        stretch = earlier(self.owner, self._request.id, self._request.message_id)
        html = "\n".join(message_html(message_view(message), self.language) for message in stretch.messages)
        return EarlierHtml(EarlierData(html, stretch.earlier))
