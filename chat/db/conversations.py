"""What an owner does with whole conversations."""

from django.db.models import F

from ..managers import ConversationQuerySet
from ..models import Conversation, Message
from ..owners import Owner
from .threads import atomic


def own(owner: Owner, uid: str) -> Conversation | None:
    """One of the owner's own conversations."""
    return Conversation.objects.of(owner).filter(uid=uid).first()


def rename(conversation: Conversation, title: str) -> None:
    """Give a conversation another title; it keeps its place in the list."""
    Conversation.objects.filter(pk=conversation.pk).update(title=title)


def mark_read(conversation: Conversation) -> bool:
    """Note that the owner has seen the last answer; ``False`` where that was known, or an answer runs."""
    unread = Conversation.objects.filter(pk=conversation.pk, unread=True, running=None)
    return bool(unread.update(unread=False))


@atomic
def delete(conversations: ConversationQuerySet) -> int:
    """Delete conversations with their messages, running answers among them; returns how many there were.

    First come writes, for SQLite refuses at once to turn a reading transaction into a writing one; and those in the
    order of an answer's end, the message before its conversation, so that neither waits for the other.
    """
    Message.objects.filter(running_in__in=conversations).update(stopping=True)
    conversations.update(updated_at=F("updated_at"))
    return conversations.delete()[1].get(Conversation._meta.label, 0)
