"""What the server answers to one request of a socket: its frames, from the first to ``end``."""

from collections.abc import Callable
from typing import Any

from ...engine.engine import Engine
from ...owners import Owner
from ..received import Asked, Earlier, Rate, Read, Resume, Select, Send, Source
from .asking import Asking
from .base import Reply, language_of
from .earlier import ShowingEarlier
from .rating import Rating
from .reading import Reading
from .resuming import Resuming
from .selecting import Selecting
from .sourcing import Sourcing

__all__ = ["Reply", "language_of", "reply_to"]

REPLIES: dict[type, Callable[[Engine, Owner, Any], Reply]] = {
    Send: Asking,
    Resume: Resuming,
    Earlier: ShowingEarlier,
    Select: Selecting,
    Source: Sourcing,
    Rate: Rating,
    Read: Reading,
}


def reply_to(frame: Asked, engine: Engine, owner: Owner) -> Reply:
    """The reply to a frame. Raises ``BadFrameError`` or ``Refusal``, as its class does."""
    return REPLIES[type(frame)](engine, owner, frame)
