"""The site as a real server process, as production runs it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
WAIT = 30.0

COMMANDS = {
    "uvicorn": ["scripts/serve.py", "--timeout-graceful-shutdown", "2", "--port"],
    "daphne": ["-m", "daphne", "chatproject.asgi:application", "--port"],
}


class SiteProcess:
    """One server process; ``log`` is everything it said, once it has ended."""

    def __init__(self, server: str, environment: dict[str, str], log: Path) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._log = log
        with log.open("wb") as output:
            command = [sys.executable, *COMMANDS[server], str(self.port)]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        deadline = time.monotonic() + WAIT
        while not self._listens():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, "the server took too long to start"
            time.sleep(0.05)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def visitor(self) -> str:
        """The cookie of a new visitor."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/chat/") as response:
            return str(response.headers["Set-Cookie"]).split(";")[0]

    def connect(self, cookie: str) -> ClientConnection:
        """A visitor's websocket."""
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/chat/",
            origin=f"http://127.0.0.1:{self.port}",
            additional_headers={"Cookie": cookie},
            max_size=None,
        )

    def _listens(self) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def running(server: str, folder: Path, **environment: str) -> Iterator[SiteProcess]:
    """The site on a fresh, migrated database in ``folder``, from its start to its end by SIGTERM."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "DJANGO_"))}
    env = {**kept, "DATA_DIR": str(folder), **environment}
    env.pop("DATABASE_URL", None)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=env, check=True)
    site = SiteProcess(server, env, folder / "server.log")
    try:
        yield site
    finally:
        site.process.terminate()
        site.process.wait(WAIT)
