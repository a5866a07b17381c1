"""A reverse proxy on loopback that makes the mistakes that a test asks for."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Pass = Callable[[socket.socket, socket.socket], None]
"""Passes on what the first sends to the second, until the first has sent everything."""


@dataclass
class Head:
    """The head of a request, which a test may change before it is passed on."""

    method: str
    path: str
    headers: dict[str, str]
    """By their names in small letters."""

    def encoded(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def upgrades(self) -> bool:
        return self.headers.get("upgrade", "").lower() == "websocket"


def plain(source: socket.socket, target: socket.socket) -> None:
    """Pass everything on at once."""
    while data := source.recv(65_536):
        target.sendall(data)


def gathering(seconds: float) -> Pass:
    """Pass the head on at once, and what comes after it in one go for so many seconds."""

    def passing(source: socket.socket, target: socket.socket) -> None:
        target.sendall(_head_of(source))
        while data := source.recv(65_536):
            until = time.monotonic() + seconds
            with contextlib.suppress(TimeoutError):
                while (left := until - time.monotonic()) > 0:
                    source.settimeout(left)
                    data += source.recv(65_536)
            source.settimeout(None)
            target.sendall(data)

    return passing


def zipping(source: socket.socket, target: socket.socket) -> None:
    """Compress what comes after the head."""
    target.sendall(_head_of(source).replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
    press = zlib.compressobj(wbits=31)
    while data := source.recv(65_536):
        target.sendall(press.compress(data) + press.flush(zlib.Z_SYNC_FLUSH))


def zipping_pages(source: socket.socket, target: socket.socket) -> None:
    """Compress a whole response."""
    head, body = _head_of(source), b""
    while data := source.recv(65_536):
        body += data
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"content-length")]
    zipped = gzip.compress(body)
    lines += [b"Content-Encoding: gzip", b"Content-Length: %d" % len(zipped)]
    target.sendall(b"\r\n".join([*lines, b"", zipped]))


def cutting(seconds: float) -> Pass:
    """Close a connection whose server has sent nothing for so many seconds."""

    def passing(source: socket.socket, target: socket.socket) -> None:
        source.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            plain(source, target)

    return passing


def closing(source: socket.socket, target: socket.socket) -> None:
    """Close the connection when the server has answered the handshake."""
    target.sendall(_head_of(source))


def answering(response: bytes) -> Pass:
    """Answer with something else."""

    def passing(source: socket.socket, target: socket.socket) -> None:
        target.sendall(response)

    return passing


class ReverseProxy:
    """A proxy for one server; each connection carries one request.

    Args:
        port: that of the server.
        edit: changes the head of a request.
        sockets: how what the server sends on a websocket is passed on.
        pages: the same for everything else.
        tls: with a context, the proxy speaks HTTPS.
    """

    def __init__(
        self,
        port: int,
        edit: Callable[[Head], None] = lambda head: None,
        sockets: Pass = plain,
        pages: Pass = plain,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._target = ("127.0.0.1", port)
        self._edit, self._sockets, self._pages = edit, sockets, pages
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

        self._ended = _terminate_tls(self.port, tls) if tls is not None else None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._ended[0]}" if self._ended else f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        if self._ended:
            self._ended[1]()
        self._listener.close()
        for end in list(self._open):
            _shut(end)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(self._kept(client))
            head = _parsed(_head_of(client))
            upgrades = head.upgrades
            if not upgrades:
                head.headers["connection"] = "close"
            self._edit(head)
            server = stack.enter_context(self._kept(socket.create_connection(self._target)))
            server.sendall(head.encoded())
            threading.Thread(target=_quietly, args=(plain, client, server), daemon=True).start()
            _quietly(self._sockets if upgrades else self._pages, server, client)
            _shut(client)
            _shut(server)

    @contextlib.contextmanager
    def _kept(self, end: socket.socket) -> Iterator[socket.socket]:
        self._open.add(end)
        try:
            yield end
        finally:
            self._open.discard(end)
            end.close()


def _terminate_tls(port: int, context: ssl.SSLContext) -> tuple[int, Callable[[], None]]:
    """Speak HTTPS before a port. Return the port for that, and what ends it.

    On an event loop, because two threads must not use one TLS connection.
    """
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(65_536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort() if asyncio.current_task().cancelling() else writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async def close() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        await asyncio.sleep(0)  # the transports close their sockets with the next step of the loop

    def end() -> None:
        asyncio.run_coroutine_threadsafe(close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context), loop).result(5)
    return server.sockets[0].getsockname()[1], end


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _quietly(passing: Pass, source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        passing(source, target)


def _head_of(source: socket.socket) -> bytes:
    """Read up to the end of a head, byte by byte, so that nothing behind it is lost."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = source.recv(1)
        if not data:
            raise OSError("closed in the head")
        head += data
    return head


def _parsed(head: bytes) -> Head:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Head(method, path, headers)


@contextlib.contextmanager
def before(port: int, **options: object) -> Iterator[ReverseProxy]:
    """Run a proxy before a server until the context ends."""
    proxy = ReverseProxy(port, **options)  # type: ignore[arg-type]
    try:
        yield proxy
    finally:
        proxy.close()
