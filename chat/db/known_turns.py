"""Stores the turns that ``turns`` leaves to the ORM, and other answers to questions that are stored already."""

import secrets
from dataclasses import replace
from typing import Any

import msgspec
from django.utils import timezone

from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import Owner
from ..parts import Part
from ..text import title_of
from .branches import below, pair
from .counters import take
from .decisions import stop_waiting
from .edits import as_shown, edit_uid, note_attempt, refuse_if_taken, turn_back, version_of
from .excess import excess_of
from .history import GO_ON, history
from .merging import claim_after
from .threads import atomic, atomic_with_retry
from .usage import first_call
from .values import Ask, Press, Regenerate, Turn, Writer


@atomic_with_retry
def ask(request: Ask, writer: Writer) -> Turn:
    """Store a question and an empty answer for a run to fill, or find both if the request was repeated.

    Raises ``Refusal`` and ``OtherSubjectError``.
    """
    lock(request.owner, request.uid)
    conversation, created = Conversation.objects.get_or_create(
        owner=request.owner.key,
        uid=request.uid,
        defaults={
            "user_id": request.owner.user_id,
            "title": title_of(request.text),
            "updated_at": timezone.now(),
            "claim": request.owner.claim,
            **writer.subject._asdict(),
        },
    )
    conversation.claim = claim_after(conversation.claim, request.owner)
    if created and writer.refuses_new:
        raise Refusal("forbidden")
    writer.subject.check(conversation)
    if conversation.deleted_at is not None:  # undoing the deletion must bring back what was there, and nothing else
        raise Refusal("gone")
    uid, parent, text = request.question, conversation.tip_id, request.text
    existing = conversation.message_set.filter(uid=uid).first()
    if existing is not None and existing.text != text:
        if not request.edits or existing.role != Message.Role.USER:
            raise Refusal("conflict")
        uid, parent = edit_uid(uid, text), existing.parent_id
        existing = version_of(existing, text)
    if existing is not None:
        turn = _found(conversation, existing, writer, request)
    else:
        question = new_question(conversation, parent, uid, text)
        if conversation.running_id is not None:
            raise Refusal("busy")
        if request.edits and request.attempt:
            refuse_if_taken(conversation, request.attempt)
            question.attempt = request.attempt
        question.save(force_insert=True)
        turn = _begin(conversation, question, writer, press=request.press, is_new=created)
    return _with_branch(turn, turn.question) if request.whole else turn


@atomic_with_retry
def regenerate(request: Regenerate, writer: Writer) -> Turn:
    """Store another answer to an earlier question, or find it by its attempt if the request was repeated.

    Raises ``Refusal`` and ``OtherSubjectError``.
    """
    turn = _regenerate(request, writer)
    return _with_branch(turn, turn.answer) if request.whole else turn


def lock(owner: Owner, uid: str) -> None:
    """Begin the transaction with a write, so that turns of one conversation wait for each other.

    In Django's default mode, SQLite refuses at once, whatever its timeout, to turn a reading transaction into a writing
    one. Other databases lock the row, so that ``tip`` and ``running`` do not change after they are read.
    """
    owner.conversations.filter(uid=uid).update(updated_at=timezone.now())


def _with_branch(turn: Turn, first: Message) -> Turn:
    """Return the turn with the messages that the page shows from ``first`` on.

    Read inside the transaction: once the turn is committed its run must start, whatever fails later.
    """
    if turn.stopped is not None and turn.stopped.pk == turn.question.parent_id:
        return replace(turn, shown=below(turn.conversation, turn.stopped, turn.answer))
    find = pair if turn.fresh else below
    return replace(turn, shown=find(turn.conversation, first, turn.answer))


def _regenerate(request: Regenerate, writer: Writer) -> Turn:
    lock(request.owner, request.uid)
    conversation = request.owner.conversations.filter(uid=request.uid).first()
    if conversation is None:
        raise Refusal("not_found")
    writer.subject.check(conversation)
    messages = conversation.message_set.select_related("parent", "feedback")
    repeated = messages.filter(attempt=request.attempt).first() if request.attempt else None
    if repeated is not None:
        if repeated.role != Message.Role.ASSISTANT or repeated.parent is None:
            raise Refusal("conflict")
        return Turn(conversation, repeated.parent, repeated, fresh=False)
    wanted = {"uid": request.message} if request.message else {"pk": conversation.tip_id}
    target = messages.filter(**wanted).first()
    if target is None:
        raise Refusal("not_found")
    question = target.parent if target.role == Message.Role.ASSISTANT else as_shown(conversation, target)
    if question is None or question.role != Message.Role.USER:  # a message that the site has posted answers none
        raise Refusal("not_found")
    begun = target if request.continues and target.role == Message.Role.ASSISTANT else None
    return _begin(conversation, question, writer, attempt=request.attempt, begun=begun)


def _found(conversation: Conversation, question: Message, writer: Writer, request: Ask) -> Turn:
    """Return the turn of a question that is already stored, with its newest answer; begin an answer if it has none."""
    if request.edits:
        note_attempt(question, request.attempt)
    answer = question.children.select_related("feedback").order_by("-pk").first()
    if answer is None:
        return _begin(conversation, question, writer, press=request.press)
    answer.conversation = conversation  # templates name it
    if request.edits:
        return turn_back(conversation, question, answer, request)
    return Turn(conversation, question, answer, fresh=False)


def _begin(
    conversation: Conversation,
    question: Message,
    writer: Writer,
    *,
    attempt: str | None = None,
    begun: Message | None = None,
    press: Press | None = None,
    is_new: bool = False,
) -> Turn:
    """Store an answer and claim the conversation for it. Raises ``Refusal`` if another answer is running.

    The claim is a conditional UPDATE, so that of two only one succeeds, on every database. ``begun`` is an earlier
    answer that the new one continues.
    """
    if conversation.running_id is not None:
        raise Refusal("busy")
    stopped = stop_waiting(conversation, conversation.owner)
    if begun is not None and stopped is not None and begun.pk == stopped.pk:
        begun = stopped
    answer = new_answer(conversation, question, writer)
    answer.attempt = attempt
    if begun is not None:
        answer.parts, answer.text, answer.has_calls = begun.parts, begun.text, begun.has_calls
        answer.calls = begun.calls
    parts = tuple(msgspec.convert(answer.parts, list[Part]))
    continued = begun.pk if begun else None
    turn = Turn(conversation, question, answer, fresh=True, begun=parts, continued=continued, stopped=stopped)
    turn = replace(turn, history=history_of(turn, writer))
    answer.calling, charges = first_call(writer, turn.history, press, answer.parts)
    answer.save(force_insert=True)
    if excess := excess_of(conversation, is_new=is_new):
        raise excess
    claim = {"running": answer, "tip": answer, "unread": False, "updated_at": timezone.now()}
    claim["claim"] = conversation.claim
    if not Conversation.objects.filter(pk=conversation.pk, running=None).update(**claim):
        raise Refusal("busy")
    take(charges)
    return turn


def history_of(turn: Turn, writer: Writer) -> list[dict[str, Any]]:
    """Read what the model of a writer gets before it answers or continues a turn."""
    messages = history(turn.conversation, turn.continued or turn.question.pk, writer.budget, writer.tools)
    if turn.continued and messages[-1]["role"] == Message.Role.ASSISTANT and not writer.prefills:
        messages.append({"role": Message.Role.USER.value, "content": GO_ON})
    return messages


@atomic
def hand_over(turn: Turn, writer: Writer) -> list[dict[str, Any]]:
    """Name another model as the one that answers a turn, and return what it gets. Raises ``django.db.Error``."""
    Message.objects.filter(pk=turn.answer.pk, process_id=writer.process).update(model=writer.model)
    return history_of(turn, writer)


def new_question(conversation: Conversation, parent: int | None, uid: str, text: str) -> Message:
    """Make the row of a question below the message ``parent``, for the caller to store."""
    parts = [{"type": "text", "text": text}]
    return Message(conversation=conversation, parent_id=parent, uid=uid, role=Message.Role.USER, parts=parts, text=text)


def new_answer(conversation: Conversation, question: Message, writer: Writer) -> Message:
    """Make the row of a running, empty answer to a question, for the caller to store."""
    return Message(
        conversation=conversation,
        parent=question,
        uid="a-" + secrets.token_urlsafe(12),  # the npm client overwrites an older message of the same id
        role=Message.Role.ASSISTANT,
        status=Message.Status.RUNNING,
        model=writer.model,
        process_id=writer.process,
    )
