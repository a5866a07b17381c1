"""A websocket to the site's application, without a network."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from ..asgi import Event
from .server import Server

HOST = "testserver"
"""The host of Django's own test client, which ``ALLOWED_HOSTS`` has in tests."""


class Socket:
    """An open websocket. All methods may be called from any thread.

    Args:
        server: serves the site.
        path: the path of the websocket.
        cookies: the browser's cookies.
        heard: called on the site's loop with each frame of the site's.
        lost: called on the site's loop with the reason why the site has closed the socket.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        cookies: dict[str, str],
        heard: Callable[[dict[str, Any]], None],
        lost: Callable[[str], None],
    ) -> None:
        self._server = server
        self._heard = heard
        self._lost = lost
        self._left = False
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._scope = _scope(path, cookies)
        self._events.put_nowait({"type": "websocket.connect"})
        self._task = server.run(self._begin())

    def send(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        self._put({"type": "websocket.receive", "text": json.dumps(frame)})

    def close(self) -> None:
        """Leave, and wait until the site has noticed. Raises once what the site's application raised."""
        if self._left:
            return
        self._left = True
        self._put({"type": "websocket.disconnect", "code": 1001})
        self._server.run(self._ended())

    def _put(self, event: Event) -> None:
        self._server.loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def _begin(self) -> "asyncio.Task[None]":
        return asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        try:
            await self._server.app(self._scope, self._events.get, self._take)
        except Exception as error:
            self._lost(f"the site's application raised {error!r}")
            raise

    async def _take(self, event: Event) -> None:
        if event["type"] == "websocket.send":
            self._heard(json.loads(event["text"]))
        elif event["type"] == "websocket.close":
            code = event.get("code", 1000)
            self._lost(f"the site closed the websocket with {code}: {event.get('reason') or 'no reason'}")

    async def _ended(self) -> None:
        await asyncio.wait([self._task])
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error


def _scope(path: str, cookies: dict[str, str]) -> dict[str, Any]:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"host": HOST, "origin": f"http://{HOST}", "cookie": cookie}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "subprotocols": [],
        "client": ("127.0.0.1", 0),
        "server": (HOST, 80),
    }
