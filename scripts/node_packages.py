"""Installs what a ``package-lock.json`` of the project names, once for each version of that file."""

import hashlib
import os
import shutil
from pathlib import Path

from steps import ROOT, SetUpError, say, shown, succeeds

MISSING = "node (20.19 or later) and npm are not on the PATH"


def npm() -> str | None:
    """Return the path of npm, or ``None`` where npm or node is missing."""
    return shutil.which("npm") if shutil.which("node") else None


def install(folder: Path, log: Path) -> None:
    """Run ``npm ci`` in a folder, unless its packages were installed from this very lock file.

    Raises:
        SetUpError: npm failed; the sentence ends with its output.
    """
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not succeeds([npm() or "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], log, folder):
        raise SetUpError(f"npm ci failed in {shown(folder)}:\n{log.read_text()[-2000:]}")
    stamp.write_text(wanted)


def install_linters(log: Path) -> bool:
    """Install the linters of scripts and styles, and return whether they can run here.

    Raises:
        SetUpError: npm failed, or node is missing in a CI run, which may leave nothing out.
    """
    if npm():
        install(ROOT, log)
        return True
    if os.environ.get("CI"):
        raise SetUpError(f"The scripts and styles cannot be checked: {MISSING}.")
    say(f"The scripts and styles are not checked: {MISSING}.")
    return False
