"""The session and the user behind a websocket's handshake."""

from http.cookies import CookieError
from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from .asgi import Scope
from .conf import conf


def session_and_user(scope: Scope) -> dict[str, Any]:
    """Return the keys ``cookies``, ``session`` and ``user`` of a scope, as Channels' middlewares set them.

    The last two are read in one step of the database's threads. Channels' own middlewares take a step each, on the one
    thread that all of the site's handshakes share.
    """
    cookies, request = _cookies(scope), HttpRequest()
    request.session = conf.session_store(cookies.get(conf.session_cookie))
    # A new key could not be sent to the browser: the next request over HTTP makes one, after a change of SECRET_KEY.
    request.session.cycle_key = lambda: None  # type: ignore[method-assign]
    user = get_user(request)
    return {"cookies": cookies, "session": request.session, "user": user}


def _cookies(scope: Scope) -> dict[str, str]:
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    try:
        return parse_cookie("; ".join(headers))
    except CookieError:
        return {}
