"""What an owner finds: each look-up starts from the owner's own conversations."""

from dataclasses import dataclass

from ..models import Conversation, Message
from ..owners import Owner


def conversation_of(owner: Owner, uid: str) -> Conversation | None:
    """One of the owner's own conversations."""
    return Conversation.objects.of(owner).filter(uid=uid).first()


@dataclass(frozen=True, slots=True)
class Branch:
    """A conversation and the messages that it shows."""

    conversation: Conversation
    messages: list[Message]


def branch_of(owner: Owner, uid: str) -> Branch | None:
    """One of the owner's own conversations with the messages that it shows."""
    conversation = conversation_of(owner, uid)
    return Branch(conversation, conversation.branch()) if conversation else None


def last_answer(owner: Owner, uid: str) -> Message | None:
    """The answer at the tip of one of the owner's own conversations."""
    return (
        Message.objects.filter(conversation__owner=owner.key, conversation__uid=uid, role=Message.Role.ASSISTANT)
        .filter(pk__in=Conversation.objects.of(owner).filter(uid=uid).values("tip"))
        .first()
    )
