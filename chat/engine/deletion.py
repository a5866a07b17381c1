"""Deletes conversations so that it can be undone: stops their answers and informs the owner's pages."""

from ..db.deletion import hide, restore
from ..events import Event, Events
from ..managers import ConversationQuerySet
from ..owners import Owner
from .engine import engines


def delete(owner: Owner, conversations: ConversationQuerySet) -> int:
    """Delete an owner's conversations for now, and stop their answers; return how many there were. On any thread.

    The stop is quick. If it is lost, the heartbeat of the answer's process stops the answer.
    """
    found = hide(owner, conversations)
    for conversation in found:
        # The event comes first. Otherwise the pages would see an answer stop before the conversation is gone.
        Events.publish_from_thread(owner.key, Event.deleted(conversation.uid))
    for conversation in found:
        if conversation.running is not None:
            for loop, engine in engines():
                loop.call_soon_threadsafe(engine.stop, conversation.running)
    return len(found)


def undo(owner: Owner, at: str) -> int:
    """Bring the conversations back that were deleted ``at`` this time (ISO 8601); return how many. On any thread."""
    found = restore(owner, at)
    for conversation in found:
        Events.publish_from_thread(owner.key, Event.restored(conversation))
    return len(found)
