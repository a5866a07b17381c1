"""The connections that the threads keep between two steps."""

import socket

import pytest
from django.db import DatabaseError, connection, connections

from chat.db import kept
from chat.db.threads import close_pool, in_database


@pytest.fixture(autouse=True)
def one_thread(transactional_db, settings):
    close_pool()
    settings.CHAT = {"DATABASE_THREADS": 1}
    yield
    close_pool()


def raw():
    """Use the thread's connection, and return the driver's object."""
    connection.ensure_connection()
    return connection.connection


def fail():
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


async def test_a_connection_is_kept_for_the_next_step():
    assert await in_database(raw) is await in_database(raw)


async def test_with_an_age_of_0_no_connection_is_kept(settings):
    settings.CHAT = {**settings.CHAT, "DATABASE_MAX_AGE": 0}
    await in_database(raw)
    assert await in_database(lambda: connection.connection) is None


async def test_a_connection_is_replaced_at_its_age(settings):
    settings.CHAT = {**settings.CHAT, "DATABASE_MAX_AGE": 1e-9}
    assert await in_database(raw) is not await in_database(raw)


async def test_conn_max_age_counts_where_it_is_longer(settings, monkeypatch):
    settings.CHAT = {**settings.CHAT, "DATABASE_MAX_AGE": 0}
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", None)
    assert await in_database(raw) is await in_database(raw)


async def test_a_connection_is_not_kept_after_an_error():
    before = await in_database(raw)
    with pytest.raises(DatabaseError):
        await in_database(fail)
    assert await in_database(raw) is not before


async def test_a_connection_that_was_unused_for_a_while_is_tested_first(monkeypatch):
    before = await in_database(raw)
    monkeypatch.setattr(kept, "IDLE", -1.0)
    monkeypatch.setattr(type(connections["default"]), "is_usable", lambda self: False)
    assert await in_database(raw) is not before


async def test_a_connection_left_inside_a_transaction_is_not_kept():
    before = await in_database(raw)
    await in_database(connection_without_autocommit)
    assert await in_database(raw) is not before


@pytest.mark.parametrize("replace", [lambda file: file.unlink(), lambda file: file.replace(file.with_name("old"))])
async def test_a_file_that_was_replaced_is_opened_again(monkeypatch, tmp_path, replace):
    file = tmp_path / "site.sqlite3"
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", str(file))
    before = await in_database(raw)
    assert await in_database(raw) is before
    replace(file)
    (tmp_path / "new").touch()
    (tmp_path / "new").replace(file)
    assert await in_database(raw) is not before


def connection_without_autocommit():
    connection.set_autocommit(False)


async def test_a_pool_of_the_drivers_gets_its_connection_back(monkeypatch):
    await in_database(raw)
    with monkeypatch.context() as patch:
        patch.setitem(connections["default"].settings_dict["OPTIONS"], "pool", True)
        assert await in_database(lambda: connection.connection) is not None
        assert await in_database(lambda: connection.connection) is None


async def test_the_connections_are_closed_with_the_pool():
    wrapper = await in_database(lambda: connections["default"])
    assert wrapper.connection is None or await in_database(raw)
    close_pool()
    assert wrapper.connection is None


def test_input_on_a_connection_that_waits_for_nothing_is_noticed():
    ours, theirs = socket.socketpair()
    with ours:
        assert not kept._has_input(ours)
        theirs.close()
        assert kept._has_input(ours)
    assert kept._has_input(ours)  # closed here
    assert not kept._has_input(object())  # no socket at all
