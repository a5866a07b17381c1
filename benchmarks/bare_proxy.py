"""The floor: a websocket server that only passes tokens on. It stores nothing, resumes nothing and checks nobody.

``python -m benchmarks.bare_proxy PORT UPSTREAM_PORT``. Raw asyncio protocols on both sides, with msgspec for JSON and
no framework: one websocket frame for each delta of the model, in the AI SDK's format.
"""

import asyncio
import base64
import hashlib
import sys
from itertools import count

import msgspec

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Question(msgspec.Struct, rename="camel"):
    """The frame that asks."""

    request_id: str
    messages: list[msgspec.Raw]


class Delta(msgspec.Struct):
    """What the model adds."""

    content: str | None = None


class Choice(msgspec.Struct):
    """One of the answers of a chunk, of which there is one."""

    delta: Delta


class Completion(msgspec.Struct):
    """One chunk of the model's answer."""

    choices: list[Choice]


_question = msgspec.json.Decoder(Question).decode
_completion = msgspec.json.Decoder(Completion).decode
_encode = msgspec.json.Encoder().encode


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a server's websocket frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload


class Model(asyncio.Protocol):
    """One connection to the upstream, kept for the next question."""

    def __init__(self, idle: "list[Model]") -> None:
        self._idle = idle
        self._unread = b""
        self._headers = True
        self.visitor: Visitor | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def ask(self, visitor: "Visitor", messages: list[msgspec.Raw]) -> None:
        """Send the request, and pass the answer on to a visitor."""
        self.visitor, self._headers = visitor, True
        body = _encode({"model": "bench", "stream": True, "messages": messages})
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self.visitor is not None:
            self.visitor.lose()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if self._headers:
            _, found, rest = self._unread.partition(b"\r\n\r\n")
            if not found:
                return
            self._headers, self._unread = False, rest
        if self.visitor is not None:
            self.visitor.add([text for event in self._events() if (text := self._text(event))])
            if self._ended:
                self._end()

    def _events(self) -> list[bytes]:
        """Return the lines of the HTTP chunks that have arrived completely; an event is one line in one chunk."""
        lines: list[bytes] = []
        unread, at, self._ended = self._unread, 0, False
        while (line := unread.find(b"\r\n", at)) >= 0:
            size = int(unread[at:line], 16)
            if len(unread) < line + size + 4:
                break
            if not size:
                self._ended = True
            lines += unread[line + 2 : line + 2 + size].split(b"\n\n")
            at = line + size + 4
        self._unread = unread[at:]
        return lines

    def _text(self, event: bytes) -> str | None:
        if not event.startswith(b"data: {"):
            return None
        choices = _completion(event[6:]).choices
        return choices[0].delta.content if choices else None

    def _end(self) -> None:
        visitor, self.visitor = self.visitor, None
        self._idle.append(self)
        assert visitor is not None
        visitor.end()


class Visitor(asyncio.Protocol):
    """One websocket: a handshake, then each message is a question."""

    def __init__(self, upstream_port: int, idle: list[Model]) -> None:
        self._upstream_port, self._idle = upstream_port, idle
        self._unread = b""
        self._opened = False
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._opened:
            self._shake_hands()
        while self._opened and (message := self._next()):
            self._handle(*message)

    def add(self, texts: list[str]) -> None:
        """Send one frame for each delta, in one write."""
        self._transport.write(
            b"".join(
                frame(
                    TEXT,
                    self._prefix
                    + b'%d,"chunk":{"type":"text-delta","id":"0","delta":%b}}' % (next(self._count), _encode(text)),
                )
                for text in texts
            )
        )

    def end(self) -> None:
        """Say that the answer is complete."""
        self._transport.write(frame(TEXT, b'{"type":"end","requestId":%b}' % self._request))

    def lose(self) -> None:
        """Close, because the model has gone away."""
        self._transport.close()

    def _shake_hands(self) -> None:
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if found:
            self._opened, self._unread = True, rest
            lines = (line.partition(b":") for line in head.split(b"\r\n"))
            key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())  # noqa: S324 - the protocol's
            switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            self._transport.write(switch + b"sec-websocket-accept: " + accept + b"\r\n\r\n")

    def _next(self) -> tuple[int, bytes] | None:
        """Return the next frame's opcode and payload, or ``None`` if it has not arrived completely."""
        unread = self._unread
        if len(unread) < 2:
            return None
        size, at = unread[1] & 0x7F, 2
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(unread[2:at], "big")
        end = at + 4 + size
        if len(unread) < end:
            return None
        self._unread = unread[end:]
        pad = (unread[at : at + 4] * (size // 4 + 1))[:size]
        payload = int.from_bytes(unread[at + 4 : end], "big") ^ int.from_bytes(pad, "big")
        return unread[0] & 0x0F, payload.to_bytes(size, "big")

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            task = asyncio.get_running_loop().create_task(self._answer(_question(payload)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif opcode == PING:
            self._transport.write(frame(PONG, payload))
        elif opcode == CLOSE:
            self._transport.write(frame(CLOSE, payload))
            self._transport.close()

    async def _answer(self, question: Question) -> None:
        self._request, self._count = _encode(question.request_id), count()
        self._prefix = b'{"type":"chunk","requestId":%b,"sequence":' % self._request
        if self._idle:
            model = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, model = await loop.create_connection(lambda: Model(self._idle), "127.0.0.1", self._upstream_port)
        model.ask(self, question.messages)


async def main(port: int, upstream_port: int) -> None:
    """Serve until killed."""
    idle: list[Model] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Visitor(upstream_port, idle), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
