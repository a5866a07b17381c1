"""Stop the answer of a conversation that is deleted, tell open pages, and delete the conversations of deleted users."""

from functools import partial
from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from ..conf import conf
from ..db.conversations import delete
from ..db.threads import database, on_commit
from ..events import Event, Events
from ..models import Conversation
from .engine import engines


@receiver(post_delete, sender=Conversation, dispatch_uid="llm_chat.deletion")
def forget(instance: Conversation, using: str, **_: Any) -> None:
    """Once the deletion is committed, let the process give the answer up; other processes find out as they beat."""
    # First, or the pages would hear of an answer that ends in nothing.
    Events.publish_from_thread(instance.owner, Event.deleted(instance.uid), using=using)
    if instance.running_id is not None:
        on_commit(partial(_abandon, instance.running_id), using=using)


def _abandon(answer: int) -> None:
    for loop, engine in engines():
        loop.call_soon_threadsafe(engine.abandon, answer)


@receiver(post_delete, sender=conf.user_model, dispatch_uid="llm_chat.deletion_of_a_user")
def forget_user(instance: Any, using: str, **_: Any) -> None:
    """Delete a user's conversations from another database than the user's, once that deletion is committed.

    In one database Django's collector does it (``managers.cascade``).
    """
    user = instance.pk
    if using != database():
        on_commit(partial(_delete_all_of, user), using=using)


def _delete_all_of(user: Any) -> None:
    delete(Conversation.objects.filter(user=user))
