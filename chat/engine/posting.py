"""Posts a message of the site's own: stores it, and tells the open pages of its user."""

from typing import Any

from django.db.models import Model

from ..assistants.about import find, subject_of, uid_of
from ..assistants.discovery import registry
from ..conf import conf
from ..db.conversations import own
from ..db.posts import store_post
from ..db.values import OtherSubjectError, Subject
from ..errors import Refusal
from ..events import Event, Events
from ..html.markdown import headline
from ..owners import Owner, key_of
from ..text import acceptable, title_of
from .asking import check_argument, check_assistant, check_object, check_user, same_subject


def post(assistant: str, text: str, user: Any, about: Model | None, conversation: str | None) -> str:
    """Store a message and publish it, once the transaction is committed; return the ``uid`` of the conversation.

    Raises ``Refusal``, ``TypeError`` and ``django.db.Error``.
    """
    check_argument("assistant", assistant)
    check_argument("text", text)
    check_user(user)
    check_object(about)
    check_assistant(assistant)
    text = acceptable(text, conf.max_answer_length)
    owner, subject = Owner(key_of(user.pk), user.pk), subject_of(assistant, about)
    if conversation is not None:
        subject = same_subject(subject, own(owner, conversation))
    _check_about(subject)
    try:
        stored, message = store_post(owner, conversation or uid_of(subject), subject, text, title_of(headline(text)))
    except OtherSubjectError:
        raise Refusal("conflict") from None
    for event in (Event.started(stored, message), Event.ended(message)):
        Events.publish_from_thread(owner.key, event)
    return stored.uid


def _check_about(subject: Subject) -> None:
    """Raise ``Refusal`` if the object is gone, or if the assistant does not talk about its model."""
    assistant = registry.get(subject.assistant)
    if subject.about_key and (assistant is None or find(assistant, subject) is None):
        model, key = subject.about_model, subject.about_key
        raise Refusal("forbidden", f'The assistant "{subject.assistant}" has no object {model} {key} to talk about.')
