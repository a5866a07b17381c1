"""A visitor's websocket, with methods for the steps of the protocol."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator
from django.conf import settings

from chat.routing import application

WAIT = 5.0
ENDS = {"end", "error", "no-active"}


async def _no_http(scope, receive, send):
    raise AssertionError("a socket's test makes no HTTP request")


class Communicator(WebsocketCommunicator):
    """A communicator that lets Django close the connections of the app's threads.

    Channels' own prevents that while it sends and receives.
    """

    async def send_input(self, message):
        await ApplicationCommunicator.send_input(self, message)

    async def receive_output(self, timeout=1):  # noqa: ASYNC109 - Channels' signature
        event = await ApplicationCommunicator.receive_output(self, timeout)
        if event["type"] == "websocket.accept":
            self.accepted = event
        return event


class Socket:
    """One open websocket. Frames are dictionaries; each request's are kept apart."""

    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator
        self._ids = (f"r{number}" for number in itertools.count())
        self._frames: dict[str, list[dict]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        session_key: str | None,
        origin: str = "http://localhost",
        query: str = "",
        forwarded: str = "",
        **cookies: str,
    ) -> AsyncIterator["Socket"]:
        """Open a socket. ``forwarded`` is what a proxy has added to ``X-Forwarded-For``."""
        given = headers(session_key, origin, **cookies)
        if forwarded:
            given.append((b"x-forwarded-for", forwarded.encode()))
        communicator = Communicator(application(_no_http), settings_path() + query, given)
        connected, _code = await communicator.connect(WAIT)
        assert connected
        try:
            yield cls(communicator)
        finally:
            # The application was cancelled if a wait has timed out. Raising that here would stop the clean-up of all
            # other fixtures, including the database's, and every later test would fail.
            if not communicator.future.cancelled():
                await communicator.disconnect()

    @property
    def cookies(self) -> dict[str, str]:
        """Return the cookies that the response to the handshake has set."""
        found = SimpleCookie()
        for name, value in self.communicator.accepted.get("headers", ()):
            if name == b"set-cookie":
                found.load(value.decode())
        return {name: morsel.value for name, morsel in found.items()}

    async def ask(self, text: str, *, chat: str = "c1", message: str = "m1", **more) -> str:
        """Send a message, and return the request's id."""
        user = {"id": message, "role": "user", "parts": [{"type": "text", "text": text}]}
        return await self.send({"trigger": "submit-message", "id": chat, "messages": [user], **more})

    async def regenerate(
        self, answer: str | None = None, *, chat: str = "c1", attempt: str | None = None, body: dict | None = None
    ) -> str:
        body = {**(body or {}), **({} if attempt is None else {"attempt": attempt})}
        frame = {"trigger": "regenerate-message", "id": chat, "messages": [], "body": body}
        return await self.send(frame if answer is None else {**frame, "messageId": answer})

    async def resume(self, *, chat: str = "c1", body: dict | None = None, **more) -> str:
        return await self.send({"type": "resume", "id": chat, "body": body or {}, **more})

    async def decide(self, call: str, approved: bool = True, *, chat: str = "c1", **more) -> str:
        """Allow or deny a call, and return the request's id."""
        return await self.send({"type": "decide", "id": chat, "callId": call, "approved": approved, **more})

    async def abort(self, request: str) -> None:
        await self.raw(json.dumps({"type": "abort", "requestId": request}))

    async def send(self, frame: dict) -> str:
        request = next(self._ids)
        await self.raw(json.dumps({"type": "send", "requestId": request, "headers": {}, "body": {}, **frame}))
        return request

    async def raw(self, text: str) -> None:
        await self.communicator.send_to(text_data=text)

    async def frame(self, request: str) -> dict:
        """Return the request's next frame."""
        while not self._frames.get(request):
            frame = json.loads(await self.communicator.receive_from(WAIT))
            self._frames.setdefault(frame["requestId"], []).append(frame)
        return self._frames[request].pop(0)

    async def chunk(self, request: str, kind: str) -> dict:
        """Return the request's next chunk of a type, skipping the ones before it."""
        while True:
            frame = await self.frame(request)
            assert frame["type"] not in ENDS, f"{frame} came before a chunk {kind}"
            if frame["type"] == "chunk" and frame["chunk"]["type"] == kind:
                return frame["chunk"]

    async def rest(self, request: str) -> list[dict]:
        """Return all frames up to and including the request's last one."""
        frames = [await self.frame(request)]
        while frames[-1]["type"] not in ENDS:
            frames.append(await self.frame(request))
        return frames

    async def chunks(self, request: str) -> list[dict]:
        """Return the rest of the request's chunks; it must finish without an error."""
        frames = await self.rest(request)
        assert frames[-1]["type"] == "end", frames[-1]
        return [frame["chunk"] for frame in frames if frame["type"] == "chunk"]

    async def error(self, request: str) -> str:
        """Return the code with which the request was refused."""
        frames = await self.rest(request)
        assert frames[-1]["type"] == "error", frames
        return frames[-1]["code"]

    async def closed(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closed the socket."""
        while True:
            event = await self.communicator.receive_output(WAIT)
            if event["type"] == "websocket.close":
                return event.get("code", 1000), event.get("reason", "")


def settings_path() -> str:
    from chat.conf import conf

    return conf.socket_path


def headers(session_key: str | None, origin: str | None, **cookies: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a browser's handshake."""
    found = [(b"host", b"localhost")]
    if origin is not None:
        found.append((b"origin", origin.encode()))
    if session_key is not None:
        cookies = {settings.SESSION_COOKIE_NAME: session_key, **cookies}
    if cookies:
        found.append((b"cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()))
    return found


def text_of(chunks: list[dict]) -> str:
    """Return the text that a client of the text format puts together."""
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")
