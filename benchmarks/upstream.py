"""A model that needs hardly any CPU: raw asyncio protocols that stream prepared tokens in OpenAI's format.

``python -m benchmarks.upstream RATE LENGTH`` prints its port. One timer paces all streams, so that 50,000 tokens a
second fit on a core that is shared with the clients. ``GET /count`` returns how many tokens it has sent, ``GET
/pace/RATE/LENGTH`` changes the tokens per second and the length of the answers that begin from now on, and ``GET
/finish`` ends all answers.
"""

import asyncio
import json
import sys
from string import ascii_lowercase

from . import marks
from .harness import run

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
SLOT = 0.002
"""Seconds between two turns of the timer. A stream is served once in as many turns as its interval has."""

ANSWER = '''## _ _ _

_ _ _ **_ _** _ _ _ _, _ _ _ _ _ `_` _ _ _ _ _. _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _.

- **_ _:** _ _ _ _ _ _ _ _
- **_:** _ _ _ _ _ _ _ _ _
- **_ _:** _ _ _ _ [_ _](https://example.com/) _ _
- _ _ _ _ _ _ _ _ _ _

```python
def answer(question):
    """_ _ _ _ _ _."""
    # _ _ _ _ _ _
    return 42  # _ _ _ _
```

_ _ _ *_ _* _ _ _ _ _ _ _. _ _ _ _ _ _ _ _ _ _ _, _ _ _ _ _ _ _ _.

_ _ _ _ _ _ _ _ _ _ _ _.

'''
"""What an answer consists of, again and again: each ``_`` is a token, whose text is what precedes it and a mark.

In code, only comments keep a mark whole when it is highlighted.
"""


def event(payload: bytes) -> bytes:
    """Return one SSE event as one HTTP chunk."""
    data = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def token(text: str, letter: str) -> tuple[bytes, bytes]:
    """Return a token as OpenAI's API sends it, with its other fields: what precedes its mark and what follows.

    A change of HTML keeps the end of the text where it stays as it was. The letter behind the mark differs from those
    of the tokens before, so that this end never has a part of the mark.
    """
    whole = event(
        b'{"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"bench",'
        b'"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":'
        + json.dumps(f"{text}%TIME{letter}").encode()
        + b'},"logprobs":null,"finish_reason":null}]}'
    )
    before, after = whole.split(b"TIME")
    return before, after


TOKENS = [token(text, ascii_lowercase[place % 26]) for place, text in enumerate(ANSWER.rstrip().split("_")[:-1])]
END = event(
    b'{"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"bench",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
) + event(b"[DONE]")


class Pace:
    """The streams that are open, each in the turn of the timer at which it gets its next token."""

    def __init__(self, rate: float, length: int) -> None:
        self.sent = 0
        self._last = 0
        self.set(rate, length)

    def set(self, rate: float, length: int) -> None:
        """Change the pace. Streams that are still open end."""
        if hasattr(self, "_turns"):
            self.finish()
        self.length = length
        slots = max(1, round(1 / rate / SLOT))
        self._slot = 1 / rate / slots
        self._turns: list[set[Connection]] = [set() for _ in range(slots)]
        self._turn = 0

    def join(self, connection: "Connection") -> None:
        """Send the first token of a stream at once, and the others at the pace."""
        self._last = max(self._last, marks.now())
        connection.left = self.length
        connection.turn = self._turns[self._turn]
        connection.turn.add(connection)
        connection.write(HEAD)
        self._send(connection, marks.encoded(self._last))

    def finish(self) -> None:
        """End all open streams."""
        for connection in [connection for turn in self._turns for connection in turn]:
            connection.end()

    async def keep(self) -> None:
        """Serve one turn after the other, and those that are overdue at once."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._turn = (self._turn + 1) % len(self._turns)
            self._serve(self._turns[self._turn])
            due += self._slot
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            else:
                await asyncio.sleep(0)

    def _serve(self, turn: "set[Connection]") -> None:
        if turn:
            self._last = max(self._last + 1, marks.now())
            mark = marks.encoded(self._last)
            for connection in list(turn):
                self._send(connection, mark)

    def _send(self, connection: "Connection", mark: bytes) -> None:
        before, after = TOKENS[(self.length - connection.left) % len(TOKENS)]
        connection.write(before + mark + after)
        self.sent += 1
        connection.left -= 1
        if not connection.left:
            connection.end()


class Connection(asyncio.Protocol):
    """One connection of a server under test: one request after the other."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._unread = b""
        self.left = 0
        self.turn: set[Connection] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.write = transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        self.turn.discard(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, rest = self._unread.partition(b"\r\n\r\n")
        if not found or len(rest) < (length := _length_of_body(head)):
            return
        self._unread = rest[length:]
        if head.startswith(b"POST"):
            self._pace.join(self)
        else:
            self.write(self._control(head.split()[1].decode().strip("/").split("/")))

    def end(self) -> None:
        """End the answer; the connection may ask for another."""
        self.turn.discard(self)
        self.write(END + b"0\r\n\r\n")

    def _control(self, words: list[str]) -> bytes:
        match words:
            case ["pace", rate, length]:
                self._pace.set(float(rate), int(length))
            case ["finish"]:
                self._pace.finish()
        body = str(self._pace.sent).encode()
        return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _length_of_body(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


async def main(rate: float, length: int) -> None:
    """Serve until killed."""
    pace = Pace(rate, length)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(pace), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await pace.keep()


if __name__ == "__main__":
    run(main(float(sys.argv[1]), int(sys.argv[2])))
