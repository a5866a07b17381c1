"""What the parts of the app's ASGI application share."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.handlers.asgi import get_script_prefix

Event = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def path_of(scope: Scope) -> str:
    """Return the path of a request below the site's own, as Django finds it for a page.

    That is below ``FORCE_SCRIPT_NAME``, or the ``root_path`` of the server, whether or not the proxy takes it off.
    """
    asked: str = scope["path"]
    return asked.removeprefix(get_script_prefix(scope).rstrip("/")).lstrip("/")
