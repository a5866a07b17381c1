"""What the server answers to one request of a socket: its frames, from the first to ``end``."""

from ..backends.plugged import max_message_length
from ..owners import Owner
from ..protocol import Asked, BadFrameError, Rate, Read, Resume, Send, Source, question
from ..runs.registry import Registry
from .asking import Asking
from .base import Reply, language_of
from .rating import Rating
from .reading import Reading
from .resuming import Resuming
from .sourcing import Sourcing

__all__ = ["Reply", "language_of", "reply_to"]


def reply_to(frame: Asked, registry: Registry, owner: Owner) -> Reply:
    """The reply to a frame. Raises ``BadFrameError`` or ``Refusal``."""
    if isinstance(frame, Send):
        asked = question(frame, max_message_length()) if frame.trigger == "submit-message" else None
        return Asking(registry, owner, frame, asked)
    if isinstance(frame, Resume):
        return Resuming(registry, owner, frame)
    if isinstance(frame, Source):
        return Sourcing(registry, owner, frame)
    if isinstance(frame, Rate):
        return Rating(registry, owner, frame)
    if isinstance(frame, Read):
        return Reading(registry, owner, frame)
    raise BadFrameError("Expected a frame of a known type.")
