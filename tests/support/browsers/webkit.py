"""WebKitGTK's MiniBrowser, driven by Selenium on a display of its own. It stands for Safari, whose engine it has."""

import os
import shutil
import subprocess
from contextlib import ExitStack
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium import webdriver
from selenium.webdriver.remote.command import Command
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from scripts.lease import hold
from tests.support.browsers.actions import Acting

PLACES = ("/usr/lib/*/webkit2gtk-4.1/MiniBrowser", "/usr/libexec/webkit2gtk-4.1/MiniBrowser")
SWITCHES = ("--automation", "--javascript-can-open-windows-automatically=true")
ENVIRONMENT = {"LANG": "en_US.UTF-8", "WEBKIT_DISABLE_DMABUF_RENDERER": "1"}
"""Without a graphics card, a click takes 0.7 s with that renderer."""

BARE = "toolbar=no,location=no,menubar=no"
"""Only a window that a script opens can do without bars, which would not fit into a narrow one."""


def installed() -> str | None:
    """Return MiniBrowser's path, where its driver and a display for it are installed as well."""
    if not (shutil.which("WebKitWebDriver") and shutil.which("Xvfb")):
        return None
    return next((path for place in PLACES for path in glob(place)), None)


class WebKit:
    """A MiniBrowser, with one visitor at a time. Its driver tells nothing of its console."""

    def __init__(self, program: str) -> None:
        self.complaints: list[str] = []
        options = Options()
        options.binary_location = program
        for switch in SWITCHES:
            options.add_argument(switch)
        with ExitStack() as stack:
            settings = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            environment = {**os.environ, **ENVIRONMENT, "XDG_CONFIG_HOME": settings, "DISPLAY": _display(stack)}
            Path(settings, "gtk-3.0").mkdir()
            Path(settings, "gtk-3.0", "settings.ini").write_text("[Settings]\ngtk-enable-animations=0\n")
            service = Service(shutil.which("WebKitWebDriver"), env=environment)
            self._driver = webdriver.WebKitGTK(options=options, service=service)
            stack.callback(self._driver.quit)
            hold(service.process.pid)
            self._resources = stack.pop_all()
        self._first = self._driver.current_window_handle

    def tab(self, width: int, height: int) -> "Tab":
        """Open an empty window."""
        self._driver.switch_to.window(self._first)
        before = set(self._driver.window_handles)
        self._driver.execute_script(f"open('about:blank', '_blank', 'width={width},height={height},{BARE}')")
        (handle,) = set(self._driver.window_handles) - before
        return Tab(self._driver, handle)

    def forget(self) -> None:
        """Close all windows but the first: the next one is another visitor's."""
        for handle in set(self._driver.window_handles) - {self._first}:
            self._driver.switch_to.window(handle)
            self._driver.delete_all_cookies()
            self._driver.close()

    def close(self) -> None:
        """End the browser."""
        self._resources.close()


class Tab(Acting):
    """A window, by its handle."""

    def __init__(self, driver: webdriver.WebKitGTK, handle: str) -> None:
        self._driver = driver
        self._handle = handle

    def go(self, url: str) -> None:
        """Open a page, and wait until it has been loaded."""
        self._window().get(url)

    def run(self, script: str) -> str:
        """Return the value of an expression, which is the promise of a string."""
        return str(self._window().execute_script(f"return {script}"))

    def act(self, kind: str, *steps: dict[str, Any]) -> None:
        """Let the mouse or the keyboard do something."""
        action = {"type": kind, "id": kind, "actions": list(steps)}
        self._window().execute(Command.W3C_ACTIONS, {"actions": [action]})

    def _window(self) -> webdriver.WebKitGTK:
        self._driver.switch_to.window(self._handle)
        return self._driver


def _display(stack: ExitStack) -> str:
    """Start a display that nobody sees, and return its name."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = stack.enter_context(subprocess.Popen(command, text=True, **pipes))
    stack.callback(process.terminate)
    hold(process.pid)
    return f":{process.stdout.readline().strip()}"
