"""Finds the conversation with an assistant about an object that an owner has begun last."""

from ..models import Conversation
from ..owners import Owner
from .values import Subject


def newest(owner: Owner, subject: Subject, begun: str = "") -> tuple[str, str]:
    """Return the ``uid`` and the title of the conversation with a subject that the owner has begun last.

    Args:
        owner: the owner.
        subject: the assistant and the object.
        begun: the ``uid`` of one that was begun after all others, which may have no messages yet, and so is not stored.

    Returns:
        Two empty strings if there is none.
    """
    stored = Conversation.objects.filter(owner=owner.key, uid=begun).first() if begun else None
    if begun and stored is None:
        return begun, ""
    if stored is not None and stored.deleted_at is None:
        return begun, stored.title
    found = owner.conversations.filter(assistant=subject.assistant, about_key=subject.about_key)
    found = found.filter(about_model=subject.about_model).order_by("-created_at", "-pk")
    return found.values_list("uid", "title").first() or ("", "")
