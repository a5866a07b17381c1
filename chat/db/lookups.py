"""What an owner finds: each look-up starts from the owner's own conversations."""

from ..models import Conversation, Message
from ..owners import Owner


def last_answer(owner: Owner, uid: str) -> Message | None:
    """The answer at the tip of one of the owner's own conversations."""
    tip = Conversation.objects.of(owner).filter(uid=uid).values("tip")
    return Message.objects.filter(pk__in=tip, role=Message.Role.ASSISTANT).first()


def is_stopping(owner: Owner, uid: str) -> bool | None:
    """Whether the answer that runs in a conversation has been stopped; ``None`` where none runs any more."""
    running = Conversation.objects.of(owner).filter(uid=uid, running__isnull=False)
    return running.values_list("running__stopping", flat=True).first()
