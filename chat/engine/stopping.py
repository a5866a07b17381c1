"""Stops answers for others than their owners, such as staff in the admin. On any thread, also where no loop runs."""

from functools import partial

from ..db.answers import ask_to_stop
from ..db.decisions import stop_waiting
from ..db.threads import on_commit
from ..events import Event, Events
from ..models import Conversation, Message
from .announcing import announce_answer, send_answered
from .engine import engines


def stop(answer: Message) -> None:
    """Stop a running answer as its owner does: at once where it runs, otherwise by Redis or the next heartbeat.

    If its process is dead, it is stopped when another one recovers it. Raises ``django.db.Error``.
    """
    ask_to_stop(answer.pk)
    for loop, engine in engines():
        loop.call_soon_threadsafe(engine.stop, answer)


def stop_undecided(conversation: Conversation, by: str, answer_id: int | None = None) -> bool:
    """Stop the answer of a conversation that waits for a decision; return whether one did.

    The pages of its owner and the site's receivers are informed.

    Args:
        conversation: the conversation.
        by: the key of the owner who stops it.
        answer_id: the primary key of the answer; ``None`` for the last one.

    Raises:
        django.db.Error: the database did not do it.
    """
    stopped = stop_waiting(conversation, by, answer_id)
    if stopped is None:
        return False
    Events.publish_from_thread(conversation.owner, Event.ended(stopped))
    on_commit(partial(_announce, stopped.pk))
    return True


def _announce(answer_id: int) -> None:
    """Send ``answered``: without waiting for its receivers, if a loop runs in this process."""
    for loop, _ in engines()[:1]:
        loop.call_soon_threadsafe(announce_answer, answer_id)
        return
    send_answered(answer_id)
