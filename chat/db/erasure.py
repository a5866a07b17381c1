"""Erases what is stored about one owner; the account itself stays.

Each model with a column that names an owner or a user has a step here, which deletes its rows or removes the name from
them. What hangs on a conversation is deleted with it. ``tests/db/test_erasure.py`` goes through all models of the app,
and fails for one that is neither in ``STEPS``, nor deleted with another, nor in ``IMPERSONAL``.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.db.models import Model, QuerySet

from ..managers import OwnDatabaseQuerySet
from ..models import Conversation, Counter, Feedback, Message, Process, Share, ToolCall, Usage
from ..owners import Owner
from .conversations import delete
from .counters import counters_of
from .personal import conversations_of, usage_of
from .threads import atomic


class Step(NamedTuple):
    """How one model's rows about an owner are erased."""

    rows: Callable[[Owner], QuerySet[Any]]
    erase: Callable[[QuerySet[Any]], int]
    """Erases the rows, and returns how many there were. It may be called again after a failure."""


def _delete_each(conversations: QuerySet[Any]) -> int:
    """Delete conversations for good, each in a transaction of its own, so that other writers do not wait long."""
    keys = conversations.values_list("pk", flat=True)
    return sum(delete(Conversation.objects.filter(pk=key)) for key in list(keys))


@atomic
def _forget_decider(calls: QuerySet[Any]) -> int:
    """Keep decisions about other owners' calls, without saying whose they were."""
    return calls.update(decided_by="")


@atomic
def _forget_payer(calls: QuerySet[Any]) -> int:
    """Keep what calls of models have used and cost, without saying for whom."""
    return calls.update(user=None, owner="")


@atomic
def _remove(counters: QuerySet[Any]) -> int:
    """Remove what is counted for limits, whose names have the owner's key."""
    return counters.delete()[0]


STEPS: dict[type[Model], Step] = {
    Conversation: Step(conversations_of, _delete_each),
    ToolCall: Step(lambda owner: ToolCall.objects.filter(decided_by=owner.key), _forget_decider),
    Usage: Step(usage_of, _forget_payer),
    Counter: Step(counters_of, _remove),
}
"""The models with a column that names an owner or a user, in the order in which they are erased."""

IMPERSONAL: tuple[type[Model], ...] = (Process,)
"""The models whose rows are about nobody."""


def erase(owner: Owner) -> None:
    """Erase what is stored about an owner. Running answers that were not stopped before are given up."""
    for step in STEPS.values():
        step.erase(step.rows(owner))


def remaining(owner: Owner) -> bool:
    """Tell whether there is anything about an owner."""
    return any(step.rows(owner).exists() for step in STEPS.values())


def counted(owner: Owner) -> dict[str, int]:
    """Count what is stored about an owner, by what it is, in the plural."""
    mine = conversations_of(owner).order_by()
    messages = Message.objects.filter(conversation__in=mine)
    found: Iterable[tuple[str, QuerySet[Any]]] = (
        ("conversations", mine),
        ("messages", messages),
        ("calls of tools", ToolCall.objects.filter(message__in=messages)),
        ("ratings", Feedback.objects.filter(message__in=messages)),
        ("share links", Share.objects.filter(conversation__in=mine)),
    )
    return {name: rows.count() for name, rows in found}


def running(owner: Owner) -> OwnDatabaseQuerySet[Message]:
    """Return the answers that run in an owner's conversations."""
    return Message.objects.filter(conversation__in=conversations_of(owner), status=Message.Status.RUNNING)


def stop_all(owner: Owner) -> int:
    """Ask the processes of an owner's running answers to stop, with their next heartbeat; return how many run."""
    return running(owner).update(stopping=True)
