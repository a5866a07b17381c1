"""Who a conversation belongs to: a signed-in user, or a visitor known by a random id inside the session.

The id lives in the session's data, not in its key: signing in changes the key, never the id.
"""

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

VISITOR = "llm_chat_visitor"

KEY_LENGTH = 80
"""The longest key that the database holds, in characters."""


class Account(Protocol):
    """What is asked of ``request.user`` and of ``scope["user"]``."""

    @property
    def is_authenticated(self) -> Any: ...

    @property
    def pk(self) -> Any: ...


class Owner(NamedTuple):
    """``key`` names the owner in the database; ``user_id`` is the account's primary key, or ``None`` for a visitor."""

    key: str
    user_id: Any = None

    @classmethod
    def of(cls, user: Account | None, session: MutableMapping[str, Any] | None) -> "Owner | None":
        """The owner behind a request or socket, ``None`` where there is neither an account nor a visitor's id."""
        if user is not None and user.is_authenticated:
            return cls(key_of(user.pk), user.pk)
        visitor = session.get(VISITOR) if session is not None else None
        return cls(f"visitor:{visitor}") if visitor else None


def key_of(user: object) -> str:
    """Return the key of the user with a primary key: that itself, or its digest where the column could not hold it.

    No key of the one kind can be one of the other: they begin differently.
    """
    key = f"user:{user}"
    return key if len(key) <= KEY_LENGTH else f"user#{hashlib.sha256(key.encode()).hexdigest()}"


def admit(user: Account | None, session: MutableMapping[str, Any]) -> Owner:
    """The owner behind a page's request; a new visitor gets an id, which makes Django set the session's cookie."""
    owner = Owner.of(user, session)
    if owner is None:
        session[VISITOR] = secrets.token_urlsafe(24)
        owner = Owner(f"visitor:{session[VISITOR]}")
    return owner
