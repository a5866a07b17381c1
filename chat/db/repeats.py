"""Finds the turn of a request that was stored before, for a visitor who may read it and may not begin another one."""

from dataclasses import replace

from django.db.models import QuerySet

from ..models import Conversation, Message
from .branches import below
from .edits import edit_uid
from .values import Ask, Regenerate, Turn


def stored_turn(request: Ask | Regenerate) -> Turn | None:
    """Return the turn of a repeated request, and change nothing; ``None`` if the request was not stored."""
    conversation = request.owner.conversations.filter(uid=request.uid).first()
    answer = _answer(conversation, request) if conversation else None
    if conversation is None or answer is None or answer.parent is None:
        return None
    turn = Turn(conversation, answer.parent, answer, fresh=False)
    if not request.whole:
        return turn
    first = answer.parent if isinstance(request, Ask) else answer
    return replace(turn, shown=below(conversation, first, answer))


def _answer(conversation: Conversation, request: Ask | Regenerate) -> Message | None:
    """Return the newest answer to the question that was asked, or the answer that an attempt has stored."""
    answers = conversation.message_set.filter(role=Message.Role.ASSISTANT).select_related("parent", "feedback")
    if isinstance(request, Regenerate):
        return answers.filter(attempt=request.attempt).first() if request.attempt else None
    question = _question(conversation.message_set.filter(role=Message.Role.USER), request)
    return answers.filter(parent=question).order_by("-pk").first() if question else None


def _question(questions: QuerySet[Message], request: Ask) -> Message | None:
    """Return the stored question of a request; an edit has an id that is made of its text."""
    uids = [request.question, *([edit_uid(request.question, request.text)] if request.edits else [])]
    return next((found for found in questions.filter(uid__in=uids) if found.text == request.text), None)
