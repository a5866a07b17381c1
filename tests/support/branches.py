"""Grows branches of stored messages."""

from chat.models import Message


def grow(conversation, *texts, parent=None):
    """Store questions and answers in turn, each a child of the previous message, and return the last."""
    for index, text in enumerate(texts):
        role = "user" if index % 2 == 0 else "assistant"
        uid = f"m{Message.objects.count()}"
        parent = conversation.message_set.create(uid=uid, role=role, text=text, parent=parent)
    return parent
