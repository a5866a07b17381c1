"""The owners of conversations: a signed-in user, or a visitor with a random id in the session.

The id is in the session's data, not its key, because signing in changes the key.
"""

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

from django.http import HttpRequest

from .managers import ConversationQuerySet
from .models import KEY_LENGTH, Conversation

VISITOR = "llm_chat_visitor"
"""The key of a visitor's id in the session."""

FOR_NOW = "_llm_chat_visitor"
"""The attribute of a request that keeps the owner of a visitor whose id is not stored."""


SERVER_KEY = "server"
"""The owner of what the site itself asks by the Python API, for no user: in nobody's list."""

UNKEPT_KEY = "unkept"
"""The owner of what is asked by the Python API and not kept: in nobody's list, and deleted when it is answered.

The ``uid`` of such a conversation begins with the id of the process that asks, and it may have a user.
"""


class Account(Protocol):
    """The attributes of ``request.user`` and ``scope["user"]`` that are used here."""

    @property
    def is_authenticated(self) -> Any:
        """Tell a signed-in user from an anonymous one."""

    @property
    def pk(self) -> Any:
        """Return the user's primary key."""


class Owner(NamedTuple):
    """The owner of conversations.

    ``key`` is the owner in the database. ``user_id`` is the primary key of a signed-in user, ``None`` for a visitor.
    """

    key: str
    user_id: Any = None

    @property
    def is_listed(self) -> bool:
        """Tell whether the owner has pages that list the conversations."""
        return self.key not in (SERVER_KEY, UNKEPT_KEY)

    @property
    def conversations(self) -> ConversationQuerySet:
        """Return the owner's conversations. Every lookup starts here, so that no owner reaches another's.

        Deleted ones are left out, even while their deletion can be undone (``db.deletion``).
        """
        return Conversation.objects.filter(owner=self.key, deleted_at=None)

    @property
    def digest(self) -> str:
        """Return what a page may know of its owner: enough to recognise another one."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    @classmethod
    def of(cls, user: Account | None, session: MutableMapping[str, Any] | None) -> "Owner | None":
        """Return the owner behind a user and a session, ``None`` if there is neither an account nor a visitor's id."""
        if user is not None and user.is_authenticated:
            return cls(key_of(user.pk), user.pk)
        visitor = session.get(VISITOR) if session is not None else None
        return cls(f"visitor:{visitor}") if visitor else None


def key_of(user: object) -> str:
    """Return the owner key of a user, made of the user's primary key, or of its digest if that is too long.

    The two kinds begin differently, so that a key of one kind never equals one of the other.
    """
    key = f"user:{user}"
    return key if len(key) <= KEY_LENGTH else f"user#{hashlib.sha256(key.encode()).hexdigest()}"


SERVER = Owner(SERVER_KEY)


def admit(user: Account | None, session: MutableMapping[str, Any], *, keep: bool = True) -> Owner:
    """Return the owner behind a user and a session. A new visitor gets an id; with ``keep``, the session stores it."""
    owner = Owner.of(user, session)
    if owner is None:
        key = secrets.token_urlsafe(24)
        if keep:
            session[VISITOR] = key
        owner = Owner(f"visitor:{key}")
    return owner


def owner_of(request: HttpRequest) -> Owner | None:
    """Return the owner behind a request, ``None`` for a new visitor."""
    return Owner.of(getattr(request, "user", None), request.session)


def visitor(request: HttpRequest, *, linked: bool = False) -> Owner:
    """Return the owner behind a request. A new visitor gets an id, which makes Django store a session.

    A client that will not return with the cookie gets an id for this request only, so that robots and probes do not
    fill the session table. These are HEAD requests, requests that do not accept HTML, and requests without ``Accept``
    that are ``linked``. Requests that accept anything (``*/*``) count as such clients too, unless the browser says that
    they come from the site itself, as those of its scripts (htmx) do.

    Args:
        request: a request with a session.
        linked: whether the URL names a conversation, so that a client may have followed a link to it.
    """
    for_now: Owner | None = getattr(request, FOR_NOW, None)
    if for_now is not None:
        return for_now
    keep = _will_return(request, linked)
    owner = admit(getattr(request, "user", None), request.session, keep=keep)
    if not keep:
        setattr(request, FOR_NOW, owner)  # found again by a second {% chat %} of the same page
    return owner


def _will_return(request: HttpRequest, linked: bool) -> bool:
    if request.method in ("HEAD", "POST"):
        return request.method == "POST"
    accepted = request.headers.get("Accept")
    if accepted == "*/*":
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return not linked if accepted is None else "text/html" in accepted
