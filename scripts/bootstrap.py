"""Installs what the project needs on a machine that only has Python, then runs or tests it.

    python scripts/bootstrap.py run [port]    as `make run` does: .venv, packages, database, server
    python scripts/bootstrap.py example [port]   as `make example` does: the same for the bicycle shop
    python scripts/bootstrap.py test          as `make test` does: also the tests' packages and a browser
    python scripts/bootstrap.py test-sites    as `make test-sites` does: sites in processes of their own, and faults
    python scripts/bootstrap.py test-existing as `make test-existing` does: sites with Wagtail, gunicorn, MariaDB ...
    python scripts/bootstrap.py test-browser  as `make test-browser` does: all tests of the page in a browser
    python scripts/bootstrap.py test-browsers as `make test-browsers` does: the page in Chromium, Firefox and WebKit
    python scripts/bootstrap.py test-faults   as `make test-faults` does: the fault tests, in real time
    python scripts/bootstrap.py coverage      as `make coverage` does: how much of the app the tests cover
    python scripts/bootstrap.py cluster [port]   as `make cluster` does: two processes, Redis, PostgreSQL, a balancer
    python scripts/bootstrap.py bench name    as `make bench-page` does: a benchmark that needs a browser
    python scripts/bootstrap.py setup         only .venv with all packages

Standard library only. This file uses the syntax of Python 3.6, so that an old Python can say what it needs.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file meets old interpreters
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"Python 3.11 or later is needed, this is {version}: choose another, `make run PYTHON=python3.11`.")

import os
from collections.abc import Callable

from chromium import chromium
from server import EXAMPLE, free_port, migrate, open_shop, start
from steps import ROOT, SetUpError
from testing import (
    run_browser_tests,
    run_browsers_tests,
    run_coverage,
    run_existing_tests,
    run_fault_tests,
    run_sites_tests,
    run_tests,
)
from virtualenv import Virtualenv


def run(venv: Virtualenv, arguments: list[str]) -> int:
    port = free_port(arguments[0] if arguments else "8000")
    venv.prepare_site()
    migrate(venv)
    return start(venv, port)


def example(venv: Virtualenv, arguments: list[str]) -> int:
    port = free_port(arguments[0] if arguments else "8000")
    venv.prepare_site()
    open_shop(venv)
    return start(venv, port, EXAMPLE)


def test(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_tests(venv)


def test_sites(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_sites_tests(venv)


def test_existing(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_existing_tests(venv)


def test_browser(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_browser_tests(venv)


def test_browsers(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_browsers_tests(venv)


def test_faults(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_fault_tests(venv)


def coverage(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return run_coverage(venv)


def cluster(venv: Virtualenv, arguments: list[str]) -> int:
    port = free_port(arguments[0] if arguments else "8000")
    venv.prepare_development()
    os.execv(venv.python, [str(venv.python), str(ROOT / "scripts" / "cluster.py"), str(port)])


def bench(venv: Virtualenv, arguments: list[str]) -> int:
    if not arguments:
        raise SetUpError("Say which benchmark: python scripts/bootstrap.py bench page|opening.")
    venv.prepare_development()
    environment = {**os.environ, "CHROMIUM": chromium(venv) or ""}
    os.chdir(ROOT)  # so that Python finds the benchmarks
    os.execve(venv.python, [str(venv.python), "-m", f"benchmarks.{arguments[0]}", *arguments[1:]], environment)


def setup(venv: Virtualenv, arguments: list[str]) -> int:
    venv.prepare_development()
    return 0


COMMANDS: dict[str, Callable[[Virtualenv, list[str]], int]] = {
    "run": run,
    "example": example,
    "test": test,
    "test-sites": test_sites,
    "test-existing": test_existing,
    "test-browser": test_browser,
    "test-browsers": test_browsers,
    "test-faults": test_faults,
    "coverage": coverage,
    "cluster": cluster,
    "bench": bench,
    "setup": setup,
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        raise SetUpError(f"Say what to do: python scripts/bootstrap.py {'|'.join(COMMANDS)}.")
    return COMMANDS[arguments[0]](Virtualenv(), arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetUpError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nStopped before it was done. Run the same command again to continue.")
