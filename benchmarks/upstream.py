"""A model that needs hardly any CPU: a raw asyncio server that streams deltas in OpenAI's format at a fixed rate.

``python -m benchmarks.upstream RATE DELTAS`` prints its port. One task paces all streams, so that its own load does not
affect the measurement. ``GET /count`` returns how many deltas it has sent.
"""

import asyncio
import sys

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WORDS = [b"waves ", b"of ", b"light ", b"are ", b"scattered ", b"by ", b"the ", b"air. "]


def event(payload: bytes) -> bytes:
    """Return one SSE event as one HTTP chunk."""
    data = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def delta(word: bytes) -> bytes:
    """Return one token as OpenAI's API sends it, with the other fields it carries."""
    return event(
        b'{"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"bench",'
        b'"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"' + word + b'"},"logprobs":null,'
        b'"finish_reason":null}]}'
    )


DELTAS = [delta(word) for word in WORDS]
END = event(b'{"id":"chatcmpl-8f3a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}') + event(b"[DONE]")


class Upstream:
    """The open streams, and how far each has got."""

    def __init__(self, rate: float, length: int) -> None:
        self.rate = rate
        self.length = length
        self.sent = 0
        self._open: dict[asyncio.StreamWriter, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, one request after the other."""
        while head := await self._head(reader):
            if head.startswith(b"GET /count"):
                body = str(self.sent).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                continue
            await reader.readexactly(self._length(head))
            writer.write(HEAD + DELTAS[0])
            self.sent += 1
            self._open[writer] = 1
        self._open.pop(writer, None)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def _length(self, head: bytes) -> int:
        lines = head.lower().split(b"\r\n")
        return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))

    async def pace(self) -> None:
        """Send every stream its next delta, spread over the interval like those of real models."""
        while True:
            turn = list(self._open.items())
            step = 1 / self.rate / max(len(turn), 1)
            began = asyncio.get_running_loop().time()
            for number, (writer, count) in enumerate(turn):
                if number % 5 == 0:
                    await asyncio.sleep(began + number * step - asyncio.get_running_loop().time())
                self._send(writer, count)
            await asyncio.sleep(began + 1 / self.rate - asyncio.get_running_loop().time())

    def _send(self, writer: asyncio.StreamWriter, count: int) -> None:
        if writer not in self._open or writer.is_closing():
            self._open.pop(writer, None)
        elif count >= self.length:
            del self._open[writer]
            writer.write(END + b"0\r\n\r\n")
        else:
            writer.write(DELTAS[count % len(DELTAS)])
            self.sent += 1
            self._open[writer] = count + 1


async def main(rate: float, length: int) -> None:
    """Serve until killed."""
    upstream = Upstream(rate, length)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await upstream.pace()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2])))
