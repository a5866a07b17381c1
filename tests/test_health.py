"""The answers of a process to load balancers and supervisors."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.utils import timezone

from chat.engine.engine import engine
from chat.models import Process
from tests.conftest import chat_settings
from tests.support.upstream import eventually


async def ask(async_client, path):
    response = await async_client.get(path)
    return response.status_code, response.content.decode()


async def test_a_healthy_process_answers_200(script, served, async_client):
    assert await ask(async_client, "/healthz") == (200, "ok\n")
    assert await ask(async_client, "/readyz") == (200, "ok\n")


async def test_two_processes_with_streams_in_memory_are_reported(script, served, async_client, caplog):
    await served.start()
    now = timezone.now()
    await Process.objects.acreate(id="other", host="h", pid=1, started_at=now, heartbeat_at=now)
    await eventually(lambda: served.heartbeat.others)
    status, text = await ask(async_client, "/healthz")
    assert (status, text[:34]) == (503, "1 more processes run on this datab")
    assert "1 more processes run on this database" in caplog.text
    assert await ask(async_client, "/readyz") == (200, "ok\n")


async def test_a14_a_redis_that_has_never_answered_is_reported_and_only_the_log_names_it(
    script, served, async_client, settings, caplog
):
    settings.CHAT = {**settings.CHAT, "REDIS_URL": "redis://127.0.0.1:1/0"}
    await served.drain()
    status, text = await ask(async_client, "/healthz")
    assert (status, text) == (503, "Redis has not answered yet.\n")
    assert "Redis at redis://127.0.0.1:1/0 does not answer" in caplog.text
    await engine().drain()


async def test_a_process_that_shuts_down_accepts_no_visitors(script, served, async_client):
    await served.start()
    release = asyncio.Event()
    waiting = served.tasks.spawn(release.wait())
    draining = asyncio.create_task(served.drain())
    await asyncio.sleep(0)
    assert await ask(async_client, "/readyz") == (503, "This process is shutting down.\n")
    release.set()
    await waiting
    await draining


@pytest.mark.parametrize("where", ["chat.health._ask", "chat.engine.engine.register"])
async def test_a_process_without_its_database_is_alive_but_accepts_no_visitors(
    script, served, async_client, monkeypatch, where
):
    def fail(*args, **more):
        raise DatabaseError("away")

    with monkeypatch.context() as away:
        away.setattr(where, fail)
        assert (await ask(async_client, "/readyz"))[0] == 503
        assert await ask(async_client, "/healthz") == (200, "ok\n")
    assert await ask(async_client, "/readyz") == (200, "ok\n")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"REDIS_URL": "nonsense"}, 'CHAT["REDIS_URL"] must be a URL such as'),
        ({"DATABASE_THREADS": 0}, 'CHAT["DATABASE_THREADS"] must be a positive integer, got 0.'),
        ({"HEARTBEAT": "often"}, 'CHAT["HEARTBEAT"] must be a positive number of seconds'),
        ({"BACKENDS": {}}, 'CHAT["BACKENDS"] must have an entry "default", got nothing.'),
        ({"BACKENDS": {"default": {"BACKEND": "no.such.Backend"}}}, 'The backend "no.such.Backend" cannot be imported'),
        (["TICK"], "CHAT must be a dictionary, got a value of type list."),
    ],
)
async def test_a_process_with_wrong_settings_is_unhealthy_and_gives_the_reason(
    transactional_db, settings, async_client, wrong, sentence
):
    right = settings.CHAT
    settings.CHAT = {**chat_settings(), **wrong} if isinstance(wrong, dict) else wrong
    status, text = await ask(async_client, "/healthz")
    assert (status, text[: len(sentence)]) == (503, sentence)
    assert (await ask(async_client, "/readyz"))[0] == (200 if "BACKENDS" in wrong else 503)
    settings.CHAT = right
    await engine().drain()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_under_wsgi_the_response_asks_for_asgi(db, client, path):
    response = await sync_to_async(client.get)(path)
    assert (response.status_code, b"ASGI" in response.content) == (503, True)


LOGIN = "django.contrib.auth.middleware.LoginRequiredMiddleware"


async def test_b37_health_checks_answer_in_a_site_with_atomic_requests(script, served, async_client, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert await ask(async_client, "/healthz") == (200, "ok\n")
    assert await ask(async_client, "/readyz") == (200, "ok\n")


async def test_b39_health_checks_need_no_login(script, served, async_client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN]
    assert (await async_client.get("/chat/")).status_code == 302
    assert await ask(async_client, "/healthz") == (200, "ok\n")
    assert await ask(async_client, "/readyz") == (200, "ok\n")
