"""Stores a message of the site's own in a conversation, at the tip of the branch that it shows."""

import secrets

from django.utils import timezone

from ..errors import Refusal
from ..models import POSTED, Conversation, Message
from ..owners import Owner
from .known_turns import lock
from .threads import atomic_with_retry
from .values import Subject


@atomic_with_retry
def store_post(owner: Owner, uid: str, subject: Subject, text: str, title: str) -> tuple[Conversation, Message]:
    """Store a message, and mark its conversation as unread; begin one with this ``title`` if there is none by ``uid``.

    Raises:
        Refusal: ``busy`` while an answer runs in the conversation or waits for a decision, ``gone`` if the conversation
            is deleted.
        OtherSubjectError: the conversation has another assistant or object.
    """
    lock(owner, uid)
    now = timezone.now()
    conversation, _ = Conversation.objects.select_related("tip").get_or_create(
        owner=owner.key,
        uid=uid,
        defaults={"user_id": owner.user_id, "title": title, "updated_at": now, **subject._asdict()},
    )
    subject.check(conversation)
    if conversation.deleted_at is not None:
        raise Refusal("gone")
    tip = conversation.tip
    if conversation.running_id is not None or (tip is not None and tip.status == Message.Status.WAITING):
        raise Refusal("busy")
    message = Message.objects.create(
        conversation=conversation,
        parent=tip,
        uid=f"{POSTED}{secrets.token_urlsafe(12)}",
        role=Message.Role.ASSISTANT,
        parts=[{"type": "text", "text": text}],
        text=text,
        finish_reason="stop",
        ended_at=now,
    )
    Conversation.objects.filter(pk=conversation.pk).update(tip=message, unread=True, updated_at=now)
    return conversation, message
