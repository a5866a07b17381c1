"""Stores the visitor's decisions about calls, and lets the answers that wait for them go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ..endings import STOPPED
from ..errors import Refusal
from ..models import REASON_LENGTH, Conversation, Message, ToolCall
from ..owners import Owner
from ..parts import Part
from ..text import storable
from .answers import End
from .branches import pair
from .calls import DECLINED, LATE, deny
from .history import history
from .threads import atomic, atomic_with_retry
from .usage import next_call
from .values import Turn, Writer

State = ToolCall.State
RUNNING, WAITING = Message.Status.RUNNING, Message.Status.WAITING


class Decision(NamedTuple):
    """The visitor's decision about one call."""

    call: str
    """The ``uid`` of the call."""
    approved: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decide:
    """A request to decide about calls of one answer. ``whole``: the client shows HTML, and gets the whole answer."""

    owner: Owner
    uid: str
    """The ``uid`` of the conversation."""
    decisions: Sequence[Decision]
    message: str | None = None
    """The ``uid`` of the answer, if the client names it."""
    whole: bool = False
    network: str = ""
    """As that of ``Ask``."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Why calls can no longer be carried out, as the model reads it, by the ``uid`` of the call."""


def asked(request: Decide) -> list[ToolCall]:
    """Return the calls that a request decides about, in its order, with their answer and its conversation.

    Raises ``Refusal`` if the conversation is gone, a call is not in it, or the calls are not of one answer.
    """
    conversation = request.owner.conversations.filter(uid=request.uid).first()
    if conversation is None:
        raise Refusal("gone")
    found = ToolCall.objects.select_related("message__conversation").filter(message__conversation=conversation)
    calls = {call.uid: call for call in found.filter(uid__in=[decision.call for decision in request.decisions])}
    if not calls or any(decision.call not in calls for decision in request.decisions):
        raise Refusal("not_found")
    answers = {call.message.uid for call in calls.values()}
    if len(answers) > 1 or (request.message is not None and request.message not in answers):
        raise Refusal("conflict")
    return [calls[decision.call] for decision in request.decisions]


@atomic_with_retry
def decide(request: Decide, writer: Writer) -> Turn:
    """Store decisions, and return the turn of their answer.

    The turn is ``fresh`` if nothing is left to decide about the answer: then it is running, and belongs to the writer's
    process, which must start the run. The same decision a second time changes nothing. Raises ``Refusal``; then nothing
    was stored.
    """
    # Begins with a write, so that decisions and questions of one conversation wait for each other.
    request.owner.conversations.filter(uid=request.uid).update(tip=F("tip"))
    calls = asked(request)
    conversation = request.owner.conversations.get(uid=request.uid)
    answer = Message.objects.select_related("parent").get(pk=calls[0].message_id)
    answer.conversation = conversation
    for call, decision in zip(calls, request.decisions, strict=True):
        _store(call, decision, answer, conversation, request)
    turn = _claim_if_decided(conversation, answer, writer)
    if not request.whole:
        return turn
    stored = Message.objects.select_related("feedback", "conversation").get(pk=answer.pk)
    return replace(turn, shown=pair(conversation, stored, stored))


def _store(call: ToolCall, decision: Decision, answer: Message, conversation: Conversation, request: Decide) -> None:
    """Store one decision. Raises ``Refusal`` if the call is already decided otherwise, or cannot be decided now."""
    if call.state != State.ASKED:
        denied = call.state in (State.DENIED, State.EXPIRED)
        if not call.question or (decision.approved and denied) or not (decision.approved or denied):
            raise Refusal("conflict")
        return
    if answer.status == RUNNING:  # the other calls of the step have not ended
        raise Refusal("busy")
    if answer.status != WAITING or conversation.tip_id != answer.pk:
        raise Refusal("conflict")
    now, reason = timezone.now(), storable(decision.reason)[:REASON_LENGTH]
    call.decided_at, call.decided_by, call.reason = now, request.owner.key, reason
    if call.is_expired:
        call.state, call.error = State.EXPIRED, LATE
    elif not decision.approved:
        call.state, call.error = State.DENIED, " ".join(filter(None, (DECLINED, reason)))
    elif call.uid in request.unfit:
        call.state, call.error = State.FAILED, request.unfit[call.uid]
    else:
        call.state = State.ALLOWED
    call.ended_at = now if call.is_over else None
    call.save(update_fields=["state", "error", "reason", "decided_at", "decided_by", "ended_at"])


def _claim_if_decided(conversation: Conversation, answer: Message, writer: Writer) -> Turn:
    """Claim a waiting answer for the writer's process if nothing is left to decide; return its turn, ``fresh`` then."""
    question = answer.parent
    if question is None:
        raise Refusal("not_found")
    left = ToolCall.objects.filter(message=answer, state=State.ASKED)
    open_calls = [call for call in left if not call.is_expired]
    if answer.status != WAITING or open_calls:
        return Turn(conversation, question, answer, fresh=False)
    now = timezone.now()
    left.update(state=State.EXPIRED, error=LATE, ended_at=now)
    claim = {"running": answer, "unread": False, "updated_at": now}
    if not Conversation.objects.filter(pk=conversation.pk, running=None).update(**claim):
        raise Refusal("busy")
    messages = history(conversation, question.pk, writer.budget, writer.tools)
    columns: dict[str, Any] = {"process_id": writer.process, "model": writer.model, "stopping": False}
    columns["calling"] = next_call(answer, writer, messages)
    columns |= {"status": RUNNING, "run": answer.run + 1, "finish_reason": "", "ended_at": None}
    Message.objects.filter(pk=answer.pk).update(**columns)
    answer = Message.objects.select_related("parent", "feedback").get(pk=answer.pk)
    conversation.running_id = conversation.tip_id = answer.pk  # not the object, which refers to the conversation
    answer.conversation = conversation
    return Turn(
        conversation,
        question,
        answer,
        fresh=True,
        goes_on=True,
        begun=tuple(msgspec.convert(answer.parts, list[Part])),
        history=messages,
    )


@atomic
def stop_waiting(conversation: Conversation, by: str, answer_id: int | None = None) -> Message | None:
    """Stop the answer at the tip of a conversation if it waits, because nobody will decide; or another one, if given.

    Return the answer as it is stored now; ``None`` if it does not wait. ``by`` is the key of the owner who goes on
    without a decision, or of the user who stops it for the owner.
    """
    found = Conversation.objects.filter(pk=conversation.pk)
    found.update(tip=F("tip"))  # begins with a write, as decisions do: one of both comes first
    tip = answer_id or found.values_list("tip", flat=True).first()
    stopped = {**End(STOPPED).columns}
    del stopped["usage"]
    if tip is None or not Message.objects.filter(pk=tip, status=WAITING).update(**stopped):
        return None
    deny(ToolCall.objects.filter(message_id=tip), by)
    return Message.objects.select_related("parent", "feedback", "conversation").get(pk=tip)


def ready() -> list[Message]:
    """Return the waiting answers with calls that may run, about which nothing is left to decide.

    A process that dies, or shuts down, between a decision and the call leaves them behind. So does a second question
    that expires.
    """
    return list(_ready().select_related("conversation", "parent"))


def _ready() -> QuerySet[Message]:
    allowed = ToolCall.objects.filter(state=State.ALLOWED).values("message_id")
    in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    open_calls = ToolCall.objects.filter(in_time, state=State.ASKED, message__status=WAITING).values("message_id")
    return Message.objects.filter(status=WAITING, pk__in=allowed).exclude(pk__in=open_calls)


@atomic_with_retry
def go_on(answer_id: int, writer: Writer) -> Turn | None:
    """Claim an answer of ``ready`` for the writer's process; ``None`` if it is not ready any more."""
    found = Conversation.objects.filter(message__pk=answer_id, deleted_at=None, tip=answer_id)
    found.update(running=F("running"))
    conversation = found.first()
    answer = _ready().select_related("parent").filter(pk=answer_id).first()
    if conversation is None or answer is None or conversation.running_id is not None:
        return None
    turn = _claim_if_decided(conversation, answer, writer)
    return turn if turn.fresh else None
