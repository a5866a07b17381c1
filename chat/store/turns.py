"""The beginning of a turn: store a question, claim its conversation for one answer, read the history."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from ..chunks import Part
from ..conf import conf
from ..models import TITLE_LENGTH, Conversation, Message
from ..owners import Owner
from ..protocol import Question, Refusal

GO_ON = "Your last message broke off. Go on exactly where it ended: no introduction, and repeat nothing."
"""What a model is told that cannot go on from a last message of its own."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer that is to be made (``fresh``), or that a repeated request found."""

    conversation: Conversation
    question: Message
    answer: Message
    fresh: bool
    history: list[dict[str, str]] = field(default_factory=list)
    begun: tuple[Part, ...] = ()
    """What the answer already holds, where it goes on from another one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A new message of the visitor's; ``edits`` says that it replaces an earlier one of the same id."""

    owner: Owner
    conversation: str
    question: Question
    edits: bool = False


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Another answer: to the question ``message``, or in place of the answer ``message``, or of the last answer."""

    owner: Owner
    conversation: str
    message: str | None
    attempt: str | None
    continues: bool = False
    """Whether the new answer begins with the text of the answer ``message``."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who makes the answers: this process, and the budget in characters of the histories that its model takes."""

    process: str
    model: str
    budget: int
    prefills: bool = False
    """Whether the model goes on from a last message of its own."""


def ask(request: Ask, writer: Writer) -> Turn:
    """Store a question and the answer that is to be made, or find both. Raises ``Refusal``."""
    return _repeated_on_conflict(lambda: _ask(request, writer))


def regenerate(request: Regenerate, writer: Writer) -> Turn:
    """Store another answer that is to be made, or find it by its attempt. Raises ``Refusal``."""
    return _repeated_on_conflict(lambda: _regenerate(request, writer))


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


@transaction.atomic
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
        uid, parent = _edit_uid(request.question), existing.parent_id
        existing = conversation.message_set.filter(uid=uid).first()
    if existing is not None:
        return _found(conversation, existing, writer, shown=request.edits)
    text = request.question.text
    question = Message(conversation=conversation, parent_id=parent, uid=uid, role=Message.Role.USER, text=text)
    question.parts = [{"type": "text", "text": text}]
    _refuse_if_busy(conversation)
    question.save(force_insert=True)
    return _begin(conversation, question, writer)


@transaction.atomic
def _regenerate(request: Regenerate, writer: Writer) -> Turn:
    _lock(request.owner, request.conversation)
    conversation = Conversation.objects.of(request.owner).filter(uid=request.conversation).first()
    if conversation is None:
        raise Refusal("not_found")
    messages = conversation.message_set.select_related("parent", "feedback")
    repeated = messages.filter(attempt=request.attempt).first() if request.attempt else None
    if repeated is not None and repeated.parent is not None:
        return Turn(conversation, repeated.parent, repeated, fresh=False)
    wanted = {"uid": request.message} if request.message else {"pk": conversation.tip_id}
    target = messages.filter(**wanted).first()
    if target is None:
        raise Refusal("not_found")
    question = target.parent if target.role == Message.Role.ASSISTANT else _as_edited(conversation, target)
    if question is None:
        raise Refusal("not_found")
    begun = target if request.continues and target.role == Message.Role.ASSISTANT else None
    return _begin(conversation, question, writer, attempt=request.attempt, begun=begun)


def _found(conversation: Conversation, question: Message, writer: Writer, *, shown: bool) -> Turn:
    """The newest answer of a question that was sent before; a question that has none yet gets its answer now.

    ``shown`` says that the client now shows this branch: an edit back to an earlier text.
    """
    answer = question.children.select_related("feedback").order_by("-pk").first()
    if answer is None:
        return _begin(conversation, question, writer)
    if shown:
        Conversation.objects.filter(pk=conversation.pk, running=None).update(tip=answer)
    return Turn(conversation, question, answer, fresh=False)


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
    if begun and begun.text and not writer.prefills:
        history.append({"role": Message.Role.USER.value, "content": GO_ON})
    parts = tuple(msgspec.convert(answer.parts, list[Part]))
    return Turn(conversation, question, answer, fresh=True, history=history, begun=parts)


def _refuse_if_busy(conversation: Conversation) -> None:
    if conversation.running_id is not None:
        raise Refusal("busy")


def _as_edited(conversation: Conversation, question: Message) -> Message:
    """A question as the branch has it: a client goes on calling an edited message by its first id."""
    branch = conversation.branch()
    if question in branch:
        return question
    siblings = [found for found in branch if found.parent_id == question.parent_id and found.role == question.role]
    return siblings[0] if siblings else question


def _edit_uid(question: Question) -> str:
    """An id of ours for the edited message, the same for the same edit, so that a repeat finds it."""
    return "e-" + hashlib.sha256(f"{question.id}\0{question.text}".encode()).hexdigest()[:32]


def title_of(text: str) -> str:
    """A conversation's title: the first line of its first question, cut to the column."""
    line = next(line for line in text.splitlines() if line.strip()).strip()
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def with_prompt(conversation: Conversation, history: list[dict[str, str]]) -> list[dict[str, str]]:
    """The history with the site's system prompt before it, where it has one."""
    prompt = conf.system_prompt
    text = prompt(conversation) if callable(prompt) else prompt
    return [{"role": "system", "content": text}, *history] if text else history
