"""Drives the npm client (``client.mjs``) in a separate process; site and model run in the test's process."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import node_packages
import pytest

from chat.conf import conf
from scripts.lease import hold
from tests.support.processes import session_of
from tests.support.servers import running

HERE = Path(__file__).parent
WAIT = 10.0


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.npm)


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Install the client's packages from the lock file, and return the path of node."""
    if not node_packages.npm():
        missing = f"The npm client needs more: {node_packages.MISSING}."
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    node_packages.install(HERE, tmp_path_factory.mktemp("npm") / "install.log")
    return shutil.which("node")


@pytest.fixture
def site(transactional_db):
    with running() as site:
        yield site


@pytest.fixture
def cookie(site):
    """Return a visitor's cookie, as the page sets it."""
    with urllib.request.urlopen(f"{site.url}/chat/", timeout=WAIT) as response:
        return session_of(response)


class Client:
    """A client that runs ``AbstractChat`` over ``WebSocketChatTransport``, which React's ``useChat`` also uses.

    ``state`` is the newest state shown to its user: ``status``, ``error`` and ``messages``. ``data`` has the transient
    parts, and ``finished`` the ends of answers that it has received so far.
    """

    def __init__(self, node: str, options: dict) -> None:
        self.state: dict = {"status": "ready", "messages": options["messages"]}
        self.data: list[dict] = []
        self.finished: list[dict] = []
        self._events: queue.Queue[dict | None] = queue.Queue()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(
            [node, "client.mjs", json.dumps(options)], cwd=HERE, text=True, encoding="utf-8", bufsize=1, **pipes
        )
        hold(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="npm client")
        self._reader.start()

    def ask(self, text: str, **options: str) -> None:
        self._do("ask", text=text, **options)

    def regenerate(self, **options: str) -> None:
        self._do("regenerate", **options)

    def resume(self) -> None:
        self._do("resume")

    def stop(self) -> None:
        self._do("stop")

    def decide(self, part: dict, *, approved: bool, **options: str) -> None:
        """Answer the question about a call; the client sends the answers when it has all of them."""
        self._do("decide", id=part["approval"]["id"], approved=approved, **options)

    def shows(self, text: str) -> None:
        """Wait until the last message has this text."""
        self._until(lambda event: event["event"] == "state" and text_of(self.state["messages"][-1]) == text, text)

    def done(self, command: str) -> dict:
        """Wait until a command has ended, and return the newest state."""
        self._until(lambda event: event["event"] == "done" and event["command"] == command, f"the end of {command}")
        return self.state

    def settled(self) -> None:
        """Wait until the client is ready again after an answer that went on by itself."""
        if self.state["status"] != "ready":
            self._until(lambda event: event["event"] == "state" and self.state["status"] == "ready", "ready")

    @property
    def answer(self) -> dict:
        """Return the last message."""
        return self.state["messages"][-1]

    def vanish(self) -> None:
        """Disappear without closing, like a tab that crashes."""
        self._process.kill()
        self._left()

    def close(self) -> None:
        """Leave like a closed page: close the socket and stop no answer. Fail if the client has reported any error."""
        if self._process.returncode is None:
            self._process.stdin.close()
            complaint = self._left()
            assert (self._process.returncode, complaint) == (0, "")

    def _left(self) -> str:
        """Wait for the process to end, and return its error output."""
        try:
            self._process.wait(WAIT)
        finally:
            self._process.kill()
        self._reader.join()
        with self._process:
            return self._process.stderr.read()

    def _do(self, command: str, **options: str) -> None:
        self._process.stdin.write(json.dumps({"command": command, **options}) + "\n")

    def _until(self, found: Callable[[dict], bool], wanted: str) -> None:
        while True:
            try:
                event = self._events.get(timeout=WAIT)
            except queue.Empty:
                pytest.fail(f"The client did not reach {wanted!r}; its state is {self.state}")
            assert event is not None, self._process.stderr.read()
            self._take(event)
            if found(event):
                return

    def _take(self, event: dict) -> None:
        if event["event"] == "state":
            self.state = {name: value for name, value in event.items() if name != "event"}
        elif event["event"] == "data":
            self.data.append(event["part"])
        elif event["event"] == "finish":
            self.finished.append(event)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)


@pytest.fixture
def open_chat(node, site, cookie):
    """Open a client on the visitor's one chat; each call is another tab, which starts with the messages of its page."""
    with contextlib.ExitStack() as stack:

        def open_chat(messages=(), url=site.url) -> Client:
            options = {"url": url + conf.socket_path, "cookie": cookie, "id": "c1", "messages": list(messages)}
            return stack.enter_context(contextlib.closing(Client(node, options)))

        yield open_chat


@pytest.fixture
def standard(node):
    """Open a client of the SDK's own server, whose model makes these steps."""
    with contextlib.ExitStack() as stack:

        def standard(steps) -> Client:
            options = {"id": "c1", "messages": [], "steps": steps}
            return stack.enter_context(contextlib.closing(Client(node, options)))

        yield standard


@pytest.fixture
def chat(script, open_chat, caplog):
    """Provide a new chat, with a model that the test plays; check that the site logs nothing."""
    yield open_chat()
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def text_of(message: dict) -> str:
    """Return the text that a user sees of a message."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
