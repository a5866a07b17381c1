"""Remembers which empty conversation a visitor has begun in place of an older one, until its first message is stored.

The chats of a page with ``{% chat ... new=True %}`` show the newest conversation, except that one.
"""

import secrets
from collections.abc import MutableMapping
from typing import Any

BEGUN = "llm_chat_begun"
"""The key in the session: the ids of conversations, by the ids that are made of their assistants and objects."""

MOST = 20
"""How many a session remembers; the oldest are forgotten."""


def begin(session: MutableMapping[str, Any], subject_uid: str) -> str:
    """Begin a conversation in place of the newest one with a subject, and return its id."""
    begun = dict(session.get(BEGUN, {}))
    begun.pop(subject_uid, None)
    begun[subject_uid] = uid = secrets.token_urlsafe(9)
    session[BEGUN] = dict(list(begun.items())[-MOST:])
    return uid


def begun_in(session: MutableMapping[str, Any], subject_uid: str) -> str:
    """Return the id of the conversation that was begun last with a subject, empty if there is none."""
    return str(session.get(BEGUN, {}).get(subject_uid, ""))
