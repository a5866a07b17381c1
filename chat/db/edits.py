"""Edits: a question with another text stands beside the one that it replaces, as its sibling."""

import hashlib

from ..errors import Refusal
from ..models import Conversation, Message
from .values import Ask, Turn


def edit_uid(question: str, text: str) -> str:
    """Return an id of ours for an edited message: the same for the same edit, so that a repeat finds it."""
    return "e-" + hashlib.sha256(f"{question}\0{text}".encode()).hexdigest()[:32]


def version_of(question: Message, text: str) -> Message | None:
    """The question, or the sibling of it, that has a text; compared here, for some databases ignore the case."""
    versions = Message.objects.filter(conversation=question.conversation_id, parent=question.parent_id)
    found = versions.filter(role=Message.Role.USER).order_by("-pk")
    return next((version for version in found if version.text == text), None)


def note_attempt(question: Message, attempt: str | None) -> None:
    """Note on a stored question the edit that leads back to it: so the page knows that its edit has arrived."""
    if attempt is None or question.attempt == attempt:
        return
    refuse_if_taken(question.conversation, attempt)
    question.attempt = attempt
    question.save(update_fields=["attempt"])


def refuse_if_taken(conversation: Conversation, attempt: str) -> None:
    """Raise ``Refusal`` where an attempt belongs to another message."""
    if conversation.message_set.filter(attempt=attempt).exists():
        raise Refusal("conflict")


def as_shown(conversation: Conversation, question: Message) -> Message:
    """A question as the branch has it: a client goes on calling an edited message by its first id."""
    for pk, parent in conversation.lineage(conversation.tip_id):
        if pk == question.pk:
            return question
        if parent == question.parent_id:
            return conversation.message_set.get(pk=pk)
    return question


def turn_back(conversation: Conversation, question: Message, answer: Message, request: Ask) -> Turn:
    """Show what the client shows after an edit back to an earlier text. Raises ``Refusal``.

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
