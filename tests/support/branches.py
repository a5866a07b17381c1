"""Grows branches of stored messages."""

from chat.models import Message


def grow(conversation, *texts, parent=None):
    """Questions and answers in turn, each the child of the one before; returns the last."""
    for index, text in enumerate(texts):
        role = "user" if index % 2 == 0 else "assistant"
        uid = f"m{Message.objects.count()}"
        parent = conversation.message_set.create(uid=uid, role=role, text=text, parent=parent)
    return parent
