"""The session and the user behind a websocket, at its handshake and whenever they are looked at again."""

from http.cookies import CookieError
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from .asgi import Scope
from .conf import conf
from .db.rights import look
from .owners import Owner

BASIS = "llm_chat.basis"
"""The key of a scope that holds its ``Basis``."""


class Basis(NamedTuple):
    """What a socket was admitted for. When it is no longer there, the socket has to go."""

    session: str | None
    """The key of the session; ``None`` if the site knows the user otherwise, such as by a token."""
    fingerprint: bytes | None
    """The user's rights then (``db.rights``); ``None`` without a row of a user, ``b""`` if they were not read."""


class Identity(NamedTuple):
    """The session of a key, its user, and the fingerprint of the user's rights."""

    session: SessionBase
    user: Any
    fingerprint: bytes | None

    @property
    def owner(self) -> Owner | None:
        """Return the owner behind them, ``None`` if there is neither an account nor a visitor's id."""
        return Owner.of(self.user, self.session)


def session_and_user(scope: Scope) -> dict[str, Any]:
    """Return the keys ``cookies``, ``session`` and ``user`` of a scope, as Channels' middlewares set them, and a basis.

    They are read in one step of the database's threads. Channels' own middlewares take a step each, on the one thread
    that all of the site's handshakes share.
    """
    cookies = cookies_of(scope)
    found = identify(cookies.get(conf.session_cookie))
    basis = Basis(found.session.session_key, found.fingerprint)
    return {"cookies": cookies, "session": found.session, "user": found.user, BASIS: basis}


def identify(session_key: str | None) -> Identity:
    """Return whom a session belongs to now, as Django finds out with each request. This is a database step."""
    request = HttpRequest()
    request.session = conf.session_store(session_key)
    # A new key could not be sent to the browser: the next request over HTTP makes one, after a change of SECRET_KEY.
    request.session.cycle_key = lambda: None  # type: ignore[method-assign]
    # The fingerprint first: what changes after it was read is noticed later.
    fingerprint = _fingerprint(request.session)
    return Identity(request.session, get_user(request), fingerprint)


def basis_of(scope: Scope) -> Basis:
    """Return the basis of a socket whose session and user the site's own router has read. This is a database step.

    The rights may have changed since then, so they count as not read.
    """
    if BASIS in scope:
        basis: Basis = scope[BASIS]
        return basis
    user, session = scope.get("user"), scope.get("session")
    if user is None or not user.is_authenticated:
        return Basis(getattr(session, "session_key", None), None)
    by_session = session is not None and session.get(SESSION_KEY) == user._meta.pk.value_to_string(user)
    return Basis(session.session_key if by_session and session is not None else None, b"")


def has_user(user_id: Any) -> bool:
    """Tell whether there is a user with this primary key who is not deactivated. This is a database step."""
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    return user is not None and bool(getattr(user, "is_active", True))


def _fingerprint(session: SessionBase) -> bytes | None:
    try:
        key = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    except (KeyError, ValidationError):
        return None
    return look([key], []).users.get(key)


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of a handshake."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    try:
        return parse_cookie("; ".join(headers))
    except CookieError:
        return {}
