"""The object that a conversation is about: how a page refers to it, and how it is found again.

A client cannot choose the object. The tag signs a reference to it for the visitor who sees the page, and the first
message carries it. A page that is the same for everybody, and may be cached, has a reference for everybody. A reference
does not expire, because a page may stay open for days; what counts on each turn is the assistant's
``has_about_permission``.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Model

from ..db.values import Subject
from ..errors import Refusal
from .base import Assistant

_LENGTH = 20
"""Characters of the part of a conversation's id that stands for its object."""

_SALT = "llm_chat.about"

EVERYBODY = ""
"""In place of an owner, in a reference that a page has for all its visitors."""


def subject_of(assistant: str, about: Model | None) -> Subject:
    """Return the subject of a conversation with an assistant about a stored object, or about none."""
    return Subject(assistant) if about is None else Subject(assistant, about._meta.label_lower, str(about.pk))


def uid_of(subject: Subject) -> str:
    """Return the id of the conversation with this subject; without an object, the name of the assistant."""
    if not subject.about_key:
        return subject.assistant
    digest = hashlib.sha256(" ".join(subject).encode()).digest()
    return f"{_beginning(subject.assistant)}{urlsafe_b64encode(digest).decode()[:_LENGTH]}"


def is_derived(uid: str, assistant: str) -> bool:
    """Tell whether an id looks like one that ``uid_of`` makes for an object."""
    beginning = _beginning(assistant)
    return uid.startswith(beginning) and len(uid) == len(beginning) + _LENGTH


def _beginning(assistant: str) -> str:
    return f"{assistant[: 64 - _LENGTH - 1]}-"


def signed(subject: Subject, owner: str) -> str:
    """Return a reference for a page of this owner, or of ``EVERYBODY``; empty without an object."""
    return Signer(salt=_SALT).sign_object([*subject, owner]) if subject.about_key else ""


def read(text: str, assistant: str, owner: str, former: str = "") -> Subject:
    """Return the subject to which ``signed`` has made a reference, for this assistant and this owner or everybody.

    ``former`` is the digest that the owner had before signing in, as a page may still have it. Raises ``Refusal`` if
    it was made for others, or not by this site.
    """
    if not text:
        return Subject(assistant)
    try:
        found = Signer(salt=_SALT).unsign_object(text)
    except (BadSignature, ValueError):  # ValueError: what is signed is no JSON
        raise Refusal("forbidden") from None
    match found:
        case [str(name), str(model), str(key), str(whose)] if name == assistant and whose in (
            owner,
            EVERYBODY,
            former or owner,
        ):
            return Subject(name, model, key)
    raise Refusal("forbidden")


def find(assistant: type[Assistant], subject: Subject) -> Any:
    """Return the object; ``None`` if it is gone, or if the assistant no longer talks about its model. Queries."""
    model = next((model for model in models_of(assistant) if model._meta.label_lower == subject.about_model), None)
    if model is None:
        return None
    try:
        return model._default_manager.filter(pk=subject.about_key).first()
    except (ValueError, ValidationError):  # the model's key has become another type
        return None


def models_of(assistant: type[Assistant]) -> list[type[Model]]:
    """Return the models that an assistant talks about. Raises ``LookupError`` for a name that is no model."""
    about = assistant.about
    given = about if isinstance(about, Sequence) and not isinstance(about, str) else [about]
    return [apps.get_model(model) if isinstance(model, str) else model for model in given]
