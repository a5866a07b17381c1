"""Stops answers for others than their owners, such as staff in the admin. On any thread, also where no loop runs."""

from ..db.answers import ask_to_stop
from ..db.decisions import stop_waiting
from ..events import Event, Events
from ..models import Message
from .engine import engines


def stop(answer: Message) -> None:
    """Stop a running answer as its owner does: at once where it runs, otherwise by Redis or the next heartbeat.

    If its process is dead, it is stopped when another one recovers it. Raises ``django.db.Error``.
    """
    ask_to_stop(answer.pk)
    for loop, engine in engines():
        loop.call_soon_threadsafe(engine.stop, answer)


def stop_undecided(answer: Message, by: str) -> bool:
    """Stop an answer that waits for a decision, and inform the pages of its owner; return whether it still waited.

    ``by`` is the key of the owner who stops it. Raises ``django.db.Error``.
    """
    stopped = stop_waiting(answer.conversation, by, answer.pk)
    if stopped is not None:
        Events.publish_from_thread(answer.conversation.owner, Event.ended(stopped))
    return stopped is not None
