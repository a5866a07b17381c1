"""Sends the chat's signals to the receivers of a site, on the threads of its hooks."""

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.dispatch import Signal

from ..assistants import Assistant
from ..assistants.discovery import registry
from ..assistants.hooks import ADMISSION_WAIT, in_thread
from ..db.counters import OWNER, LimitReached
from ..db.values import Ask, Regenerate
from ..errors import ChatRefused, Refusal
from ..models import Message
from ..signals import answered, asking, limit_reached, rated

logger = logging.getLogger(__name__)


async def ask_receivers(assistant: Assistant, asked: Ask | Regenerate) -> None:
    """Send ``asking``, and wait for its receivers.

    One that raises another exception than ``ChatRefused``, or takes longer than ``ADMISSION_WAIT``, does not object.

    Raises ``Refusal`` with the sentence of the first receiver that refuses.
    """
    given = {
        "assistant": assistant,
        "text": asked.text if isinstance(asked, Ask) else "",
        "kind": _kind(asked),
        "conversation": asked.uid,
    }
    try:
        async with asyncio.timeout(ADMISSION_WAIT):
            refusals = await in_thread(_refusals, type(assistant), given)
    except TimeoutError:
        logger.warning("The receivers of asking took more than %g s: the question is answered.", ADMISSION_WAIT)
        return
    if refusals:
        raise Refusal("declined", str(refusals[0]))


def _refusals(sender: type, given: dict[str, Any]) -> list[ChatRefused]:
    found = [result for _, result in asking.send_robust(sender, **given)]
    return [result for result in found if isinstance(result, ChatRefused)]


def _kind(asked: Ask | Regenerate) -> str:
    if isinstance(asked, Regenerate):
        return "another"
    if asked.press is not None:
        return "button"
    return "edit" if asked.edits else "question"


def announce(signal: Signal, sender: type, **given: Any) -> None:
    """Send a signal, without waiting for its receivers."""
    if signal.has_listeners(sender):
        _spawn(in_thread(partial(signal.send_robust, sender, **given)))


_announcing: dict[int, asyncio.Task[Any]] = {}
"""The tasks that send ``answered``, by the answer's primary key."""


def announce_answer(answer_id: int) -> None:
    """Send ``answered`` for an answer that has been stored, without waiting for its receivers."""
    if answered.receivers:
        task = _announcing[answer_id] = _spawn(_announce_answer(answer_id))
        task.add_done_callback(lambda _: _announcing.pop(answer_id, None))


async def until_announced(answer_id: int) -> None:
    """Wait for the receivers of ``answered``, if it is being sent for this answer."""
    if (task := _announcing.get(answer_id)) is not None:
        await asyncio.wait([task])


def _spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    from .engine import engine  # late: it starts runs, which announce their calls

    return engine().tasks.spawn(work)


async def _announce_answer(answer_id: int) -> None:
    try:
        await in_thread(send_answered, answer_id)
    except DatabaseError:
        logger.exception("The answer %s could not be read for the receivers of answered.", answer_id)


def send_answered(answer_id: int) -> None:
    """Send ``answered`` for an answer that has been stored, and wait for its receivers. Raises ``django.db.Error``."""
    message = Message.objects.select_related("conversation", "parent").filter(pk=answer_id).first()
    ended = message is not None and message.status not in (Message.Status.RUNNING, Message.Status.WAITING)
    if message is not None and ended:  # it may have been deleted, or gone on
        answered.send_robust(_sender_of(message), message=message)


def announce_limit(assistant: Assistant, uid: str, reached: LimitReached, answer_id: int | None = None) -> None:
    """Send ``limit_reached``, without waiting for its receivers.

    ``answer_id`` is the answer that was cut in the conversation ``uid``, ``None`` if a message was refused.
    """
    scope, measure, limit = reached.rule
    who = scope.partition(" ")[0]
    announce(
        limit_reached,
        type(assistant),
        assistant=assistant,
        who=("anonymous" if assistant.user_id is None else "user") if who == OWNER else who,
        measure=measure,
        limit=limit.text(measure),
        retry_at=reached.retry_at,
        conversation=uid,
        message_id=answer_id,
    )


def announce_rating(answer: Message, value: int, comment: str | None) -> None:
    """Send ``rated`` for an answer, without waiting for its receivers."""
    if rated.receivers:
        _spawn(in_thread(_send_rated, answer, value, comment or ""))


def _send_rated(answer: Message, value: int, comment: str) -> None:
    rated.send_robust(_sender_of(answer), message=answer, value=value, comment=comment)


def _sender_of(answer: Message) -> type[Assistant]:
    """Return the class of the assistant that has answered, that of the default one if the site has it no more."""
    return registry.get(answer.conversation.assistant) or registry.default
