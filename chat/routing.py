"""Adds the chat to a site's ASGI application.

``application`` wraps the site's existing ASGI application; ``websocket_urlpatterns`` is for a site that has its own
``URLRouter``, together with ``lifespan``.
"""

from collections.abc import Sequence
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path
from django.urls.exceptions import Resolver404

from .asgi import App, Event, Receive, Scope, Send, bounded, path_of
from .conf import conf
from .consumers import ChatConsumer
from .db.threads import in_database
from .identity import session_and_user
from .lifespan import check_under_daphne, lifespan, lifespan_of
from .origin import SERVER_SEND, is_trusted, refuse, same_origin, shown

__all__ = ["application", "is_trusted", "lifespan", "websocket_urlpatterns"]

check_under_daphne()


def application(django_app: App, websockets: Sequence[Any] = ()) -> App:
    """Wrap a site's ASGI application so that it serves the chat too.

    Args:
        django_app: the application that the site had before, such as ``get_asgi_application()``. It still receives
            lifespan events, and the websockets of unknown paths, without the chat's checks.
        websockets: websocket routes of the site itself, which get the chat's origin check, session and user.
    """
    chat, others = _chat_routes(""), same_origin(AuthMiddlewareStack(URLRouter([*websockets])))
    apps = {"http": bounded(django_app), "lifespan": lifespan_of(django_app)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await apps.get(scope["type"], django_app)(scope, receive, send)
            return
        asked = path_of(scope)
        if _leads_to(chat, asked):
            await _socket(scope, receive, send)
        elif _leads_to(websockets, asked):
            await _or_refuse(others)({**scope, "path_remaining": asked}, receive, send)
        else:
            await _or_refuse(django_app)(scope, receive, send)

    return app


def direct(app: App) -> App:
    """Give an app the server's own ``send``: Channels' session wrapper inspects every frame, which costs 3 us."""

    async def sending(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, scope.get(SERVER_SEND, send))

    return sending


def _with_user(app: App) -> App:
    """Give an app the session and the user, unless the site's own router has already done so."""

    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        found = {} if "user" in scope else await in_database(session_and_user, scope)
        await app({**scope, **found}, receive, send)

    return admitted


_socket = same_origin(_with_user(direct(ChatConsumer.as_asgi())))


def _chat_routes(*prefixes: str) -> list[Any]:
    """Make the websocket's route below each of the prefixes."""
    paths = {(prefix + conf.socket_path).lstrip("/") for prefix in prefixes}
    return [path(found, _socket) for found in paths]  # type: ignore[arg-type]


# A URLRouter ignores FORCE_SCRIPT_NAME, which a proxy may keep or remove: match the path with and without it.
websocket_urlpatterns = _chat_routes("", conf.script_name)
"""The chat's routes for a site's own ``URLRouter``, with an origin check, and with session and user if it has none."""


def _leads_to(routes: Sequence[Any], asked: str) -> bool:
    return any(route.pattern.match(asked) for route in routes)


def _or_refuse(app: App) -> App:
    """Wrap an app so that a handshake that it cannot route is refused with one line in the log, not a traceback.

    Django raises ``ValueError`` for every websocket, and a ``URLRouter`` for an unknown path; other applications assert
    that they were called for HTTP.
    """

    async def tried(scope: Scope, receive: Receive, send: Send) -> None:
        asked = False

        async def receiving() -> Event:
            nonlocal asked
            asked = True
            return await receive()

        try:
            await app(scope, receiving, send)
        except (AssertionError, NotImplementedError, Resolver404, ValueError) as error:
            if asked:  # the app has begun to handle the handshake, so this is its own fault, for the server to log
                raise
            await receive()
            await refuse(f"no websocket route of the site takes it ({shown(str(error))})", scope, send)

    return tried
