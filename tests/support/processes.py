"""The site as a real server process, as in production, and the faults that a process can have."""

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import psutil
from websockets.sync.client import ClientConnection, connect

from scripts.lease import hold

ROOT = Path(__file__).parent.parent.parent
WAIT = 30.0

COMMANDS = {
    "existing": [
        *("-m", "uvicorn", "tests.support.existing.asgi:application", "--lifespan", "on", "--ws", "websockets-sansio"),
        *("--timeout-graceful-shutdown", "2", "--port"),
    ],
    "example": [
        *("-m", "uvicorn", "example.asgi:application", "--lifespan", "on", "--ws", "chat.uvicorn:GuardedProtocol"),
        *("--timeout-graceful-shutdown", "2", "--port"),
    ],
    "uvicorn": ["scripts/serve.py", "--timeout-graceful-shutdown", "2", "--port"],
    "impatient": [
        *("scripts/serve.py", "--timeout-graceful-shutdown", "2", "--ws-ping-interval", "1", "--ws-ping-timeout", "1"),
        "--port",
    ],
    "daphne": ["-m", "daphne", "chatproject.asgi:application", "--port"],
}


def session_of(response: HTTPResponse) -> str:
    """Return the session cookie from those that a page sets; its form sets another."""
    cookies: list[str] = response.headers.get_all("Set-Cookie")
    return next(cookie.partition(";")[0] for cookie in cookies if cookie.startswith("sessionid="))


class SiteProcess:
    """One server process on its own port, which it keeps across restarts; ``log`` is everything it has logged so far.

    ``kill``, ``pause`` and ``terminate`` are the faults; ``start`` and ``resume`` end them.
    """

    def __init__(self, server: str, environment: dict[str, str], log: Path) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._command = [sys.executable, *COMMANDS[server], str(self.port)]
        self._environment = environment
        self._log = log
        self.start()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def start(self, wait: bool = True) -> None:
        """Start or restart; without ``wait`` the port may not be listening yet."""
        with self._log.open("ab") as output:
            options = {"cwd": ROOT, "env": self._environment, "stdout": output, "stderr": output}
            self.process = subprocess.Popen(self._command, **options)  # type: ignore[call-overload]
        hold(self.process.pid)
        deadline = time.monotonic() + WAIT
        while wait and not self._listens():
            assert self.alive, self.log
            assert time.monotonic() < deadline, "the server took too long to start"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the process with ``kill -9``."""
        self.process.kill()
        self.process.wait(WAIT)

    def pause(self) -> None:
        """Suspend the process; its sockets stay open.

        Wait until all of its threads are stopped: on a busy machine the others run on until one takes the signal.
        """
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + WAIT
        while any(thread.read_text().rpartition(") ")[2][0] not in "Tt" for thread in self._threads()):
            if time.monotonic() > deadline:
                raise AssertionError("the process was not suspended")
            time.sleep(0.001)

    def _threads(self) -> Iterator[Path]:
        """Yield the state file of each thread (proc(5), ``/proc/pid/task/tid/stat``)."""
        return Path(f"/proc/{self.process.pid}/task").glob("*/stat")

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> int:
        """Send SIGTERM, wait, and return the exit code, which is negative for a signal."""
        self.process.terminate()
        return self.process.wait(WAIT)

    def restart(self) -> None:
        """Restart on the same port, like a deployment."""
        self.terminate()
        self.start()

    def close(self) -> None:
        """End the process, whatever state it is in."""
        if self.alive:
            self.resume()
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()

    def manage(self, *arguments: str) -> str:
        """Run a command of ``manage.py`` in the process's environment, and return its output."""
        command = [sys.executable, "manage.py", *arguments]
        options = {"cwd": ROOT, "env": self._environment, "timeout": WAIT}
        return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout  # type: ignore[call-overload,no-any-return]

    def observed(self) -> psutil.Process:
        """Return the process as the operating system sees it."""
        return psutil.Process(self.process.pid)

    def visitor(self) -> str:
        """Return the cookie of a new visitor."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/chat/") as response:
            return session_of(response)

    def connect(self, cookie: str) -> ClientConnection:
        """Open a visitor's websocket."""
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/chat/",
            origin=f"http://127.0.0.1:{self.port}",
            additional_headers={"Cookie": cookie},
            max_size=None,
        )

    def _listens(self) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def site_environment(folder: Path, **environment: str) -> dict[str, str]:
    """Return the environment of a site with its files in ``folder``: the test's, without the variables about a site."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "DJANGO_"))}
    for name in ("DATABASE_URL", "REDIS_URL"):
        kept.pop(name, None)
    return {**kept, "DATA_DIR": str(folder), **environment}


def migrate(environment: dict[str, str]) -> None:
    """Create the tables of a site's database."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)


@functools.cache
def migrated_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder with a migrated database to copy, because migrating takes two seconds. It lasts for the run."""
    folder = tempfile.TemporaryDirectory(prefix="migrated-")
    atexit.register(folder.cleanup)
    migrate(site_environment(Path(folder.name)))
    return folder


@contextlib.contextmanager
def running(server: str, folder: Path, **environment: str) -> Iterator[SiteProcess]:
    """Run the site on a new, migrated database in ``folder``, and end it with SIGTERM."""
    env = site_environment(folder, **environment)
    if "DATABASE_URL" in environment:
        migrate(env)
    else:
        shutil.copy(Path(migrated_folder().name) / "db.sqlite3", folder)
    site = SiteProcess(server, env, folder / "server.log")
    try:
        yield site
    finally:
        site.process.terminate()
        site.process.wait(WAIT)
