"""The tests, with what they need beside Python packages: a Chromium, and the npm packages where node is there."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from steps import ROOT, SetUpError, say, shown, succeeds
from virtualenv import Virtualenv

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NPM = ROOT / "tests" / "npm"
# What a developer's shell says about a site must not reach the tests of it.
SITE_VARIABLES = (
    *(
        "ALLOWED_HOSTS",
        "BEHIND_HTTPS",
        "CSRF_TRUSTED_ORIGINS",
        "DATA_DIR",
        "DEBUG",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    ),
    *("OPENAI_MODEL", "PORT", "SECRET_KEY", "STATIC_ROOT"),
)


def run_tests(venv: Virtualenv) -> int:
    """All tests, in two commands: the browser's and pytest-asyncio's both want the main thread's event loop."""
    environment = {name: value for name, value in os.environ.items() if name not in SITE_VARIABLES}
    if chromium := _chromium(venv):
        environment["CHROMIUM"] = chromium
    _install_npm_packages(venv)
    coverage = [venv.python, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=True)
    codes = []
    for name, marker in (("All tests but the browser's", "not browser"), ("The browser's tests", "browser")):
        say(f"{name}:")
        command = [*coverage, "run", "-m", "pytest", "-m", marker]
        codes.append(subprocess.run(command, cwd=ROOT, env=environment).returncode)
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=True)
    subprocess.run([*coverage, "report"], cwd=ROOT, check=True)
    return max(codes)


def _chromium(venv: Virtualenv) -> str | None:
    """The path of the system's Chromium, installed if need be; ``None`` where Playwright has its own."""
    if found := _system_chromium():
        return found
    if shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0:
        say("Installing Chromium with apt-get ...")
        install = ["apt-get", "install", "-y", "chromium"]
        if succeeds(["apt-get", "update"], venv.log) and succeeds(install, venv.log) and (found := _system_chromium()):
            return found
    say("Looking for Playwright's own Chromium ...")
    if not succeeds([venv.python, "-m", "playwright", "install", "chromium"], venv.log):
        raise SetUpError(
            "The browser tests need Chromium, and it could not be installed: install it with your system's packages, "
            f"then run the same command again. {shown(venv.log)} says what was tried."
        )
    return None


def _system_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def _install_npm_packages(venv: Virtualenv) -> None:
    lock = NPM / "package-lock.json"
    if not lock.exists():
        return
    if not (npm := shutil.which("npm")) or not shutil.which("node"):
        say("Node is not installed: the tests of the npm client will be skipped, or fail where CI is set.")
        return
    stamp, content = NPM / "node_modules" / ".installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if _read(stamp) == content:
        return
    say("Installing the npm client's packages ...")
    if not succeeds([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], venv.log, cwd=NPM):
        raise SetUpError(f"The npm packages could not be installed; {shown(venv.log)} says why.")
    stamp.write_text(content)


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
