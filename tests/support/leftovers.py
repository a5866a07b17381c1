"""A plugin: the run fails where a process, a listening socket or a connection of the tests is left over at its end.

Every program that a test starts inherits a variable, so that also those are found whose parents are gone.
"""

import os
import time

import psutil
import pytest

MARK = "LLM_CHAT_TESTS"
WAIT = 10.0
"""How long what was told to end may take, in seconds."""

_left = pytest.StashKey[list[str]]()


def pytest_configure():
    os.environ[MARK] = str(os.getpid())


def processes() -> list[str]:
    """The programs that this run has started, as they are now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(os.getpid()):
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
        except psutil.Error:  # gone meanwhile, or somebody else's
            continue
    return found


def sockets() -> list[str]:
    """The listening sockets and the connections of the tests' own process."""
    open_sockets = psutil.Process().net_connections(kind="inet")
    return [f"socket {c.laddr} to {c.raddr or 'nobody'}: {c.status}" for c in open_sockets]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    deadline = time.monotonic() + WAIT
    while (left := processes() + sockets()) and time.monotonic() < deadline:
        time.sleep(0.05)
    session.config.stash[_left] = left
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if left := config.stash.get(_left, []):
        terminalreporter.section("left over by the tests", red=True)
        terminalreporter.write_line("\n".join(left))
