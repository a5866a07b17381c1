"""A network between two components, in asyncio, that a test can slow down, silence or break.

::

    async with Network(site[0].port) as network:
        network.cut_after(700)             # the next connection is reset after 700 bytes from the server
        await tab.connect(network.port)
"""

import asyncio
import contextlib
import socket
import struct
from typing import Self


class Network:
    """A proxy that forwards connections from its own port to another.

    ``cut_after``, ``delay``, ``rate`` (bytes per second) and ``piece`` (bytes at a time) apply to connections that are
    opened later. ``reset`` and ``refuse`` also affect open ones, ``swallow`` affects all.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self.delay = 0.0
        self.rate = float("inf")
        self.piece = 65536
        self.connections = 0
        self._cuts: list[int] = []
        self._swallowed: set[str] = set()
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_after(self, *sizes: int) -> None:
        """Reset the next connections, each after its number of bytes from the server."""
        self._cuts += sizes

    def reset(self) -> None:
        """Reset all open connections in both directions."""
        for writer in self._open:
            _reset(writer)

    def refuse(self) -> None:
        """Reset all open connections and refuse new ones until ``allow``."""
        self._refusing = True
        self.reset()

    def allow(self) -> None:
        self._refusing = False

    def swallow(self, *sides: str) -> None:
        """Drop everything that ``"client"``, ``"server"`` or both send, without closing anything, until ``flow``."""
        self._swallowed = set(sides or ("client", "server"))

    def flow(self) -> None:
        """Stop dropping data."""
        self._swallowed = set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if self._refusing:
                return _reset(writer)
            limit = self._cuts.pop(0) if self._cuts else None
            there, back = await asyncio.open_connection(*self._target)
            self._open |= {writer, back}
            forth = asyncio.create_task(self._pump("client", reader, back))
            ways = [forth, asyncio.create_task(self._pump("server", there, writer, limit))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._open -= {writer, back}
                _reset(writer)
                _reset(back)
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            _reset(writer)
        except asyncio.CancelledError:
            pass  # closing the network; asyncio's server would report a cancelled task
        finally:
            self._tasks.discard(task)

    async def _pump(
        self, side: str, source: asyncio.StreamReader, target: asyncio.StreamWriter, limit: int | None = None
    ) -> None:
        """Forward until one side ends; stop after ``limit`` bytes."""
        with contextlib.suppress(OSError):
            while data := await source.read(self.piece):
                if self.delay or self.rate < float("inf"):
                    await asyncio.sleep(self.delay + len(data) / self.rate)
                if side in self._swallowed:
                    continue
                target.write(data[:limit])
                await target.drain()
                if limit is not None and (limit := limit - len(data)) <= 0:
                    return


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
