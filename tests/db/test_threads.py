"""The pool of threads by which coroutines reach the database."""

import ast
import asyncio
import threading
from pathlib import Path

import pytest
from django.core.handlers.base import BaseHandler
from django.db import OperationalError, connection, connections
from django.urls import URLResolver

import chat
from chat import urls
from chat.db.threads import Pool, close_pool, in_database
from chat.health import alive, ready


@pytest.fixture(autouse=True)
def pool(transactional_db, settings):
    close_pool()
    settings.CHAT = {"DATABASE_THREADS": 3}
    yield
    close_pool()


async def test_steps_run_side_by_side_on_no_more_threads_than_allowed():
    together = threading.Barrier(3)

    def step():
        together.wait(5)  # three at once, or this breaks
        return threading.current_thread().name

    names = await asyncio.gather(*(in_database(step) for _ in range(9)))
    assert len(set(names)) == 3
    assert all(name.startswith("chat-database") for name in names)


async def test_the_event_loop_is_free_while_a_step_waits():
    release = threading.Event()
    waiting = asyncio.ensure_future(in_database(release.wait, 5))
    await asyncio.sleep(0)
    release.set()
    assert await waiting


async def test_an_exception_in_a_step_reaches_its_caller():
    def step():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await in_database(step)


async def test_a_connection_that_broke_is_replaced():
    def break_it():
        connection.ensure_connection()
        connection.connection.close()
        connection.errors_occurred = True

    def query():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()[0]

    await asyncio.gather(*(in_database(break_it) for _ in range(3)))
    assert await asyncio.gather(*(in_database(query) for _ in range(6))) == [1] * 6


async def test_a_step_is_completed_if_its_caller_is_cancelled():
    begun, release, done = threading.Event(), threading.Event(), threading.Event()

    def step():
        begun.set()
        release.wait(5)
        done.set()

    caller = asyncio.ensure_future(in_database(step))
    assert await asyncio.to_thread(begun.wait, 5)
    caller.cancel()
    release.set()
    assert await asyncio.to_thread(done.wait, 5)
    await asyncio.wait([caller])


async def test_a_step_is_refused_and_not_run_if_no_thread_is_free_in_time(settings):
    settings.CHAT = {"DATABASE_THREADS": 3, "DATABASE_WAIT": 0.05}
    release, done = threading.Event(), []
    busy = [asyncio.ensure_future(in_database(release.wait, 5)) for _ in range(3)]
    late = asyncio.ensure_future(in_database(done.append, 1))
    await asyncio.sleep(0.1)  # longer than a step may wait
    release.set()
    with pytest.raises(OperationalError, match="No thread was free for append"):
        await late
    assert await asyncio.gather(*busy) == [True] * 3
    assert done == []


CHAT = Path(chat.__file__).parent
ALLOWED = [CHAT / "db" / f"{name}.py" for name in ("threads", "kept", "compiled")]
"""Those below ``threads``, which tells them the database."""
OPENS_ITS_OWN = {"connection", "connections", "transaction"}


def test_b38_no_other_module_opens_a_transaction_or_a_cursor_of_its_own():
    for path in CHAT.rglob("*.py"):
        if "migrations" in path.parts or path in ALLOWED:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django.db"):
                taken = {alias.name for alias in node.names} & OPENS_ITS_OWN
                assert not taken, f"{path} imports {taken}: use chat.db.threads, which picks the app's database"


def patterns(urls):
    for entry in urls:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns)
        else:
            yield entry


def test_b37_no_view_of_the_app_runs_inside_a_transaction_of_the_site(monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    views = [alive, ready, *(pattern.callback for pattern in patterns(urls.urlpatterns))]
    assert len(views) > 10
    for view in views:
        assert BaseHandler().make_view_atomic(view) is view


def test_a_pool_works_with_the_threads_that_it_has_where_no_other_can_begin(monkeypatch):
    """As Python 3.12.0 and 3.12.1 have it while they end."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    release = threading.Event()
    with Pool(2) as pool:
        busy = pool.submit(release.wait)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        waiting = pool.submit(lambda: "done")
        release.set()
        assert (busy.result(5), waiting.result(5)) == (True, "done")
    with Pool(2) as pool, pytest.raises(RuntimeError, match="can't create new thread"):
        pool.submit(lambda: "never")
