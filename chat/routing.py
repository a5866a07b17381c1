"""The app's place in a site's ASGI application: the websocket route, its origin check, sessions, lifespan."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.urls import path, re_path
from django.utils.http import is_same_domain

from .conf import conf
from .consumers import ChatConsumer
from .runs.registry import registry

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

_SEND = "llm_chat.send"

deny: App = WebsocketDenier.as_asgi()
"""Answers a handshake with 403."""


def application(django_app: App, websockets: Sequence[Any] = ()) -> App:
    """A site's ASGI application with the chat in it.

    ``django_app`` is what ``get_asgi_application()`` returned; ``websockets`` are the site's own websocket routes,
    which get the same origin check, session and user.
    """
    chat = path(conf.socket_path.lstrip("/"), direct(ChatConsumer.as_asgi()))  # type: ignore[arg-type]
    routes = [chat, *websockets, re_path("", deny)]  # type: ignore[arg-type]
    socket_app = same_origin(AuthMiddlewareStack(URLRouter(routes)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await socket_app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await lifespan(receive, send)
        else:
            await django_app(scope, receive, send)

    return app


def same_origin(app: App) -> App:
    """Refuse a handshake that Django's CSRF check would refuse."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if is_trusted(scope) else deny)({**scope, _SEND: send}, receive, send)

    return checked


def direct(app: App) -> App:
    """Give an app the server's own ``send``: the session's looks at each frame for a session to save, 3 us a time."""

    async def sending(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, scope.get(_SEND, send))

    return sending


def is_trusted(scope: Scope) -> bool:
    """Whether a handshake's ``Origin`` is the host that was asked, scheme and port included, or a trusted one.

    The rule of ``django.middleware.csrf``, with its settings (``CSRF_TRUSTED_ORIGINS``, ``ALLOWED_HOSTS``,
    ``SECURE_PROXY_SSL_HEADER``, ``USE_X_FORWARDED_HOST``). Every browser sends ``Origin``; without one it is refused.
    """
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    request = ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO())
    origin = request.META.get("HTTP_ORIGIN", "")
    try:
        if origin == f"{request.scheme}://{request.get_host()}":
            return True
        parts = urlsplit(origin)
    except (DisallowedHost, ValueError):
        return False
    return any(_matches(trusted, origin, parts.scheme, parts.netloc) for trusted in conf.trusted_origins)


def _matches(trusted: str, origin: str, scheme: str, host: str) -> bool:
    if "*" not in trusted:
        return trusted == origin
    pattern = urlsplit(trusted)
    return pattern.scheme == scheme and is_same_domain(host, pattern.netloc.lstrip("*"))


async def lifespan(receive: Receive, send: Send) -> None:
    """Enrol the process when its server starts, and drain its runs when it stops (ASGI lifespan)."""
    await receive()
    try:
        await registry().start()
    except DatabaseError:
        logger.exception("The database does not answer, or lacks the app's tables: run manage.py migrate.")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await registry().drain()
    await send({"type": "lifespan.shutdown.complete"})
