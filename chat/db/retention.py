"""Removes conversations that were last used longer ago than ``CHAT["RETENTION"]`` says.

The time of the last use is that of the last message, or of the end of the last answer. Whether a conversation is pinned
does not matter: a site's promise to delete counts for all of an owner's conversations alike.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef
from django.db.models.functions import Now

from ..conf import conf
from ..managers import ConversationQuerySet
from ..models import Conversation, Message
from ..owners import PREFIXES
from .conversations import delete

logger = logging.getLogger(__name__)

BATCH = 20
"""How many conversations one transaction removes, so that other writers do not have to wait long."""


def outlived(kind: str) -> ConversationQuerySet:
    """Return the conversations of a kind of owner that are kept no longer, by the database's clock."""
    age = conf.retention.get(kind)
    if age is None:
        return Conversation.objects.none()
    deadline: ExpressionWrapper[Any] = ExpressionWrapper(Now() - age, DateTimeField())
    return Conversation.objects.filter(owner__startswith=PREFIXES[kind], updated_at__lt=deadline)


def unfinished(kind: str) -> ConversationQuerySet:
    """Return those of them in which an answer runs or waits for a decision. They stay until it has ended."""
    return outlived(kind).filter(_has_unfinished())


def removable(kind: str) -> ConversationQuerySet:
    """Return those of them that can be removed now."""
    return outlived(kind).exclude(_has_unfinished())


def remove(kind: str) -> Iterator[int]:
    """Remove them in batches, each in a transaction of its own; yield how many each batch has removed.

    Several processes may do so at once, beside servers. Each transaction looks again, so a conversation that was used a
    moment ago stays. One that a receiver of the site refuses to delete is logged, and stays, too.

    Raises:
        django.db.OperationalError: the database does not answer, or was locked for too long. What was removed before
            stays removed.
    """
    last = 0
    while keys := list(removable(kind).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        last = keys[-1]
        yield _remove(kind, keys)


def _remove(kind: str, keys: list[int]) -> int:
    try:
        return delete(removable(kind).filter(pk__in=keys))
    except Exception as error:  # also of a site's own receivers, which must not keep the other conversations
        if len(keys) > 1:
            return sum(_remove(kind, [key]) for key in keys)
        if isinstance(error, OperationalError | InterfaceError):
            raise
        logger.exception("The conversation %s, which is kept no longer, could not be removed.", keys[0])
        return 0


def _has_unfinished() -> Exists:
    statuses = (Message.Status.RUNNING, Message.Status.WAITING)
    return Exists(Message.objects.filter(conversation=OuterRef("pk"), status__in=statuses))
