"""Edits: an edited question is stored as a sibling of the one that it replaces."""

import hashlib

from ..errors import Refusal
from ..models import Conversation, Message
from .values import Ask, Turn


def edit_uid(question: str, text: str) -> str:
    """Derive the id of an edited message from its text, so that a repeated edit finds the message."""
    return "e-" + hashlib.sha256(f"{question}\0{text}".encode()).hexdigest()[:32]


def version_of(question: Message, text: str) -> Message | None:
    """Return the newest version of a question that has exactly this text, ``None`` if there is none.

    The texts are compared here because some databases ignore case.
    """
    versions = Message.objects.filter(conversation=question.conversation_id, parent=question.parent_id)
    found = versions.filter(role=Message.Role.USER).order_by("-pk")
    return next((version for version in found if version.text == text), None)


def note_attempt(question: Message, attempt: str | None) -> None:
    """Record the client's attempt id on a question, so that the page can see that its edit was applied."""
    if attempt is None or question.attempt == attempt:
        return
    refuse_if_taken(question.conversation, attempt)
    question.attempt = attempt
    question.save(update_fields=["attempt"])


def refuse_if_taken(conversation: Conversation, attempt: str) -> None:
    """Raise ``Refusal`` if the conversation has a message of this attempt."""
    if conversation.message_set.filter(attempt=attempt).exists():
        raise Refusal("conflict")


def as_shown(conversation: Conversation, question: Message) -> Message:
    """Return the version of a question that is on the shown branch, or the question itself if none is.

    A client keeps calling an edited message by its first id.
    """
    for pk, parent in conversation.lineage(conversation.tip_id):
        if pk == question.pk:
            return question
        if parent == question.parent_id:
            return conversation.message_set.get(pk=pk)
    return question


def turn_back(conversation: Conversation, question: Message, answer: Message, request: Ask) -> Turn:
    """Make the conversation show the branch of an edit back to an earlier text. Raises ``Refusal``.

    For a client that shows whole branches, that is the newest one below the question; otherwise it ends in ``answer``.
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
