"""Actions of an owner on whole conversations: rename, pin, mark as read, delete for good; and titles by the model."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from ..errors import Refusal
from ..managers import ConversationQuerySet
from ..models import Conversation, Message
from ..owners import Owner
from ..text import title_of
from .threads import atomic


def own(owner: Owner, uid: str) -> Conversation | None:
    """Return one of the owner's conversations, ``None`` if the owner has none with that ``uid``."""
    return owner.conversations.filter(uid=uid).first()


def updated(since: datetime) -> list[Conversation]:
    """Return the conversations in which something has happened since a time, each with the state of its tip."""
    found = Conversation.objects.filter(updated_at__gte=since, deleted_at=None).select_related("tip")
    return list(found.defer("tip__parts", "tip__text"))


def rename(conversation: Conversation, title: str) -> None:
    """Give a conversation another title; it keeps its place in the list."""
    Conversation.objects.filter(pk=conversation.pk).update(title=title)


def pin(conversation: Conversation, *, pinned: bool) -> None:
    """Keep a conversation at the top of the list, or no longer."""
    Conversation.objects.filter(pk=conversation.pk).update(pinned=pinned)


def mark_read(owner: Owner, uid: str) -> bool:
    """Clear the unread mark of one of the owner's conversations, unless an answer runs in it.

    Return whether there was a mark to clear. Raises ``Refusal`` if the owner has no such conversation.
    """
    mine = owner.conversations.filter(uid=uid)
    if mine.filter(unread=True, running=None).update(unread=False):
        return True
    if not mine.exists():
        raise Refusal("not_found")
    return False


@atomic
def delete(conversations: ConversationQuerySet) -> int:
    """Delete conversations for good, with their messages and running answers; return how many there were.

    The transaction begins with writes because SQLite refuses to turn a reading transaction into a writing one. They
    lock a message before its conversation, as the end of an answer does, so that the two cannot deadlock.
    """
    Message.objects.filter(running_in__in=conversations).update(stopping=True)
    conversations.update(updated_at=F("updated_at"))
    return conversations.delete()[1].get(Conversation._meta.label, 0)


@dataclass(frozen=True, slots=True)
class Untitled:
    """A conversation whose title is still made of its first question, with the texts for a better title."""

    conversation: Conversation
    question: str
    answer: str


def untitled(answer_id: int) -> Untitled | None:
    """Return the conversation of an answer if that is the first complete one, and nobody has changed the title."""
    found = Message.objects.select_related("conversation", "parent")
    message = found.filter(pk=answer_id, status=Message.Status.COMPLETE).first()
    if message is None or message.parent is None:
        return None
    messages = message.conversation.message_set
    first = messages.order_by("pk").values_list("text", flat=True)[0]
    earlier = messages.filter(role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE).exclude(pk=answer_id)
    if message.conversation.title != title_of(first) or earlier.exists():
        return None
    return Untitled(message.conversation, message.parent.text, message.text)


def retitle(conversation: Conversation, title: str) -> bool:
    """Replace a conversation's title, unless it was changed meanwhile; return whether it was replaced."""
    unchanged = Conversation.objects.filter(pk=conversation.pk, title=conversation.title)
    return bool(unchanged.update(title=title))
