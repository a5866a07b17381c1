"""The owners of conversations: a signed-in user, or a visitor with a random id in the session.

The id is in the session's data, not its key, because signing in changes the key.
"""

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from .managers import ConversationQuerySet
from .models import KEY_LENGTH, Conversation

VISITOR = "llm_chat_visitor"
"""The key of a visitor's id in the session."""

FORMER = "llm_chat_former"
"""The key, in the session of a signed-in user, of the id that the visitor had before."""

PREFIXES = {"anonymous": "visitor:", "user": "user"}
"""What the keys of owners begin with, by their kinds, which are those of ``CHAT["RETENTION"]``."""


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
    former: str = ""
    """The key that the owner had in this session as a visitor, before signing in."""
    claims: tuple[str, ...] = ()
    """What proves which conversations the owner's browser has begun (``claims.claims_of``), where that matters."""

    @property
    def is_listed(self) -> bool:
        """Tell whether the owner has pages that list the conversations."""
        return self.key not in (SERVER_KEY, UNKEPT_KEY)

    @property
    def limited(self) -> "Owner | None":
        """Return the owner whose limits hold: the user, also for what is not kept; ``None`` for the site itself."""
        if self.user_id is not None:
            return Owner(key_of(self.user_id), self.user_id)
        return self if self.is_listed else None

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

    @property
    def claim(self) -> str:
        """Return what a new conversation of a visitor keeps of the browser; empty for accounts, which need no proof."""
        return self.claims[0] if self.user_id is None and self.claims else ""

    @property
    def former_digest(self) -> str:
        """Return the digest that the owner's pages had before signing in; empty if there was none."""
        return Owner(self.former).digest if self.former else ""

    @classmethod
    def of(cls, user: Account | None, session: MutableMapping[str, Any] | None) -> "Owner | None":
        """Return the owner behind a user and a session, ``None`` if there is neither an account nor a visitor's id."""
        if user is not None and user.is_authenticated:
            return cls(key_of(user.pk), user.pk, _former(session))
        visitor = session.get(VISITOR) if session is not None else None
        return cls(f"visitor:{visitor}") if visitor else None


def sign_in(session: MutableMapping[str, Any]) -> Owner | None:
    """Remember in a session that its visitor has signed in; return the visitor, ``None`` if there was none."""
    visitor = session.pop(VISITOR, None)
    if visitor is None:
        return None
    session[FORMER] = visitor
    return Owner(f"visitor:{visitor}")


def _former(session: MutableMapping[str, Any] | None) -> str:
    """Return the key of a session's former visitor. A session that was not loaded is left alone: that would query."""
    loaded = session if isinstance(session, dict) else getattr(session, "_session_cache", {})
    return f"visitor:{loaded[FORMER]}" if FORMER in loaded else ""


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


def known_owner(request: HttpRequest) -> Owner | None:
    """Return the owner behind a request whose session has been read already, without a query.

    ``None`` if it has not been read, so that the page may be the same for everybody, or for a new visitor.
    """
    session = getattr(request, "session", None)
    if session is None or not getattr(session, "accessed", False):
        return None
    user = session.get(SESSION_KEY)  # request.user would be a query
    return Owner.of(None, session) if user is None else Owner(key_of(user), user)
