"""Reacts to deleted conversations and users, to browsers that sign in or out, and to users who lose rights."""

import logging
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import Error as DatabaseError
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from ..claims import claims_of
from ..conf import conf
from ..db.conversations import delete
from ..db.threads import database, on_commit
from ..db.usage import erase_user
from ..events import PROCESSES, Event, Events, session_names
from ..models import Conversation
from ..owners import Owner, key_of, sign_in
from .engine import engines
from .merging import merge

logger = logging.getLogger(__name__)


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
    """Close the sockets of a deleted user, and delete the conversations if they are in another database.

    Both happen once the deletion is committed. The ledger keeps its rows, without the user.

    In the user's own database, Django's collector deletes the conversations (``managers.cascade``).
    """
    user = instance.pk
    Events.publish_from_thread(PROCESSES, Event.rights_changed(), using=using)
    if using != database():
        on_commit(partial(_delete_all_of, user), using=using)


@receiver(user_logged_out, dispatch_uid="llm_chat.sign_out")
def end_session(request: Any, **_: Any) -> None:
    """Close the sockets of all tabs of a browser that signs out."""
    for name in session_names(getattr(request, "COOKIES", {})):
        Events.publish_from_thread(PROCESSES, Event.session_ended(name))


@receiver(user_logged_in, dispatch_uid="llm_chat.sign_in")
def renew_session(request: Any, user: Any, **_: Any) -> None:
    """Move the visitor's conversations to the account, and close the sockets of all tabs of the browser.

    Their pages connect again, with its new session.
    """
    _merge(request, user)
    for name in session_names(getattr(request, "COOKIES", {})):
        Events.publish_from_thread(PROCESSES, Event.session_renewed(name, key_of(user.pk)))


def _merge(request: Any, user: Any) -> None:
    """Move the conversations, and never keep the user from signing in: the pages try again when they connect."""
    session = getattr(request, "session", None)
    if not conf.merge_at_login or session is None or (visitor := sign_in(session)) is None:
        return
    try:
        merge(visitor, Owner(key_of(user.pk), user.pk, claims=claims_of(getattr(request, "COOKIES", {}))))
    except DatabaseError:
        logger.exception("The conversations of a visitor could not be moved to the account.")


@receiver(post_save, sender=conf.user_model, dispatch_uid="llm_chat.password")
def look_at_rights(instance: Any, using: str, **_: Any) -> None:
    """Have the sockets of a user looked at who has a new password, or is deactivated.

    Other changes of a user are found by a heartbeat.
    """
    is_active = getattr(instance, "is_active", True)
    if getattr(instance, "_password", None) is not None or not is_active:
        Events.publish_from_thread(PROCESSES, Event.rights_changed(), using=using)


def look_at_groups(action: str, using: str, **_: Any) -> None:
    """Have all sockets looked at when the groups or permissions of a user, or the permissions of a group, change."""
    if action.startswith("post_"):
        Events.publish_from_thread(PROCESSES, Event.rights_changed(), using=using)


def connect_groups() -> None:
    """Connect ``look_at_groups``, once all models are there. A user model of the site's own may have no groups."""
    user: Any = apps.get_model(conf.user_model)
    for field in user._meta.many_to_many:
        if field.name in ("groups", "user_permissions"):
            m2m_changed.connect(look_at_groups, sender=field.remote_field.through, dispatch_uid="llm_chat.groups")
            permissions = getattr(field.related_model, "permissions", None)
            if permissions is not None:
                m2m_changed.connect(look_at_groups, sender=permissions.through, dispatch_uid="llm_chat.permissions")


def _delete_all_of(user: Any) -> None:
    delete(Conversation.objects.filter(user=user))
    erase_user(user)
