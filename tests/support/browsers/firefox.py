"""Firefox, which speaks WebDriver BiDi by itself, driven through Selenium's connection."""

import json
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium.common import WebDriverException
from selenium.webdriver.common.bidi.common import command_builder
from selenium.webdriver.remote.websocket_connection import WebSocketConnection

from scripts.lease import hold
from tests.support.browsers.actions import Acting

WAIT = 60.0  # a first start takes long on a busy machine
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PREFERENCES = """
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1"); // nothing is fetched from outside
user_pref("ui.prefersReducedMotion", 1);
user_pref("ui.primaryPointerCapabilities", 6); // a mouse: fine, and it can hover
user_pref("ui.allPointerCapabilities", 6);
"""


def installed() -> str | None:
    """Return the path of the system's Firefox."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Logged:
    """The event of an entry in the console."""

    event_class = "log.entryAdded"

    @staticmethod
    def from_json(entry: dict[str, Any]) -> dict[str, Any]:
        """Return an entry as it came."""
        return entry


class Firefox:
    """A Firefox without a window, with one visitor at a time."""

    def __init__(self, program: str) -> None:
        self.complaints: list[str] = []
        """What the console said, which includes violations of the security policy."""
        self._visitor = ""
        with ExitStack() as stack:
            profile = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            Path(profile, "user.js").write_text(PREFERENCES)
            command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            hold(process.pid)
            stack.callback(process.terminate)
            self._connection = WebSocketConnection(_address(Path(profile)), WAIT, 0.002)
            stack.callback(self._connection.close)
            stack.callback(process.terminate)  # first of all: the connection waits for its end
            self._resources = stack.pop_all()
        self.do("session.new", capabilities={})
        self._connection.add_callback(Logged, self._take)
        self.do("session.subscribe", events=[Logged.event_class])

    def do(self, command: str, **parameters: Any) -> Any:
        """Send a command of the standard, and return its result. Raises ``WebDriverException``."""
        return self._connection.execute(command_builder(command, parameters))

    def tab(self, width: int, height: int) -> "Tab":
        """Open an empty tab."""
        self._visitor = self._visitor or self.do("browser.createUserContext")["userContext"]
        context = self.do("browsingContext.create", type="tab", userContext=self._visitor)["context"]
        self.do("browsingContext.setViewport", context=context, viewport={"width": width, "height": height})
        return Tab(self, context)

    def forget(self) -> None:
        """Close all tabs: the next one is another visitor's."""
        if self._visitor:
            self.do("browser.removeUserContext", userContext=self._visitor)
        self._visitor = ""

    def close(self) -> None:
        """End the browser."""
        self._resources.close()

    def _take(self, entry: dict[str, Any]) -> None:
        self.complaints.append(f"{entry['level']}: {entry['text']}")


class Tab(Acting):
    """A tab, by its id."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self._firefox = firefox
        self._context = context

    def go(self, url: str) -> None:
        """Open a page, and wait until it has been loaded."""
        self._firefox.do("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def run(self, script: str) -> str:
        """Return the value of an expression, which is the promise of a string."""
        target = {"context": self._context}
        returned = self._firefox.do("script.evaluate", expression=script, target=target, awaitPromise=True)
        if returned["type"] == "exception":
            raise WebDriverException(returned["exceptionDetails"]["text"])
        return str(returned["result"]["value"])

    def act(self, kind: str, *steps: dict[str, Any]) -> None:
        """Let the mouse or the keyboard do something."""
        action = {"type": kind, "id": kind, "actions": list(steps)}
        self._firefox.do("input.performActions", context=self._context, actions=[action])


def _address(profile: Path) -> str:
    """Wait until Firefox says where it listens."""
    place, deadline = profile / "WebDriverBiDiServer.json", time.monotonic() + WAIT
    while not (place.exists() and place.stat().st_size):
        assert time.monotonic() < deadline, "Firefox does not listen"
        time.sleep(0.02)
    found = json.loads(place.read_text())
    return f"ws://{found['ws_host']}:{found['ws_port']}/session"
