"""The object that a conversation is about: how a page refers to it, and how it is found again.

A client cannot choose the object. The tag signs a reference to it for the visitor who sees the page, and the first
message carries it. The reference does not expire, because a page may stay open for days; what counts on each turn is
the assistant's ``has_about_permission``.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Model

from ..errors import Refusal
from .base import Assistant

_LENGTH = 20
"""Characters of the part of a conversation's id that stands for its object."""

_SALT = "llm_chat.about"


class Reference(NamedTuple):
    """An object of the site's: its model, as ``app_label.model_name``, and its primary key as text. Empty: none."""

    model: str = ""
    key: str = ""

    @classmethod
    def to(cls, found: Model) -> "Reference":
        """Return the reference to a stored object."""
        return cls(found._meta.label_lower, str(found.pk))


NOTHING = Reference()


def uid_of(assistant: str, reference: Reference) -> str:
    """Return the id of the conversation in which an assistant talks about an object; without one, its name."""
    if reference == NOTHING:
        return assistant
    digest = hashlib.sha256(f"{assistant} {reference.model} {reference.key}".encode()).digest()
    return f"{_beginning(assistant)}{urlsafe_b64encode(digest).decode()[:_LENGTH]}"


def is_derived(uid: str, assistant: str) -> bool:
    """Tell whether an id looks like one that ``uid_of`` makes for an object."""
    beginning = _beginning(assistant)
    return uid.startswith(beginning) and len(uid) == len(beginning) + _LENGTH


def _beginning(assistant: str) -> str:
    return f"{assistant[: 64 - _LENGTH - 1]}-"


def signed(assistant: str, reference: Reference, owner: str) -> str:
    """Return a reference for a page of this owner; empty without an object."""
    return "" if reference == NOTHING else Signer(salt=_SALT).sign_object([assistant, *reference, owner])


def read(text: str, assistant: str, owner: str) -> Reference:
    """Return the reference that ``signed`` has made for this assistant and this owner.

    Raises ``Refusal`` if it was made for others, or not by this site.
    """
    if not text:
        return NOTHING
    try:
        found = Signer(salt=_SALT).unsign_object(text)
    except (BadSignature, ValueError):  # ValueError: what is signed is no JSON
        raise Refusal("forbidden") from None
    match found:
        case [str(name), str(model), str(key), str(whose)] if (name, whose) == (assistant, owner):
            return Reference(model, key)
    raise Refusal("forbidden")


def find(assistant: type[Assistant], reference: Reference) -> Any:
    """Return the object; ``None`` if it is gone, or if the assistant no longer talks about its model. Queries."""
    model = next((model for model in models_of(assistant) if model._meta.label_lower == reference.model), None)
    if model is None:
        return None
    try:
        return model._default_manager.filter(pk=reference.key).first()
    except (ValueError, ValidationError):  # the model's key has become another type
        return None


def models_of(assistant: type[Assistant]) -> list[type[Model]]:
    """Return the models that an assistant talks about. Raises ``LookupError`` for a name that is no model."""
    about = assistant.about
    given = about if isinstance(about, Sequence) and not isinstance(about, str) else [about]
    return [apps.get_model(model) if isinstance(model, str) else model for model in given]
