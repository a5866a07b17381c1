"""What a turn costs, in figures that do not depend on the machine: counted, with exact limits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.services import postgres_server

ROOT = Path(__file__).parent.parent


def counted(view, *, by="turn_costs", **environment):
    """Return the figures of a handshake and of three turns in one conversation, or those of another program."""
    command = [sys.executable, "-m", f"tests.support.{by}", view]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def on_sqlite():
    return {view: counted(view, DATABASE_URL="") for view in ("text", "html")}


@pytest.fixture(scope="module")
def on_postgresql():
    with postgres_server() as server:
        return {view: counted(view, DATABASE_URL=server.url()) for view in ("text", "html")}


def statements(figures):
    return {step: len(counts["statements"]) for step, counts in figures.items()}


@pytest.mark.parametrize("view", ["text", "html"])
def test_a_turn_takes_eight_statements_and_its_handshake_one(on_sqlite, view):
    """One of them enters the call of the model in the ledger; on PostgreSQL it is part of another one."""
    assert statements(on_sqlite[view]) == {"handshake": 1, "first": 7, "second": 8, "third": 8}


@pytest.mark.parametrize("view", ["text", "html"])
def test_a_turn_takes_six_statements_on_postgresql(on_postgresql, view):
    assert statements(on_postgresql[view]) == {"handshake": 1, "first": 5, "second": 6, "third": 6}


@pytest.mark.parametrize("view", ["text", "html"])
def test_a_turn_uses_no_savepoint(on_sqlite, on_postgresql, view):
    for figures in (on_sqlite[view], on_postgresql[view]):
        assert not [sql for counts in figures.values() for sql in counts["statements"] if "SAVEPOINT" in sql]


@pytest.mark.parametrize("view", ["text", "html"])
def test_connections_are_kept_with_djangos_own_settings(on_sqlite, on_postgresql, view):
    for figures in (on_sqlite[view], on_postgresql[view]):
        assert {counts["connections"] for counts in figures.values()} == {0}


@pytest.mark.parametrize("view", ["text", "html"])
def test_a_turn_takes_two_steps_on_the_databases_threads_and_its_handshake_one(on_sqlite, view):
    hops = {step: counts["hops"] for step, counts in on_sqlite[view].items()}
    assert hops == {"handshake": 1, "first": 2, "second": 2, "third": 2}


@pytest.mark.parametrize(("view", "tasks", "size"), [("text", 6, 800), ("html", 7, 4_400)])
def test_a_turn_starts_few_tasks_and_sends_few_bytes(on_sqlite, view, tasks, size):
    for step in ("first", "second", "third"):
        assert on_sqlite[view][step]["tasks"] <= tasks
        assert on_sqlite[view][step]["bytes"] <= size


@pytest.mark.parametrize("view", ["text", "html"])
def test_turns_and_their_socket_leave_nothing_to_the_garbage_collector(view):
    """Objects that refer to each other in a circle stay until a full collection, which holds up all answers."""
    assert counted(view, by="garbage", DATABASE_URL="") == {}
