"""Stores conversations of a visitor: ``python -m benchmarks.conversations COOKIE NAME=MESSAGES ...``."""

import sys

import django


def main(cookie: str, wanted: dict[str, int]) -> None:
    """Store all conversations in one transaction."""
    django.setup()
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import transaction

    from chat.owners import VISITOR

    session = SessionStore(cookie.removeprefix(f"{settings.SESSION_COOKIE_NAME}="))
    with transaction.atomic():
        for name, messages in wanted.items():
            _store(f"visitor:{session[VISITOR]}", name, messages)


def _store(owner: str, name: str, messages: int) -> None:
    from django.utils import timezone

    from chat.models import Conversation, Message

    conversation = Conversation.objects.create(owner=owner, uid=name, title=name, updated_at=timezone.now())
    parent = None
    for number in range(messages):
        role = "user" if number % 2 == 0 else "assistant"
        text = f"Message {number} of a conversation. " * 8
        parts = [{"type": "text", "text": text}]
        parent = Message.objects.create(
            conversation=conversation, uid=f"h{number}", role=role, text=text, parts=parts, parent=parent
        )
    Conversation.objects.filter(pk=conversation.pk).update(tip=parent)


if __name__ == "__main__":
    main(sys.argv[1], {name: int(messages) for name, messages in (word.split("=") for word in sys.argv[2:])})
