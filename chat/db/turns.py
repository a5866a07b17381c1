"""The beginning of a turn: store a question, claim its conversation for one answer, read the history."""

import secrets
from collections.abc import Callable
from dataclasses import replace

import msgspec
from django.db import IntegrityError
from django.utils import timezone

from ..conf import conf
from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import Owner
from ..parts import Part
from .branches import below, pair
from .edits import as_shown, edit_uid, note_attempt, refuse_if_taken, version_of
from .threads import atomic
from .titles import title_of
from .values import Ask, Regenerate, Turn, Writer

GO_ON = "Your last message broke off. Go on exactly where it ended: no introduction, and repeat nothing."
"""What a model is told that cannot go on from a last message of its own."""


def ask(request: Ask, writer: Writer) -> Turn:
    """Store a question and the answer that is to be made, or find both. Raises ``Refusal``."""
    return _repeated_on_conflict(lambda: _asked(request, writer))


def regenerate(request: Regenerate, writer: Writer) -> Turn:
    """Store another answer that is to be made, or find it by its attempt. Raises ``Refusal``."""
    return _repeated_on_conflict(lambda: _regenerated(request, writer))


def _repeated_on_conflict(step: Callable[[], Turn]) -> Turn:
    """A unique key that was taken meanwhile means that the same request won elsewhere: look again, and find it."""
    try:
        return step()
    except IntegrityError:
        return step()


def _lock(owner: Owner, conversation: str) -> None:
    """Begin a transaction with a write, and make turns of one conversation wait for each other.

    SQLite in Django's default mode refuses at once, whatever its timeout, to turn a reading transaction into a writing
    one. Elsewhere the row's lock keeps ``tip`` and ``running`` as they are about to be read.
    """
    Conversation.objects.of(owner).filter(uid=conversation).update(updated_at=timezone.now())


@atomic
def _asked(request: Ask, writer: Writer) -> Turn:
    turn = _ask(request, writer)
    return _with_branch(turn, turn.question) if request.whole else turn


@atomic
def _regenerated(request: Regenerate, writer: Writer) -> Turn:
    turn = _regenerate(request, writer)
    return _with_branch(turn, turn.answer) if request.whole else turn


def _with_branch(turn: Turn, first: Message) -> Turn:
    """Read with the transaction, for a turn that is committed must find its run, whatever fails then."""
    find = pair if turn.fresh else below
    return replace(turn, shown=find(turn.conversation, first, turn.answer))


def _ask(request: Ask, writer: Writer) -> Turn:
    _lock(request.owner, request.conversation)
    conversation, _created = Conversation.objects.get_or_create(
        owner=request.owner.key,
        uid=request.conversation,
        defaults={
            "user_id": request.owner.user_id,
            "title": title_of(request.question.text),
            "updated_at": timezone.now(),
        },
    )
    uid, parent = request.question.id, conversation.tip_id
    existing = conversation.message_set.filter(uid=uid).first()
    if existing is not None and existing.text != request.question.text:
        if not request.edits or existing.role != Message.Role.USER:
            raise Refusal("conflict")
        uid, parent = edit_uid(request.question), existing.parent_id
        existing = version_of(existing, request.question.text)
    if existing is not None:
        return _found(conversation, existing, writer, request)
    text = request.question.text
    question = Message(conversation=conversation, parent_id=parent, uid=uid, role=Message.Role.USER, text=text)
    question.parts = [{"type": "text", "text": text}]
    _refuse_if_busy(conversation)
    if request.edits and request.attempt:
        refuse_if_taken(conversation, request.attempt)
        question.attempt = request.attempt
    question.save(force_insert=True)
    return _begin(conversation, question, writer)


def _regenerate(request: Regenerate, writer: Writer) -> Turn:
    _lock(request.owner, request.conversation)
    conversation = Conversation.objects.of(request.owner).filter(uid=request.conversation).first()
    if conversation is None:
        raise Refusal("not_found")
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
    if question is None:
        raise Refusal("not_found")
    begun = target if request.continues and target.role == Message.Role.ASSISTANT else None
    return _begin(conversation, question, writer, attempt=request.attempt, begun=begun)


def _found(conversation: Conversation, question: Message, writer: Writer, request: Ask) -> Turn:
    """The newest answer of a question that was sent before; a question that has none yet gets its answer now."""
    if request.edits:
        note_attempt(question, request.attempt)
    answer = question.children.select_related("feedback").order_by("-pk").first()
    if answer is None:
        return _begin(conversation, question, writer)
    if request.edits:
        return _turn_back(conversation, question, answer, request)
    return Turn(conversation, question, answer, fresh=False)


def _turn_back(conversation: Conversation, question: Message, answer: Message, request: Ask) -> Turn:
    """After an edit back to an earlier text the conversation shows what the client does.

    That is the newest branch below the question, or for a client that knows of none the newest answer.
    """
    if request.whole:
        answer = conversation.message_set.get(pk=conversation.newest_under(question.pk))
        if conversation.running_id not in (None, answer.pk):
            raise Refusal("busy")
    free = Conversation.objects.filter(pk=conversation.pk, running=None).exclude(tip=answer)
    turned = bool(free.update(tip=answer))
    if turned:
        conversation.tip = answer
    return Turn(conversation, question, answer, fresh=False, turned=turned)


def _begin(
    conversation: Conversation,
    question: Message,
    writer: Writer,
    *,
    attempt: str | None = None,
    begun: Message | None = None,
) -> Turn:
    """Claim the conversation for one answer: the conditional UPDATE lets one of two win on every database.

    ``begun`` is an earlier answer that the new one goes on from.
    """
    _refuse_if_busy(conversation)
    answer = Message.objects.create(
        conversation=conversation,
        parent=question,
        uid="a-" + secrets.token_urlsafe(12),  # the npm client overwrites an older message of the same id
        role=Message.Role.ASSISTANT,
        status=Message.Status.RUNNING,
        model=writer.model,
        attempt=attempt,
        process_id=writer.process,
        parts=begun.parts if begun else [],
        text=begun.text if begun else "",
    )
    claim = {"running": answer, "tip": answer, "unread": False, "updated_at": timezone.now()}
    if not Conversation.objects.filter(pk=conversation.pk, running=None).update(**claim):
        raise Refusal("busy")
    history = with_prompt(conversation, conversation.history(begun.pk if begun else question.pk, writer.budget))
    if begun and begun.text.strip() and not writer.prefills:
        history.append({"role": Message.Role.USER.value, "content": GO_ON})
    parts = tuple(msgspec.convert(answer.parts, list[Part]))
    return Turn(conversation, question, answer, fresh=True, history=history, begun=parts)


def _refuse_if_busy(conversation: Conversation) -> None:
    if conversation.running_id is not None:
        raise Refusal("busy")


def with_prompt(conversation: Conversation, history: list[dict[str, str]]) -> list[dict[str, str]]:
    """The history with the site's system prompt before it, where it has one."""
    prompt = conf.system_prompt
    text = prompt(conversation) if callable(prompt) else prompt
    return [{"role": "system", "content": text}, *history] if text else history
