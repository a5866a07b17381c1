"""The servers that are measured, the core that each runs on, and the visitors that load them."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

from scripts.lease import hold
from scripts.serve import OPTIONS

ROOT = Path(__file__).parent.parent
START, STOP = 60.0, 20.0
"""Seconds that a server may take to start and to stop; a busy machine needs most of them."""

SETTLE = 1.5
"""Seconds in which a site imports the model's SDK after its start, and in which the streams of a crowd begin."""

OTHERS = ("--ws", "websockets-sansio", "--ws-per-message-deflate", "false")
"""uvicorn's options for applications that are not the chat's."""


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the fastest loop that is installed."""
    try:
        import uvloop
    except ImportError:  # uvicorn brings it where it can be built
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Start programs on one core: they inherit it, with all their threads. ``None`` leaves them free."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a child process with changes to its environment, and end it by its own id."""
    env = {**os.environ, **environment}
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    hold(child.pid)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert child.stdout is not None
        child.stdout.close()


@contextlib.contextmanager
def upstream(rate: float, length: int) -> Iterator[int]:
    """Run the model that needs hardly any CPU, and yield its port."""
    with process(sys.executable, "-m", "benchmarks.upstream", str(rate), str(length)) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())


@contextlib.contextmanager
def server(app: str, core: int | None = None, **environment: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run an ASGI app on uvicorn as in production, and yield its port and process."""
    port = free_port()
    with listening(port, *uvicorn(app, port), core=core, **environment) as running:
        yield port, running


def uvicorn(app: str, port: int) -> list[str]:
    """Return the command that serves an app as the project documents it."""
    options = OPTIONS if app.startswith("chatproject.") else OTHERS
    return [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning", *options]


@contextlib.contextmanager
def listening(port: int, *command: str, core: int | None = None, **environment: str) -> Iterator[psutil.Process]:
    """Run a server, and yield its process when it listens."""
    with contextlib.ExitStack() as stack:
        with on_core(core):
            child = stack.enter_context(process(*command, **environment))
        deadline = time.monotonic() + START
        while not _listens(port):
            assert child.poll() is None and time.monotonic() < deadline, f"{' '.join(command)} did not start"
            time.sleep(0.05)
        yield psutil.Process(child.pid)


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def chat_environment(upstream_port: int, **changes: str) -> Iterator[dict[str, str]]:
    """Yield the environment of the chat's own site, with a new, migrated database and the upstream as its model."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "OPENAI_MODEL": "bench",
            "DJANGO_SETTINGS_MODULE": "chatproject.settings",
            **changes,
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env={**os.environ, **environment}, check=True
        )
        yield environment


def cpu(of: psutil.Process) -> float:
    """Return the seconds of CPU that a process and its children have used in all their threads."""
    return sum(_used(process) for process in (of, *of.children(recursive=True)))


def _used(process: psutil.Process) -> float:
    if sys.platform == "linux":  # its clock of a process counts nanoseconds, and its table of processes 10 ms
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def session_cookie(port: int) -> str:
    """Return the cookie of a new visitor."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/chat/") as response:
        cookies: list[str] = response.headers.get_all("Set-Cookie")  # the page's form sets another
        return next(cookie.split(";")[0] for cookie in cookies if cookie.startswith("sessionid="))


def tell(upstream_port: int, path: str) -> int:
    """Ask the upstream for one of its pages, and return how many tokens it has sent."""
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream_port}/{path}") as response:
        return int(response.read())


def sent(upstream_port: int) -> int:
    """Return how many deltas the model has sent."""
    return tell(upstream_port, "count")


def socket_to(port: int, cookie: str = "") -> connect:
    """Open a visitor's websocket."""
    headers = {"Cookie": cookie} if cookie else {}
    origin = f"http://127.0.0.1:{port}"
    return connect(f"ws://127.0.0.1:{port}/ws/chat/", additional_headers=headers, origin=origin, max_size=None)
