"""Finds the conversation with an assistant about an object that an owner has begun last."""

from ..models import Conversation
from ..owners import Owner
from .values import Subject


def newest(owner: Owner, subject: Subject) -> tuple[str, str]:
    """Return the ``uid`` and the title of the conversation with a subject that the owner has begun last.

    They are empty if there is none.
    """
    found = owner.conversations.filter(assistant=subject.assistant, about_key=subject.about_key)
    found = found.filter(about_model=subject.about_model).order_by("-created_at", "-pk")
    return found.values_list("uid", "title").first() or ("", "")


def is_stored(owner: Owner, uid: str) -> bool:
    """Tell whether the owner has a conversation with this ``uid``, also if it is deleted and can be brought back."""
    return Conversation.objects.filter(owner=owner.key, uid=uid).exists()
