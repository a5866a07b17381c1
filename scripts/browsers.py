"""The browsers besides Chromium that the page is tested in, from the system's packages."""

import os
import shutil
from pathlib import Path

from steps import say, succeeds

PACKAGES = {"firefox-esr": ("firefox-esr", "firefox"), "webkit2gtk-driver": ("WebKitWebDriver",), "xvfb": ("Xvfb",)}
"""Debian's packages, each with the programs of which one is enough."""


def install_browsers(log: Path) -> None:
    """Install what is missing, where that is allowed. Tests of a missing browser are skipped, and name its packages."""
    missing = [package for package, programs in PACKAGES.items() if not any(map(shutil.which, programs))]
    if not missing or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    say(f"Installing {', '.join(missing)} with apt-get ...")
    succeeds(["apt-get", "update"], log)
    for package in missing:
        succeeds(["apt-get", "install", "-y", "--no-install-recommends", package], log)
