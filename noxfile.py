"""Tests against every supported pair of Python and Django, as far as the Pythons are on this machine.

    .venv/bin/nox -l                                         list the sessions
    .venv/bin/nox -s smoke                                   tests of every room, on the oldest pair, as in .ci/run
    .venv/bin/nox -s "tests(python='3.12', django='6.0')"    all tests but those of faults and of the browser, on a pair
    .venv/bin/nox -s tests                                   the same, on every pair

A Python that is not on PATH is skipped. pyenv puts several there: ``pyenv local 3.13 3.12 3.11``.
"""

import sys

import nox

sys.path.append("scripts")
from groups import SITE_VARIABLES, SMOKE, UNITS

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DJANGOS = {"5.2": PYTHONS, "6.0": PYTHONS[1:], "6.1": PYTHONS[1:]}
"""Each Django with the Pythons that it supports."""

OLDEST = ("3.11", "5.2")
PAIRS = [(python, django) for django, pythons in DJANGOS.items() for python in pythons]

nox.options.sessions = ["smoke"]
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


def run_tests(session: nox.Session, django: str, *chosen: str) -> None:
    """Run tests in an environment that has the newest patch of a Django."""
    session.install("--only-binary", ":all:", "-r", "requirements-dev.txt", f"django~={django}.0")
    session.run("python", "-m", "django", "--version")
    # What a developer's shell says about a site must not reach the tests.
    environment = dict.fromkeys(SITE_VARIABLES)
    session.run("python", "-m", "pytest", "-p", "no:cacheprovider", *(session.posargs or chosen), env=environment)


@nox.session(python=OLDEST[0])
def smoke(session: nox.Session) -> None:
    """Run the smoke tests on the oldest pair."""
    run_tests(session, OLDEST[1], *SMOKE)


@nox.session
@nox.parametrize("python,django", PAIRS)
def tests(session: nox.Session, django: str) -> None:
    """Run all tests that need neither a browser nor another process of the site."""
    run_tests(session, django, *UNITS)
