"""Copies of conversations that visitors share: made, listed, found and revoked."""

import secrets
from typing import Any

from django.db.models import F
from msgspec import to_builtins

from ..models import Conversation, Message, Share
from ..parts import SOURCE, is_text
from .branches import whole
from .sources import sources_by_part
from .threads import atomic

ID_BYTES = 24
"""Random bytes of a share's id, which is all that protects it: 192 bits."""

UNFINISHED = (Message.Status.RUNNING, Message.Status.WAITING)
"""The statuses of answers that are not shared: what they will say is not known yet."""

MOST = 20
"""How many links one conversation can have, because each of them stores its texts again."""


@atomic
def share(conversation: Conversation) -> Share | None:
    """Copy the branch that a conversation shows, as it is now; ``None`` if it has ``MOST`` links already."""
    Conversation.objects.filter(pk=conversation.pk).update(unread=F("unread"))  # begins with a write: see turns.py
    if conversation.shares.count() >= MOST:
        return None
    ended = [message for message in whole(conversation) if message.status not in UNFINISHED]
    return Share.objects.create(
        uid=secrets.token_urlsafe(ID_BYTES),
        conversation=conversation,
        title=conversation.title,
        messages=[_copied(message) for message in ended],
    )


def shared(uid: str) -> Share | None:
    """Return the share with an id, ``None`` if there is none any more or its conversation was deleted."""
    return Share.objects.filter(uid=uid, conversation__deleted_at=None).first()


def shares_of(conversation: Conversation) -> list[Share]:
    """Return the shares of a conversation, the newest first, without their texts."""
    return list(conversation.shares.order_by("-pk").defer("messages"))


def revoke(conversation: Conversation, uid: str) -> bool:
    """Delete one share of a conversation; return whether it had such a one."""
    return bool(conversation.shares.filter(uid=uid).delete()[0])


def messages_of(found: Share) -> list[Message]:
    """Return the messages that a share has copied, unsaved and without ids."""
    return [Message(**copied) for copied in found.messages]


def _copied(message: Message) -> dict[str, Any]:
    """Return what is shared of a message: no ids, calls or reasoning, nothing about the visitor or the model."""
    parts: list[dict[str, Any]] = []
    for part, found in zip(message.parts, sources_by_part(message), strict=True):
        parts += [part] if is_text(part) else [{"type": SOURCE, **to_builtins(source)} for source in found]
    return {
        "role": message.role,
        "status": message.status,
        "text": message.text,
        "parts": parts,
        "error": message.error,
        "finish_reason": message.finish_reason,
    }
