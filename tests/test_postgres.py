"""The site's pool against a PostgreSQL that is restarted, gone, or full."""

import contextlib
import time

import pytest
from psycopg import OperationalError
from psycopg_pool import ConnectionPool

from chatproject.postgres import CONNECTION, POOL, PooledConnection
from tests.faults.services import postgres_server


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
    """As Django makes it, with CONN_HEALTH_CHECKS."""
    with server.connect() as connection:
        server_address = connection.info.get_parameters()
    kwargs = {**CONNECTION, **server_address, "autocommit": True}
    options = {**POOL, "timeout": 2.0, "connection_class": PooledConnection, "check": ConnectionPool.check_connection}
    with ConnectionPool(kwargs=kwargs, open=False, **options) as pool:
        yield pool


def lend_out(pool, number):
    """Borrow so many connections at once, and give them back."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(pool.connection())


def asked(pool):
    """How long it took to ask the server something."""
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


def test_a_request_fails_in_time_where_the_server_has_no_connection_left(server, pool):
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OperationalError):
            while True:
                stack.enter_context(server.connect())
        began = time.monotonic()
        with pytest.raises(OperationalError):
            lend_out(pool, 4)
        assert time.monotonic() - began < 4.0
    assert asked(pool) < 3.0
