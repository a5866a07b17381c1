"""Deletes conversations so that they can be brought back for ``CHAT["UNDO_PERIOD"]`` seconds.

A deleted conversation is hidden by ``deleted_at``, and ``Owner.conversations`` leaves it out. The heartbeat of any
process removes the row for good. All times are the database's, so that the clocks of the processes do not matter.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, Q
from django.db.models.functions import Now, Substr

from ..conf import conf
from ..managers import ConversationQuerySet
from ..models import PROCESS_LENGTH, Conversation, Message, Process
from ..owners import UNKEPT_KEY, Owner
from .conversations import delete

logger = logging.getLogger(__name__)

BATCH = 100
"""How many conversations a heartbeat removes at most, so that the next one is not late."""


@dataclass(frozen=True, slots=True)
class Undoable:
    """An owner's last deletion: how many conversations it hid and when, and the seconds in which it can be undone."""

    count: int
    at: datetime
    left: float


def hide(owner: Owner, conversations: ConversationQuerySet) -> list[Conversation]:
    """Delete some of an owner's conversations for now; return them, each with the answer that runs in it.

    They all get the same time, which no other deletion has: ``undoable`` finds them by it.
    """
    now: datetime | None = conversations.values_list(Now(), flat=True).first()
    if now is None:
        return []
    conversations.update(deleted_at=now)
    # Read after the update, which waits for a turn that is being stored: its answer must be stopped, too.
    return list(_deleted(owner).filter(deleted_at=now).select_related("running"))


def undoable(owner: Owner) -> Undoable | None:
    """Return the owner's last deletion, ``None`` if there is none that can still be undone."""
    times: list[tuple[datetime, datetime]] = list(_deleted(owner).values_list("deleted_at", Now()))
    if not times:
        return None
    last, now = max(times)
    left = conf.undo_period - (now - last).total_seconds()
    return Undoable(sum(at == last for at, _ in times), last, left) if left > 0 else None


def restore(owner: Owner, at: str) -> list[Conversation]:
    """Bring the conversations back that were deleted ``at`` this time, as they were; return those still there.

    ``at`` is in ISO 8601, as a page has received it. Any other text matches none.
    """
    hidden = _deleted(owner)
    keys = [key for key, time in hidden.values_list("pk", "deleted_at") if time and time.isoformat() == at]
    hidden.filter(pk__in=keys).update(deleted_at=None)
    return list(owner.conversations.with_waiting().in_bulk(keys).values())


def expired() -> ConversationQuerySet:
    """Return the conversations whose deletion can no longer be undone, and those that a dead process was to delete.

    The latter are not kept, and their ``uid`` begins with the process that has asked (``owners.UNKEPT_KEY``).
    """
    deadline: ExpressionWrapper[Any] = ExpressionWrapper(Now() - timedelta(seconds=conf.undo_period), DateTimeField())
    asker = Process.objects.filter(pk=Substr(OuterRef("uid"), 1, PROCESS_LENGTH))
    # Not as running=None, for which SQLite would read the index of all conversations in which no answer runs.
    answer = Message.objects.filter(pk=OuterRef("running"))
    left_behind = Q(owner=UNKEPT_KEY) & ~Exists(answer) & ~Exists(asker)
    return Conversation.objects.filter(Q(deleted_at__lte=deadline) | left_behind)


def purge() -> int:
    """Remove conversations whose deletion can no longer be undone, one per transaction; return how many there were.

    Several processes may do so at once. Each transaction looks again, because the visitor may be quicker. One that
    fails is logged and left to a later call.
    """
    removed = 0
    # In any order, so that those that fail do not take the place of others in every batch.
    for key in expired().order_by("?").values_list("pk", flat=True)[:BATCH]:
        try:
            removed += delete(expired().filter(pk=key))
        except Exception:  # also of a site's own receivers, which must not stop the heartbeat and the other deletions
            logger.exception("The deleted conversation %s could not be removed.", key)
    return removed


def _deleted(owner: Owner) -> ConversationQuerySet:
    return Conversation.objects.filter(owner=owner.key, deleted_at__isnull=False)
