"""The answers that run or wait for a decision, of all owners, for the admin and for metrics."""

from typing import Any, cast

from django.db.models import Case, Prefetch, QuerySet, Value, When

from ..models import Conversation, Message, RunningAnswer, ToolCall, WaitingAnswer
from .processes import since
from .threads import database, has_partial_indexes


def running() -> QuerySet[RunningAnswer]:
    """Return the answers that run, with their conversations and processes, without their texts.

    Each has ``alive``: whether its process has sent a heartbeat within ``CHAT["PROCESS_TIMEOUT"]``.
    """
    alive = Case(When(process__heartbeat_at__gte=since(), then=Value(True)), default=Value(False))
    claimed = Conversation.objects.filter(running__isnull=False).values("running")
    found: Any = RunningAnswer.objects.filter(pk__in=claimed, status=Message.Status.RUNNING)
    found = found.select_related("conversation", "process").defer("text", "parts").annotate(alive=alive)
    return cast(QuerySet[RunningAnswer], found)


def waiting() -> QuerySet[WaitingAnswer]:
    """Return the answers that wait, with their conversations, without their texts.

    Each has ``asked``: the calls about which nobody has decided.
    """
    asked = ToolCall.objects.filter(state=ToolCall.State.ASKED).order_by("pk").defer("input", "extra")
    found: Any = WaitingAnswer.objects.filter(status=Message.Status.WAITING, conversation__deleted_at=None)
    found = found.select_related("conversation")
    found = found.defer("text", "parts").prefetch_related(Prefetch("tool_calls", asked, to_attr="asked"))
    return cast(QuerySet[WaitingAnswer], found)


def count_waiting() -> int | None:
    """Count the answers that wait; ``None`` on a database that would read all messages for that."""
    if not has_partial_indexes(database()):
        return None
    return Message.objects.filter(status=Message.Status.WAITING).count()
