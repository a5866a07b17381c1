"""Remembers which conversation a visitor has begun in place of an older one, until its first message is stored.

A chat of ``{% chat ... new=True %}`` shows that one, otherwise the newest.
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


def forget(session: MutableMapping[str, Any], subject_uid: str) -> None:
    """Forget the conversation that was begun last with a subject, because it is stored."""
    session[BEGUN] = {key: uid for key, uid in session[BEGUN].items() if key != subject_uid}
