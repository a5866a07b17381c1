"""Ratings of answers by their owner."""

from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from ..errors import Refusal
from ..models import COMMENT_LENGTH, Feedback, Message
from ..owners import Owner
from ..text import storable
from .threads import atomic


def message_of(owner: Owner, conversation: str, uid: str) -> Message:
    """Return a message of one of the owner's conversations. Raises ``Refusal`` if there is none with these ids."""
    found = Message.objects.filter(conversation__in=owner.conversations.filter(uid=conversation), uid=uid)
    message = found.first()
    if message is None:
        raise Refusal("not_found")
    return message


def rate(owner: Owner, conversation: str, uid: str, value: int, comment: str | None) -> Message:
    """Store the owner's rating of an answer that has ended, or remove it, and return the answer. Raises ``Refusal``.

    Args:
        owner: the visitor.
        conversation: the ``uid`` of the conversation.
        uid: the ``uid`` of the answer.
        value: 1 for good, -1 for bad, 0 to remove the rating.
        comment: the reason; ``None`` leaves an earlier one as it is.
    """
    if comment is not None and len(comment) > COMMENT_LENGTH:
        raise Refusal("too_long")
    answer = message_of(owner, conversation, uid)
    if answer.role != Message.Role.ASSISTANT:
        raise Refusal("not_found")
    if answer.status == Message.Status.RUNNING:
        raise Refusal("busy")
    given = Feedback.objects.filter(message=answer)
    if value == 0:
        given.delete()
        return answer
    columns: dict[str, Any] = {"value": value, "updated_at": timezone.now()}
    if comment is not None:
        columns["comment"] = storable(comment)
    if given.update(**columns):
        return answer
    try:
        _create(answer, columns)
    except IntegrityError:  # another tab stored one first
        given.update(**columns)
    return answer


@atomic
def _create(answer: Message, columns: dict[str, Any]) -> None:
    """Store a first rating. A conflict rolls back only this step, not a surrounding transaction."""
    Feedback.objects.create(message=answer, **columns)
