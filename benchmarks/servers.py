"""The servers that ``make bench`` compares: how each is started, and which dialect its clients speak.

All of them run during the whole benchmark, and all but the one that is measured are suspended.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import harness
from .dialects import HTML, PLAIN, SSE, TEXT, UI_SSE, Dialect
from .harness import ROOT, free_port, on_core, uvicorn

sys.path.append(str(ROOT / "scripts"))  # whose modules import one another by their bare names
import node_packages

SITE = "chatproject.asgi:application"
VISITORS = 600
"""Sessions of each site, so that each stream belongs to another visitor."""


@dataclass(frozen=True)
class Cores:
    """The core of the server that is measured, and that of everything else; ``None``: any."""

    server: int | None = None
    others: int | None = None

    @classmethod
    def two(cls) -> "Cores":
        """Return the first and the last of the cores that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("The benchmark needs two cores: one for the server, one for the upstream and the clients.")
        return cls(cores[0], cores[-1])


@dataclass
class Running:
    """A server that has been started."""

    port: int
    process: psutil.Process
    environment: dict[str, str]
    cookies: list[str]


@dataclass(frozen=True)
class Subject:
    """What is measured: a server, and the format in which it is asked."""

    name: str
    title: str
    server: str
    dialect: Dialect


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("text", "this project, text format", "site", TEXT),
        Subject("html", "this project, html format", "site", HTML),
        Subject("text-foreign", "text format, Django's default `CONN_MAX_AGE`", "foreign", TEXT),
        Subject("html-foreign", "html format, Django's default `CONN_MAX_AGE`", "foreign", HTML),
        Subject("plain", "plain Channels consumer, uvicorn", "plain", PLAIN),
        Subject("daphne", "plain Channels consumer, daphne", "daphne", PLAIN),
        Subject("fastapi", "FastAPI with the SDK, SSE", "fastapi", SSE),
        Subject("node", "AI SDK on Node, SSE", "node", UI_SSE),
        Subject("bare", "bare proxy", "bare", TEXT),
    )
}


def measured_here() -> list[Subject]:
    """Return the subjects that can run on this machine: Node's needs node and npm."""
    return [subject for subject in SUBJECTS.values() if subject.name != "node" or node_packages.npm()]


class Servers:
    """Servers by name, each started when it is first needed, and suspended while it is not."""

    def __init__(self, upstream_port: int, cores: Cores = Cores(), visitors: int = VISITORS) -> None:
        self._upstream, self._cores, self._visitors = upstream_port, cores, visitors
        self._running: dict[str, tuple[Running, contextlib.ExitStack]] = {}
        self._changed: dict[str, tuple[str, dict[str, str]]] = {}

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self._running):
            self.drop(name)

    @contextlib.contextmanager
    def only(self, name: str) -> Iterator[Running]:
        """Let one server run, and suspend it afterwards."""
        if name not in self._running:
            stack = contextlib.ExitStack()
            self._running[name] = (stack.enter_context(self.start(name)), stack)
        process = self._running[name][0].process
        process.resume()
        try:
            yield self._running[name][0]
        finally:
            if name in self._running:
                process.suspend()

    def drop(self, name: str) -> None:
        """End a server at once; it is started again when it is needed."""
        running, stack = self._running.pop(name)
        running.process.kill()
        stack.close()

    @contextlib.contextmanager
    def changed(self, name: str, kind: str, **changes: str) -> Iterator[str]:
        """Name a site with other variables in its environment, and end it with the context."""
        self._changed[name] = kind, changes
        try:
            yield name
        finally:
            if name in self._running:
                self.drop(name)

    @contextlib.contextmanager
    def start(self, name: str) -> Iterator[Running]:
        """Run one more server until the context ends."""
        kind, changes = self._changed.get(name, (name, {}))
        with _KINDS[kind](self, changes) as running:
            yield running

    def beside(self, running: Running) -> contextlib.AbstractContextManager[tuple[int, psutil.Process]]:
        """Run another process of a site, with the same database and the same Redis."""
        return harness.server(SITE, self._cores.server, **running.environment)

    @contextlib.contextmanager
    def site(self, changes: dict[str, str]) -> Iterator[Running]:
        """Run the chat's own site, with a new database."""
        settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.site_settings", **changes}
        with on_core(self._cores.others), contextlib.ExitStack() as stack:
            environment = stack.enter_context(harness.chat_environment(self._upstream, **settings))
            cookies = visitors(environment, self._visitors)
            port, process = stack.enter_context(harness.server(SITE, self._cores.server, **environment))
            yield Running(port, process, environment, cookies)

    @contextlib.contextmanager
    def other(self, command: Callable[[int], list[str]]) -> Iterator[Running]:
        """Run a server that has the model's address in the variables that OpenAI's SDK reads."""
        environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{self._upstream}/v1", "OPENAI_API_KEY": "none"}
        port = free_port()
        with harness.listening(port, *command(port), core=self._cores.server, **environment) as process:
            yield Running(port, process, environment, [])

    def bare_command(self, port: int) -> list[str]:
        """Return the command of the bare proxy."""
        return [sys.executable, "-m", "benchmarks.bare_proxy", str(port), str(self._upstream)]


def visitors(environment: dict[str, str], count: int) -> list[str]:
    """Return the cookies of new visitors of a site."""
    command = [sys.executable, "-m", "benchmarks.visitors", str(count)]
    output = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return output.stdout.split()


def _daphne(port: int) -> list[str]:
    return [sys.executable, "-m", "daphne", "--port", str(port), "--verbosity", "0", "benchmarks.plain:application"]


def _node(port: int) -> list[str]:
    folder = ROOT / "benchmarks" / "node"
    with tempfile.TemporaryDirectory() as logs:
        node_packages.install(folder, Path(logs) / "npm.log")
    return [shutil.which("node") or "node", str(folder / "server.mjs"), str(port)]


_KINDS: dict[str, Callable[[Servers, dict[str, str]], contextlib.AbstractContextManager[Running]]] = {
    "site": lambda servers, changes: servers.site(changes),
    "foreign": lambda servers, changes: servers.site({"BENCH_FOREIGN": "1", **changes}),
    "plain": lambda servers, changes: servers.other(lambda port: uvicorn("benchmarks.plain:application", port)),
    "daphne": lambda servers, changes: servers.other(_daphne),
    "fastapi": lambda servers, changes: servers.other(lambda port: uvicorn("benchmarks.fastapi_sse:app", port)),
    "node": lambda servers, changes: servers.other(_node),
    "bare": lambda servers, changes: servers.other(servers.bare_command),
    "idle": lambda servers, changes: servers.other(lambda port: uvicorn("benchmarks.accepting:app", port)),
}
