"""Who a conversation belongs to: a signed-in user, or a visitor known by a random id inside the session.

The id lives in the session's data, not in its key: signing in changes the key, never the id.
"""

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

from django.http import HttpRequest

VISITOR = "llm_chat_visitor"

FOR_NOW = "_llm_chat_visitor"
"""The attribute of a request that has the owner of a visitor who is not remembered."""

KEY_LENGTH = 80
"""The longest key that the database holds, in characters."""


class Account(Protocol):
    """What is asked of ``request.user`` and of ``scope["user"]``."""

    @property
    def is_authenticated(self) -> Any:
        """Tell a signed-in user from an anonymous one."""

    @property
    def pk(self) -> Any:
        """Identify the account: the user's primary key."""


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


def admit(user: Account | None, session: MutableMapping[str, Any], *, keep: bool = True) -> Owner:
    """Return the owner behind a page's request. A new visitor gets an id, which Django stores if it is to be kept."""
    owner = Owner.of(user, session)
    if owner is None:
        key = secrets.token_urlsafe(24)
        if keep:
            session[VISITOR] = key
        owner = Owner(f"visitor:{key}")
    return owner


def owner_of(request: HttpRequest) -> Owner | None:
    """Return the owner behind a request, ``None`` for a visitor who is new."""
    return Owner.of(getattr(request, "user", None), request.session)


def visitor(request: HttpRequest, *, linked: bool = False) -> Owner:
    """Return the owner behind a request. A new visitor gets an id, which makes Django store a session.

    One who cannot come back with the cookie gets an id for this request alone, so that robots and probes fill no table:
    a HEAD, a request that accepts anything else than a page, and without a browser's ``Accept`` one that is ``linked``,
    which means that it follows an address with somebody's conversation in it. A script of the site's own that fetches
    a page to show it (htmx) accepts anything, but its browser says where it comes from.
    """
    for_now: Owner | None = getattr(request, FOR_NOW, None)
    if for_now is not None:
        return for_now
    keep = _will_return(request, linked)
    owner = admit(getattr(request, "user", None), request.session, keep=keep)
    if not keep:
        setattr(request, FOR_NOW, owner)  # for the tag on the same page
    return owner


def _will_return(request: HttpRequest, linked: bool) -> bool:
    if request.method in ("HEAD", "POST"):
        return request.method == "POST"
    accepted = request.headers.get("Accept")
    if accepted == "*/*":
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return not linked if accepted is None else "text/html" in accepted
