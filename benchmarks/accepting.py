"""The bare server that an idle socket of the chat is compared with: it accepts websockets, and says nothing."""

from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Accept one websocket, and wait for its end."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
