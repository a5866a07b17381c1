"""Moves the conversations of a visitor to the account with which the visitor has signed in."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Collection
from typing import NamedTuple

from django.db.models import F

from ..models import Conversation, Usage
from ..owners import Owner
from .threads import atomic_with_retry

MIXED = "-"
"""The claim of a conversation in which several browsers have asked: none of them can take it along."""


class Merged(NamedTuple):
    """What has moved."""

    moved: list[Conversation]
    """The conversations that came to the account, as they are now, with their running answers."""
    renamed: dict[str, Conversation]
    """The conversations of the account that have another ``uid`` now, by the one that they had; likewise."""


def claim_after(stored: str, owner: Owner) -> str:
    """Return the claim of a stored conversation after a question of this owner's."""
    return stored if not stored or stored in owner.claims else MIXED


@atomic_with_retry
def merge(visitor: Owner, account: Owner) -> Merged:
    """Move the conversations of a visitor to an account, if the account's browser has begun them (``account.claims``).

    Of two with one ``uid``, the one that was used last keeps it; the other gets a new one. Those that were deleted a
    moment ago stay behind. Nothing moves twice.
    """
    theirs = visitor.conversations.filter(claim__in=account.claims)
    if not theirs.update(updated_at=F("updated_at")):  # begins with a write, and locks the rows
        return Merged([], {})
    moving = list(theirs)
    renamed = _make_room(visitor, account, moving)
    keys = [conversation.pk for conversation in moving]
    Conversation.objects.filter(pk__in=keys).update(owner=account.key, user=account.user_id, claim="")
    Usage.objects.filter(message__conversation__in=keys).update(owner=account.key, user=account.user_id)
    found = Conversation.objects.with_waiting().select_related("running").in_bulk([*keys, *renamed.values()])
    return Merged([found[key] for key in keys], {before: found[key] for before, key in renamed.items()})


def _make_room(visitor: Owner, account: Owner, moving: Collection[Conversation]) -> dict[str, int]:
    """Give new ``uid``s where both have the same one; return the keys of the account's, by the ``uid``s that they had.

    One of the account that is deleted, and may come back, counts as well.
    """
    uids = [conversation.uid for conversation in moving]
    own = Conversation.objects.filter(owner=account.key, uid__in=uids)
    own.update(updated_at=F("updated_at"))
    taken = {conversation.uid: conversation for conversation in own}
    renamed: dict[str, int] = {}
    for conversation in moving:
        other = taken.get(conversation.uid)
        if other is None:
            continue
        if other.updated_at > conversation.updated_at:
            uid = moved_uid(visitor, conversation.uid)
            Conversation.objects.filter(pk=conversation.pk).update(uid=uid)
        else:
            Conversation.objects.filter(pk=other.pk).update(uid=f"m-{secrets.token_urlsafe(16)}")
            renamed[conversation.uid] = other.pk
    return renamed


def moved_uid(visitor: Owner, uid: str) -> str:
    """Return the new ``uid`` of a visitor's conversation whose own is taken. It is always the same."""
    digest = hashlib.sha256(f"{visitor.key}\0{uid}".encode()).digest()
    return f"m-{urlsafe_b64encode(digest).decode()[:22]}"


def place_of(visitor: Owner, account: Owner, uid: str) -> str | None:
    """Return the ``uid`` under which a page of the visitor finds its conversation in the account.

    Return ``None`` if the conversation has not moved.
    """
    if visitor.conversations.filter(uid=uid).exists():
        return None
    moved = moved_uid(visitor, uid)
    return moved if account.conversations.filter(uid=moved).exists() else uid
