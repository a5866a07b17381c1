"""A TCP proxy on loopback that a test can cut, as a network failure would."""

import contextlib
import socket
import struct
import threading


class Proxy:
    """A proxy that forwards connections from its own port to another.

    ``cut`` resets open connections, ``down`` also refuses new ones, ``cut_after`` cuts at a number of bytes. ``hold``
    buffers what ``"client"`` or ``"server"`` sends; that data is lost if the connection is cut.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._down = False
        self._left: int | None = None
        self.cuts = 0
        self._flowing = {"client": threading.Event(), "server": threading.Event()}
        self.flow()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every open connection; new ones are allowed."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut_after(self, size: int) -> None:
        """Cut after the server has sent ``size`` bytes, on any connection."""
        self._left = size

    def down(self) -> None:
        """Cut, and refuse every new connection until ``up``."""
        self._down = True
        self.cut()

    def up(self) -> None:
        self._down = False

    def hold(self, side: str) -> None:
        """Buffer what a side sends from now on."""
        self._flowing[side].clear()

    def flow(self) -> None:
        """Forward everything that was buffered and not lost."""
        for flowing in self._flowing.values():
            flowing.set()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                if self._down:
                    client.close()
                    continue
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        for side, source, target in (("client", client, server), ("server", server, client)):
            threading.Thread(target=self._pump, args=(side, source, target), daemon=True).start()

    def _last(self, data: bytes, left: int) -> bytes:
        self._left = max(0, left - len(data))
        return data[:left]

    def _pump(self, side: str, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing[side].wait()
                if side == "server" and self._left is not None:
                    data = self._last(data, self._left)
                target.sendall(data)
                if self._left == 0:
                    self._left = None
                    self.cuts += 1
                    self.cut()
        with self._lock:
            self._open -= {source, target}
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
