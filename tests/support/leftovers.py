"""A plugin that fails the run if the tests leave a process, a listening socket or a connection behind.

Every program that a test starts inherits a variable, so that programs are found even when their parents are gone.
"""

import os
import time

import psutil
import pytest

MARK = "LLM_CHAT_TESTS"
WAIT = 10.0
"""How long terminated programs may take to end, in seconds."""

_left = pytest.StashKey[list[str]]()


def pytest_configure():
    os.environ[MARK] = str(os.getpid())


def processes() -> list[str]:
    """Return the command lines of the programs that this run has started and that are still running."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(os.getpid()):
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
        except psutil.Error:  # already gone, or of another user
            continue
    return found


def sockets() -> list[str]:
    """Return the listening sockets and the connections of the tests' own process."""
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
