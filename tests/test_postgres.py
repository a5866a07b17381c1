"""The site's pool against a PostgreSQL that is restarted, down or full."""

import contextlib
import time

import pytest
from django.db import OperationalError as DatabaseError
from django.db import connections, transaction
from psycopg import OperationalError
from psycopg_pool import ConnectionPool

from chatproject import environment
from chatproject.pgbouncer import base
from chatproject.postgres import CONNECTION, POOL, PooledConnection
from tests.faults.services import postgres_server
from tests.support.pgbouncer import pgbouncer
from tests.support.processes import running
from tests.support.startproject import Visitor
from tests.support.upstream import running_upstream


@pytest.fixture(scope="module")
def one_server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(one_server):
    yield one_server
    one_server.mend()


@pytest.fixture
def pool(server):
    """Provide the pool as Django creates it, with CONN_HEALTH_CHECKS."""
    with server.connect() as connection:
        server_address = connection.info.get_parameters()
    kwargs = {**CONNECTION, **server_address, "autocommit": True}
    options = {**POOL, "timeout": 2.0, "connection_class": PooledConnection, "check": ConnectionPool.check_connection}
    with ConnectionPool(kwargs=kwargs, open=False, **options) as pool:
        yield pool


def lend_out(pool, number):
    """Borrow ``number`` connections at once, and give them back."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(pool.connection())


def asked(pool):
    """Run a query, and return how long that took."""
    began = time.monotonic()
    with pool.connection() as connection:
        connection.cursor().execute("SELECT 1")
    return time.monotonic() - began


def test_the_first_request_after_a_restart_gets_through(server, pool):
    lend_out(pool, 10)
    server.stop()
    server.start()
    assert asked(pool) < 1.0


def test_a_request_fails_in_time_while_the_server_is_down_and_gets_through_when_it_is_back(server, pool):
    lend_out(pool, 3)
    server.stop()
    began = time.monotonic()
    with pytest.raises(OperationalError):
        asked(pool)
    assert time.monotonic() - began < 4.0
    server.start()
    assert asked(pool) < 2.0


def test_a_request_fails_in_time_when_the_server_has_no_connection_left(server, pool):
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OperationalError):
            while True:
                stack.enter_context(server.connect())
        began = time.monotonic()
        with pytest.raises(OperationalError):
            lend_out(pool, 4)
        assert time.monotonic() - began < 4.0
    assert asked(pool) < 3.0


@pytest.fixture
def bouncer(server, tmp_path_factory):
    with pgbouncer(server, tmp_path_factory.mktemp("pgbouncer")) as url:
        yield url


@pytest.fixture
def behind(bouncer, monkeypatch, django_db_blocker):
    """Provide a Django connection that goes through pgbouncer."""
    monkeypatch.setenv("DATABASE_URL", f"{bouncer}/postgres?pool=false")
    entry = connections.configure_settings({"default": environment.database("DATABASE_URL", None)})["default"]
    monkeypatch.setitem(connections.settings, "bouncer", entry)
    with django_db_blocker.unblock():
        yield connections["bouncer"]
        connections["bouncer"].close()
    del connections["bouncer"]


def said(connection, question):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(("name", "value"), [("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "30s")])
def test_a13_behind_pgbouncer_each_transaction_has_its_deadlines_and_leaves_none_behind(behind, name, value):
    for _ in range(2):
        with transaction.atomic(using="bouncer"):
            assert said(behind, f"SHOW {name}") == value
            with transaction.atomic(using="bouncer"):
                assert said(behind, f"SHOW {name}") == value
        assert said(behind, f"SHOW {name}") == "0"  # pgbouncer has one connection to the server, so it is the same


def test_a13_behind_pgbouncer_no_transaction_waits_for_a_lock_forever(server, behind, monkeypatch):
    monkeypatch.setattr(base, "_SET", base._SET.replace("10s", "50ms"))
    with server.connect() as other:
        other.execute("CREATE TABLE locked (x int)")
        with other.transaction():
            other.execute("LOCK TABLE locked")
            with pytest.raises(DatabaseError, match="lock timeout"), transaction.atomic(using="bouncer"):
                said(behind, "SELECT count(*) FROM locked")
        other.execute("DROP TABLE locked")
    with transaction.atomic(using="bouncer"):
        assert said(behind, "SELECT 1") == 1


def test_a13_the_site_answers_behind_pgbouncer(server, tmp_path_factory):
    server.create("bounced")
    folder = tmp_path_factory.mktemp("bounced")
    with pgbouncer(server, tmp_path_factory.mktemp("pgbouncer"), size=4) as url, running_upstream() as upstream:
        model = {"OPENAI_BASE_URL": upstream.url, "OPENAI_MODEL": "echo"}
        with running("uvicorn", folder, DATABASE_URL=f"{url}/bounced?pool=false", **model) as site:
            visitor = Visitor(f"http://127.0.0.1:{site.port}")
            assert visitor.ask("Anybody behind there?", "/chat/")[-1]["type"] == "end"
