"""A bare socket write: a server that only writes a frame to all its clients at intervals.

``python -m benchmarks.fanout PORT SIZE INTERVAL``.
"""

import asyncio
import sys

from .harness import run


class Client(asyncio.Protocol):
    """A connection that is only written to."""

    def __init__(self, clients: set[asyncio.Transport]) -> None:
        self._clients = clients

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._clients.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self._transport)


def frame(size: int) -> bytes:
    """Return a frame of a size, with what clients count."""
    return b'{"type":"chunk","text":"'.ljust(size, b"-")


async def main(port: int, size: int, interval: float) -> None:
    """Serve until killed."""
    clients: set[asyncio.Transport] = set()
    await asyncio.get_running_loop().create_server(lambda: Client(clients), "127.0.0.1", port, backlog=2048)
    written = frame(size)
    while True:
        await asyncio.sleep(interval)
        for client in clients:
            client.write(written)


if __name__ == "__main__":
    run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
