"""The servers that are measured, and the visitors that load them."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
WAIT = 20.0
OPTIONS = ["--ws-per-message-deflate", "false"]


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a child process with changes to its environment, and end it by its own id."""
    env = {**os.environ, **environment}
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(WAIT)


@contextlib.contextmanager
def upstream(rate: float, deltas: int) -> Iterator[int]:
    """Run the model that needs hardly any CPU, and yield its port."""
    with process(sys.executable, "-m", "benchmarks.upstream", str(rate), str(deltas)) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())


@contextlib.contextmanager
def server(app: str, **environment: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run an ASGI app on uvicorn as in production, and yield its port and process."""
    port = free_port()
    websockets = "chat.uvicorn:GuardedProtocol" if app.startswith("chatproject.") else "websockets-sansio"
    options = ["--port", str(port), "--log-level", "warning", "--ws", websockets, *OPTIONS]
    with process(sys.executable, "-m", "uvicorn", app, *options, **environment) as child:
        deadline = time.monotonic() + WAIT
        while not _listens(port):
            assert child.poll() is None and time.monotonic() < deadline, f"{app} did not start"
            time.sleep(0.05)
        yield port, psutil.Process(child.pid)


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def chat_environment(upstream_port: int) -> Iterator[dict[str, str]]:
    """Yield the environment of the chat's own site, with a new, migrated SQLite file and the upstream as its model."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "OPENAI_MODEL": "bench",
            "DJANGO_SETTINGS_MODULE": "chatproject.settings",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env={**os.environ, **environment}, check=True
        )
        yield environment


def cpu(of: psutil.Process) -> float:
    """Return the seconds of CPU that a process has used in all its threads."""
    times = of.cpu_times()
    return float(times.user + times.system)


def session_cookie(port: int) -> str:
    """Return the cookie of a new visitor."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/chat/") as response:
        cookies: list[str] = response.headers.get_all("Set-Cookie")  # the page's form sets another
        return next(cookie.split(";")[0] for cookie in cookies if cookie.startswith("sessionid="))


def sent(upstream_port: int) -> int:
    """Return how many deltas the model has sent."""
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream_port}/count") as response:
        return int(response.read())


def socket_to(port: int, cookie: str = "") -> connect:
    """Open a visitor's websocket."""
    headers = {"Cookie": cookie} if cookie else {}
    origin = f"http://127.0.0.1:{port}"
    return connect(f"ws://127.0.0.1:{port}/ws/chat/", additional_headers=headers, origin=origin, max_size=None)


async def ask(websocket: ClientConnection, conversation: str, view: str, text: str = "Why is the sky blue?") -> float:
    """Ask a question, read to the end of its answer, and return the seconds until its first visible text."""
    user = {"id": f"m-{conversation}", "role": "user", "parts": [{"type": "text", "text": text}]}
    frame = {"type": "send", "requestId": "r", "id": conversation, "trigger": "submit-message", "messages": [user]}
    began, first = time.perf_counter(), 0.0
    await websocket.send(json.dumps({**frame, "headers": {}, "body": {"view": view}}))
    async for message in websocket:
        if not first and ('"text-delta"' in message or '"data-patch"' in message):
            first = time.perf_counter() - began
        if message.startswith('{"type":"end"') or message.startswith('{"type": "end"'):
            return first
        assert not message.startswith('{"type":"error"'), message
    raise AssertionError("the socket closed mid-answer")


async def crowd(port: int, cookie: str, view: str, streams: int, name: str) -> list[float]:
    """Ask as ``streams`` visitors at once, each with a socket, and return the times to the first token in seconds."""

    async def visitor(number: int) -> float:
        async with socket_to(port, cookie) as websocket:
            return await ask(websocket, f"{name}-{number}", view)

    return await asyncio.gather(*(visitor(number) for number in range(streams)))
