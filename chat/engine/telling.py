"""News for this process's event loops from code that runs on none of them: views, the admin, signals."""

from collections.abc import Callable
from typing import Literal

from ..db.threads import on_commit
from ..models import Conversation
from ..sockets.sent import Event
from .engine import Engine, engines
from .news import version


def tell(
    kind: Literal["deleted", "title", "read"],
    conversation: Conversation,
    *,
    title: str = "",
    using: str | None = None,
) -> None:
    """Tell the owner's open pages what happened to a conversation, once that is committed."""
    event = Event(kind, conversation.uid, "", version(), title)
    owner = conversation.owner
    on_every_loop(lambda engine: engine.events.tell(owner, event), using=using)


def on_every_loop(action: Callable[[Engine], None], *, using: str | None = None) -> None:
    """Call ``action`` with the registry of each loop, on that loop, once the transaction is committed."""

    def spread() -> None:
        for loop, engine in engines():
            loop.call_soon_threadsafe(action, engine)

    on_commit(spread, using=using)
