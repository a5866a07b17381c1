"""Types and helpers that the modules of the ASGI application share, and the size limit for forms."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.handlers.asgi import get_script_prefix
from django.urls import Resolver404, resolve
from django.utils.translation import get_language_from_path, override

from .conf import conf

Event = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOO_LONG = b"The request is longer than a form of the chat can be.\n"


def path_of(scope: Scope) -> str:
    """Return a request's path within the site, as Django resolves it: without a leading slash.

    ``FORCE_SCRIPT_NAME``, or the server's ``root_path``, is removed, whether or not the proxy has already done so.
    """
    asked: str = scope["path"]
    return asked.removeprefix(get_script_prefix(scope).rstrip("/")).lstrip("/")


def bounded(app: App) -> App:
    """Wrap an app so that requests to the chat's pages with a body over ``conf.max_form_size`` bytes get a 413.

    Django writes the whole body to a temporary file before any view or middleware of the site could refuse it.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        length = _declared_length(scope)
        if (length is not None and length <= conf.max_form_size) or not _is_for_chat_page(scope):
            await app(scope, receive, send)
        elif length is None:
            await _counted(app, scope, receive, send)
        else:
            await _refuse(send)

    return checked


async def _counted(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request whose body arrives in chunks; if it gets too long, Django sees a client that disconnected."""
    length, answered = 0, False

    async def counting() -> Event:
        nonlocal length
        event = await receive()
        length += len(event.get("body", b""))
        return event if length <= conf.max_form_size else {"type": "http.disconnect"}

    async def sending(event: Event) -> None:
        nonlocal answered
        answered = True
        await send(event)

    try:
        await app(scope, counting, sending)
    except Exception:
        if length <= conf.max_form_size:  # otherwise: some applications raise when a client has disconnected
            raise
    if length > conf.max_form_size and not answered:
        await _refuse(send)


def _declared_length(scope: Scope) -> int | None:
    """Return the length of the body in bytes; ``None`` if it arrives in chunks, which HTTP/2 does not announce."""
    headers = dict(scope.get("headers", ()))
    chunked = not scope.get("http_version", "1.1").startswith("1.") and b"content-length" not in headers
    if chunked or b"transfer-encoding" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def _is_for_chat_page(scope: Scope) -> bool:
    path = f"/{path_of(scope)}"
    try:
        with override(get_language_from_path(path)):  # the site's routes may be in ``i18n_patterns``
            return "llm_chat" in resolve(path).app_names
    except Resolver404:
        return False


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_LONG})
