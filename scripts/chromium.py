"""The browser that the tests and benchmarks of the page use."""

import os
import shutil

from steps import SetUpError, say, shown, succeeds
from virtualenv import Virtualenv

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first has no window to draw, which makes its tests a quarter faster."""


def chromium(venv: Virtualenv) -> str | None:
    """Return Chromium's path from ``CHROMIUM`` or the system, installing it if needed; ``None`` for Playwright's."""
    if found := os.environ.get("CHROMIUM") or _system_chromium():
        return found
    if shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0:
        say("Installing Chromium with apt-get ...")
        succeeds(["apt-get", "update"], venv.log)
        for package in CHROMIUMS[:2]:
            if succeeds(["apt-get", "install", "-y", package], venv.log) and (found := _system_chromium()):
                return found
    say("Looking for Playwright's own Chromium ...")
    if not succeeds([venv.python, "-m", "playwright", "install", "chromium"], venv.log):
        raise SetUpError(
            "The browser tests need Chromium, and it could not be installed: install it with your system's packages, "
            f"then run the same command again. {shown(venv.log)} has the details."
        )
    return None


def _system_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)
