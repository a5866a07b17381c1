"""Decides which websocket handshakes are refused, and logs each refusal with its reason."""

import logging
from io import BytesIO
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.http import is_same_domain

from .asgi import App, Receive, Scope, Send
from .conf import conf

logger = logging.getLogger(__name__)

SHOWN = 80
"""How many characters of a value from a client are logged."""

SERVER_SEND = "llm_chat.send"


def same_origin(app: App) -> App:
    """Wrap an app so that it gets no handshake that Django's CSRF check would refuse."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if problem := distrust(scope):
            await receive()
            await refuse(problem, scope, send)
        else:
            await app({**scope, SERVER_SEND: send}, receive, send)

    return checked


async def refuse(reason: str, scope: Scope, send: Send) -> None:
    """Answer a handshake with 403, and log the reason in one line."""
    logger.warning("A websocket handshake for %s was refused: %s.", shown(scope.get("path", "")), reason)
    await send({"type": "websocket.close"})


def shown(text: str) -> str:
    """Make a value from a client safe to log: short, quoted, and on one line."""
    return ascii(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def is_trusted(scope: Scope) -> bool:
    """Tell whether a handshake comes from a page of this site or of a trusted origin."""
    return not distrust(scope)


def distrust(scope: Scope) -> str:
    """Return the reason why a handshake's ``Origin`` is not trusted; an empty string if it is.

    The rule is that of ``django.middleware.csrf``, with its settings (``CSRF_TRUSTED_ORIGINS``, ``ALLOWED_HOSTS``,
    ``SECURE_PROXY_SSL_HEADER``, ``USE_X_FORWARDED_HOST``): the origin must match the host of the request, including
    scheme and port, or be a trusted one. Every browser sends ``Origin``, so a handshake without it is not trusted.
    """
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    request = ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO())
    origin = request.META.get("HTTP_ORIGIN", "")
    try:
        own = f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return f"the host {shown(request.META.get('HTTP_HOST', ''))} is not in ALLOWED_HOSTS"
    if origin == own or _in_trusted_origins(origin):
        return ""
    if not origin:
        return "it has no Origin header"
    return f"the origin {shown(origin)} is neither {shown(own)} nor in CSRF_TRUSTED_ORIGINS"


def _in_trusted_origins(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return any(_matches(trusted, origin, parts.scheme, parts.netloc) for trusted in conf.trusted_origins)


def _matches(trusted: str, origin: str, scheme: str, host: str) -> bool:
    if "*" not in trusted:
        return trusted == origin
    pattern = urlsplit(trusted)
    return pattern.scheme == scheme and is_same_domain(host, pattern.netloc.lstrip("*"))
