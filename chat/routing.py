"""The app's place in a site's ASGI application.

``application`` puts the chat around the ASGI application that a site has; ``websocket_urlpatterns`` puts it into a
``URLRouter`` of the site's own, with ``lifespan`` beside it.
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
from .lifespan import check_under_daphne, lifespan, lifespan_of
from .origin import SERVER_SEND, is_trusted, refuse, same_origin, shown

__all__ = ["application", "is_trusted", "lifespan", "websocket_urlpatterns"]

check_under_daphne()


def application(django_app: App, websockets: Sequence[Any] = ()) -> App:
    """Return a site's ASGI application with the chat in it.

    Args:
        django_app: what the site had before, ``get_asgi_application()`` or more. It still receives its lifespan, and
            the websockets whose path is not one of ours, without our checks.
        websockets: routes of the site's own, which get the chat's origin check, session and user.
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
    """Give an app the server's own ``send``: Channels' session inspects every frame, which costs 3 us."""

    async def sending(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, scope.get(SERVER_SEND, send))

    return sending


def _with_user(app: App) -> App:
    """Give an app session and user, unless the site's own router has done it."""
    stacked: App = AuthMiddlewareStack(app)

    async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if "user" in scope else stacked)(scope, receive, send)

    return admitted


_socket = same_origin(_with_user(direct(ChatConsumer.as_asgi())))


def _chat_routes(*prefixes: str) -> list[Any]:
    """Return the websocket's route below each of the prefixes."""
    paths = {(prefix + conf.socket_path).lstrip("/") for prefix in prefixes}
    return [path(found, _socket) for found in paths]  # type: ignore[arg-type]


# A URLRouter knows nothing of FORCE_SCRIPT_NAME, which a proxy may leave on or take off.
websocket_urlpatterns = _chat_routes("", conf.script_name)
"""The chat's routes for a site's own ``URLRouter``, with their origin check, and with session and user where needed."""


def _leads_to(routes: Sequence[Any], asked: str) -> bool:
    return any(route.pattern.match(asked) for route in routes)


def _or_refuse(app: App) -> App:
    """Refuse a handshake that an application has no place for, in one line of the log and without a traceback.

    Django raises ``ValueError`` for every websocket, and a ``URLRouter`` for a path that it does not know; other
    applications assert that they were called for HTTP.
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
            if asked:  # it had a place for the handshake: a fault of its own, for the server to log
                raise
            await receive()
            await refuse(f"no websocket route of the site takes it ({shown(str(error))})", scope, send)

    return tried
