"""Reacts to deleted conversations and users, and to browsers that sign in or out."""

from functools import partial
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ..conf import conf
from ..db.conversations import delete
from ..db.threads import database, on_commit
from ..db.usage import erase_user
from ..events import Event, Events, sockets_of
from ..models import Conversation
from .engine import engines


@receiver(post_delete, sender=Conversation, dispatch_uid="llm_chat.deletion")
def forget(instance: Conversation, using: str, **_: Any) -> None:
    """Publish a deletion and give up the conversation's running answer, once the deletion is committed.

    Where the deletion could be undone first, it has been published already: by now, there may be another conversation
    with this id. An answer that runs in another process is given up with that process's next heartbeat.
    """
    # The event comes first. Otherwise the pages would see an answer end with an error before the conversation is gone.
    if instance.deleted_at is None:
        Events.publish_from_thread(instance.owner, Event.deleted(instance.uid), using=using)
    if instance.running_id is not None:
        on_commit(partial(_abandon, instance.running_id), using=using)


def _abandon(answer_id: int) -> None:
    for loop, engine in engines():
        loop.call_soon_threadsafe(engine.abandon, answer_id)


@receiver(post_delete, sender=conf.user_model, dispatch_uid="llm_chat.deletion_of_a_user")
def forget_user(instance: Any, using: str, **_: Any) -> None:
    """Delete the conversations of a deleted user once the deletion is committed, if they are in another database.

    The ledger keeps its rows, without the user.

    In the user's own database, Django's collector deletes them (``managers.cascade``).
    """
    user = instance.pk
    if using != database():
        on_commit(partial(_delete_all_of, user), using=using)


@receiver([user_logged_in, user_logged_out], dispatch_uid="llm_chat.sessions")
def end_session(request: Any, **_: Any) -> None:
    """Close the sockets that the browser's other tabs have open: their pages show another owner's conversations."""
    if name := sockets_of(getattr(request, "COOKIES", {})):
        Events.publish_from_thread(name, Event.session_ended())


def _delete_all_of(user: Any) -> None:
    delete(Conversation.objects.filter(user=user))
    erase_user(user)
