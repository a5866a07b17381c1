"""A visitor with a browser: a page that asks, follows, loses its socket and opens another, and what it shows meanwhile.

::

    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        answer = await tab.ask("paced:40:200 Why?")
        await answer.until(lambda: len(answer.text) > 50)
        await tab.reconnect(site[1].port)
        await tab.resume(answer)
        await answer.ended()
"""

import asyncio
import contextlib
import itertools
import json
import re
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults import pace
from tests.html.markdown.page import Reader
from tests.support.pages import ChatPage, Message
from tests.support.processes import SiteProcess

WAIT = 30.0 + pace.longer(60.0, 0.0)
"""How long a test waits for anything: a silent model, or recovery from a dead process, takes 30 s itself."""

ENDINGS = {"finish", "abort", "error"}
RESERVED = "conversation"
AGAIN = {"lost", "draining"}
"""Close codes at which a page reconnects by itself."""

_names = itertools.count()


def fresh(kind: str) -> str:
    """Return a unique id."""
    return f"{kind}-{uuid.uuid4().hex[:16]}"


def asking(behaviour: str) -> str:
    """Return a unique question that makes the model behave as given."""
    return f"{behaviour} {uuid.uuid4().hex}"


class Answer:
    """What a page shows of one answer, over all the requests that followed it.

    ``text`` is the sum of the chunks in the text format; the html format is in ``page``.
    """

    def __init__(self, chat: str, question: str, message: str, text: str = "") -> None:
        self.chat = chat
        self.question = question
        self.message = message
        self.uid: str | None = None
        self.text = text
        self.page = HtmlPage()
        self.sequence = -1
        self.ending: dict[str, Any] | None = None
        self.frames: list[dict[str, Any]] = []
        self.times: list[float] = []
        """The time at which each frame arrived."""
        self.over = False
        """Whether the request that follows it has received its last frame."""
        self.code: str | None = None
        """The code of an error of the answer or of the request."""
        self.missing = False
        """Whether the last resume found nothing."""
        self.fatal: Callable[[dict[str, Any]], bool] | None = None
        """Decides at which frame the page loses its socket; everything after that frame is lost."""
        self._fresh_request = True
        self._changed = asyncio.Event()

    def follow(self) -> None:
        """Prepare for a new request that follows the answer."""
        self.over = self.missing = False
        self._fresh_request = True

    def take(self, frame: dict[str, Any]) -> None:
        """Handle one frame of the request that follows the answer."""
        self.frames.append(frame)
        self.times.append(time.monotonic())
        kind = frame["type"]
        self.code = frame.get("code", self.code)
        if kind == "chunk":
            self._count(frame["sequence"])
            self._apply(frame["chunk"])
        self.missing = kind == "no-active"
        self.over = kind in ("end", "error", "no-active")
        self.changed()

    def changed(self) -> None:
        change, self._changed = self._changed, asyncio.Event()
        change.set()

    async def until(self, condition: Callable[[], Any], wait: float = WAIT) -> None:
        """Wait until a condition on what is shown holds."""
        try:
            async with asyncio.timeout(wait):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            last = [json.dumps(frame)[:200] for frame in self.frames[-3:]]
            raise AssertionError(
                f"waited for {wait} s at {len(self.text)} characters; the last frames: {last}"
            ) from None

    async def acknowledged(self, wait: float = WAIT) -> None:
        """Wait until the server has acknowledged the question."""
        await self.until(lambda: self.uid is not None, wait)

    async def ended(self, wait: float = WAIT) -> str:
        """Wait for the last frame, and return the type of the ending that is shown, or the code of the refusal."""
        await self.until(lambda: self.over, wait)
        return str(self.ending["type"] if self.ending else self.code)

    def _count(self, sequence: int) -> None:
        if self._fresh_request and sequence != self.sequence + 1:
            assert sequence == 0, f"a reply began at {sequence} for a page that has {self.sequence}"
        else:
            assert sequence == self.sequence + 1, f"{sequence} came after {self.sequence}"
        self._fresh_request = False
        self.sequence = sequence

    def _apply(self, chunk: dict[str, Any]) -> None:
        kind = chunk["type"]
        if kind == "start":
            assert self.uid in (None, chunk["messageId"]), "a resume brought another answer"
            self.uid, self.text, self.ending = chunk["messageId"], "", None
        elif kind == "text-delta":
            self.text += chunk["delta"]
        elif kind in ENDINGS:
            self.ending = chunk
        elif kind.startswith("data-"):
            self.page.take([chunk])


class HtmlPage(ChatPage):
    """A page that also accepts messages which arrive with all their parts."""

    def take(self, chunks: list[dict[str, Any]]) -> "HtmlPage":
        for chunk in chunks:
            super().take([chunk])
            if chunk["type"] == "data-message":
                self.messages[chunk["data"]["id"]].parts = parts_of(chunk["data"]["html"])
        return self

    @classmethod
    def loaded(cls, html: str) -> "HtmlPage":
        """Return a page as a browser shows it after loading ``html``."""
        page = cls()
        for article in _ARTICLE.finditer(html):
            message = page.messages[article[1]] = Message(article[0], article[2])
            message.parts = parts_of(article[0])
        return page

    def blocks(self, uid: str) -> list[str]:
        """Return all blocks of a message."""
        return [block for part in self.messages[uid].parts.values() for block in part.blocks]

    @property
    def last(self) -> dict[str, str] | None:
        """Return what the page sends in ``body.after``."""
        if not self.messages:
            return None
        uid, message = list(self.messages.items())[-1]
        return {"message": uid, "status": message.status}


_ARTICLE = re.compile(
    r'<article\s+class="llm-chat-message"\s+data-message="([^"]+)".*?data-status="(\w+)".*?</article>', re.DOTALL
)
_PART = re.compile(
    r'data-part="(\d+)">\s*<div class="llm-chat-blocks" data-blocks dir="auto">(.*?)</div>\s*</llm-chat-part>',
    re.DOTALL,
)
_BLOCK = '<div class="llm-chat-block">'


def parts_of(html: str) -> dict[int, Reader]:
    """Return the parts of an article, as if they had been streamed to the page."""
    parts: dict[int, Reader] = {}
    for number, blocks in _PART.findall(html):
        reader = parts[int(number)] = Reader()
        reader.blocks = blocks.removeprefix(_BLOCK).removesuffix("</div>").split("</div>" + _BLOCK) if blocks else []
    return parts


class Tab:
    """One page with one socket. ``events`` are those of the reserved request, ``close_code`` is the server's."""

    def __init__(self, cookie: str, view: str = "text") -> None:
        self.cookie = cookie
        self.view = view
        self.events: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.answers: dict[str, Answer] = {}
        self.socket: ClientConnection | None = None
        self.heard: Callable[[dict[str, Any]], None] | None = None
        """Called with every frame that belongs to no answer."""
        self.lost = False
        """Whether the socket is gone."""
        self._reading: asyncio.Task[None] | None = None

    async def connect(self, port: int, origin: str | None = None) -> None:
        """Open the socket, directly to a process or through a proxy."""
        origin = origin or f"http://127.0.0.1:{port}"
        headers = {"Cookie": self.cookie}
        address = f"ws://127.0.0.1:{port}/ws/chat/"
        options = {"max_size": None, "ping_interval": None, "close_timeout": 1, "proxy": None, "compression": None}
        self.socket = await connect(address, origin=origin, additional_headers=headers, open_timeout=WAIT, **options)  # type: ignore[arg-type]
        self.close_code = None
        self.answers = {}
        self.lost = False
        self._reading = asyncio.create_task(self._read(self.socket))

    async def reconnect(self, port: int, wait: float = WAIT) -> None:
        """Open another socket, retrying as often as needed; an open one is dropped."""
        await self.drop()
        async with asyncio.timeout(wait):
            while True:
                with contextlib.suppress(OSError, EOFError, ConnectionClosed, InvalidHandshake):
                    return await self.connect(port)
                await asyncio.sleep(0.02)

    async def drop(self) -> None:
        """Lose the socket without a closing handshake."""
        if self.socket is not None:
            self.socket.transport.abort()
            await self.closed()

    async def close(self) -> None:
        """Leave."""
        if self.socket is not None:
            await self.socket.close()
            await self.closed()

    async def closed(self, wait: float = WAIT) -> int | None:
        """Wait until the socket is closed, and return the code, if there was one."""
        assert self._reading is not None
        async with asyncio.timeout(wait):
            await asyncio.shield(self._reading)
        return self.close_code

    async def ask(self, question: str, chat: str | None = None, message: str | None = None, **body: Any) -> Answer:
        """Send a question; send it again by giving the same ``message``."""
        answer = Answer(chat or fresh("c"), question, message or fresh("m"))
        await self.send(answer, **body)
        return answer

    async def send(self, answer: Answer, **body: Any) -> None:
        """Send an answer's question, possibly again."""
        user = {"id": answer.message, "role": "user", "parts": [{"type": "text", "text": answer.question}]}
        await self.request(answer, "send", trigger="submit-message", messages=[user], body=body)

    async def regenerate(self, answer: Answer, attempt: str, **body: Any) -> Answer:
        """Request another answer in place of this one, or with ``continue`` one that continues it."""
        begun = answer.text if body.get("continue") else ""
        again = Answer(answer.chat, answer.question, answer.message, begun)
        again.page = answer.page
        more = {"messageId": answer.uid, "body": {"attempt": attempt, **body}}
        await self.request(again, "send", trigger="regenerate-message", messages=[], **more)
        return again

    async def decide(self, answer: Answer, call: str, *, approved: bool = True) -> Answer:
        """Allow or deny a call; return what comes of it."""
        decided = Answer(answer.chat, answer.question, answer.message)
        decided.page = answer.page
        await self.request(decided, "decide", body={}, callId=call, approved=approved)
        return decided

    async def resume(self, answer: Answer, *, replay: bool = False) -> None:
        """Follow an answer again from the page's position, or with ``replay`` from the beginning."""
        if self.view == "html":
            await self.request(answer, "resume", body={"after": answer.page.last})
        elif replay or answer.uid is None or answer.sequence < 0:
            await self.request(answer, "resume", body={})
        else:
            await self.request(answer, "resume", body={"messageId": answer.uid}, lastSequence=answer.sequence)

    async def join(self, chat: str, question: str = "") -> Answer:
        """Follow the running answer of a conversation that this page does not show yet."""
        answer = Answer(chat, question, "")
        await self.resume(answer)
        return answer

    async def follow_through(self, answer: Answer, port: int, *, replay: bool = False, wait: float = WAIT) -> None:
        """Do what our page does: whenever the socket is lost, open another and resume, or send the question again."""
        async with asyncio.timeout(wait):
            while not answer.over or answer.code in AGAIN:
                await answer.until(lambda: answer.over or self.lost, wait)
                if not answer.over or answer.code in AGAIN:
                    answer.code = None
                    await self.reconnect(port)
                    with contextlib.suppress(ConnectionClosed):
                        await (self.send(answer) if answer.uid is None else self.resume(answer, replay=replay))

    async def stop(self, answer: Answer) -> None:
        """Press the button."""
        request = next(request for request, followed in self.answers.items() if followed is answer)
        await self.raw({"type": "abort", "requestId": request})

    async def raw(self, frame: dict[str, Any] | str) -> None:
        assert self.socket is not None
        await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def request(self, answer: Answer, kind: str, body: dict[str, Any], **more: Any) -> None:
        request = f"r{next(_names)}"
        answer.follow()
        self.answers = {name: known for name, known in self.answers.items() if known is not answer}
        self.answers[request] = answer
        body = {"view": self.view, **{name: value for name, value in body.items() if value is not None}}
        await self.raw({"type": kind, "requestId": request, "id": answer.chat, "headers": {}, "body": body, **more})

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["requestId"] == RESERVED:
                    self.events.append(frame)
                elif answer := self.answers.get(frame["requestId"]):
                    answer.take(frame)
                    if answer.fatal is not None and answer.fatal(frame):
                        answer.fatal = None
                        socket.transport.abort()
                        return
                elif self.heard is not None:
                    self.heard(frame)
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else None
        finally:
            self.close_code = self.close_code or socket.close_code
            self.lost = True
            for answer in self.answers.values():
                answer.changed()


class Visitor:
    """A session cookie, and the tabs that are open with it."""

    def __init__(self, cookie: str) -> None:
        self.cookie = cookie
        self.tabs: list[Tab] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, process: SiteProcess, cookie: str = "") -> AsyncIterator["Visitor"]:
        """Yield a new visitor, or the one with the given cookie; close the tabs at the end."""
        visitor = cls(cookie or await asyncio.to_thread(process.visitor))
        try:
            yield visitor
        finally:
            for tab in visitor.tabs:
                await tab.close()

    async def load(self, port: int, chat: str) -> HtmlPage:
        """Load the page of a conversation."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}/chat/{chat}/", headers={"Cookie": self.cookie})
        with await asyncio.to_thread(urllib.request.urlopen, request) as response:
            return HtmlPage.loaded(response.read().decode())

    async def open(self, port: int, view: str = "text") -> Tab:
        """Open one more tab."""
        tab = Tab(self.cookie, view)
        self.tabs.append(tab)
        await tab.connect(port)
        return tab
