"""Numbers of a process for Prometheus: who may read them, and what they say."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection
from django.test import AsyncClient, Client
from django.utils import timezone

from chat import prometheus
from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.checks import check_settings
from chat.db.threads import in_database
from chat.events import Event
from chat.models import Conversation, Process
from chat.prometheus import Counter, Histogram
from tests.conftest import chat_settings
from tests.support.upstream import eventually

TOKEN = "a-token-of-the-site"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Begin each test at 0."""
    for counted in prometheus.COUNTED:
        if isinstance(counted, Histogram):
            monkeypatch.setattr(counted, "_counts", [0] * len(counted._counts))
            monkeypatch.setattr(counted, "_sum", 0.0)
        elif isinstance(counted, Counter):
            monkeypatch.setattr(counted, "_values", {} if counted._labels else {(): 0})


@pytest.fixture
def on(script, settings):
    settings.CHAT = {**settings.CHAT, "METRICS": TOKEN}
    return script


async def numbers():
    """Return the numbers by their names with labels."""
    response = await AsyncClient().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    lines = [line for line in response.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(number) for name, _, number in (line.rpartition(" ") for line in lines)}


# ---- Who may read them ----


async def asked(**headers):
    return await AsyncClient().get("/metrics", headers=headers)


async def test_without_the_setting_there_is_no_such_page(script, served):
    assert (await asked()).status_code == 404
    assert (await asked(authorization=f"Bearer {TOKEN}")).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"Bearer  {TOKEN} "}, 200),
        *(({"authorization": given}, 403) for given in (TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", "é")),
    ],
)
async def test_a_token_opens_it(on, served, headers, status):
    response = await asked(**headers)
    assert response.status_code == status
    assert response.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert ("llm_chat" in response.content.decode()) == (status == 200)


@pytest.mark.parametrize("setting", [True, TOKEN])
@pytest.mark.parametrize(
    ("fields", "status"), [({"is_staff": True}, 200), ({}, 403), ({"is_staff": True, "is_active": False}, 403)]
)
async def test_staff_may_read_it(script, served, settings, django_user_model, setting, fields, status):
    settings.CHAT = {**settings.CHAT, "METRICS": setting}
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    user = await django_user_model.objects.acreate_user("ann", **fields)
    client = AsyncClient()
    await sync_to_async(client.force_login)(user)
    given = (await client.get("/metrics")).status_code
    assert given == (status if setting is True or status == 200 else 401)


async def test_true_is_no_token(script, served, settings):
    settings.CHAT = {**settings.CHAT, "METRICS": True}
    for given in ("Bearer True", "Bearer ", "Bearer true"):
        assert (await asked(authorization=given)).status_code == 403


async def test_a_site_without_accounts_or_with_login_required_reads_it_by_token(on, served, settings):
    everything = settings.MIDDLEWARE
    settings.MIDDLEWARE = [path for path in everything if "auth" not in path and "messages" not in path]
    assert (await asked(authorization=f"Bearer {TOKEN}")).status_code == 200
    assert (await asked()).status_code == 401
    settings.MIDDLEWARE = [*everything, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert (await asked(authorization=f"Bearer {TOKEN}")).status_code == 200


def test_wsgi_is_reported(on, db):
    response = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (response.status_code, b"WSGI" in response.content) == (503, True)


@pytest.mark.parametrize("value", ["short", "", 1, None, b"a-token-of-the-site", "x" * 15])
def test_another_value_is_an_error_that_does_not_quote_it(settings, value):
    settings.CHAT = chat_settings(METRICS=value)
    (found,) = check_settings()
    assert found.msg == (
        'CHAT["METRICS"] must be True, False, or a token of 16 characters or more, '
        f"got a value of type {type(value).__name__}."
    )


# ---- What they say ----


def answers(found):
    pattern = re.compile(r'llm_chat_answers_total\{assistant="(.*?)",ending="(.*?)",error="(.*?)"\}')
    return {match.groups(): number for name, number in found.items() if (match := pattern.match(name))}


async def test_answers_are_counted_by_their_endings_with_their_times(on, connect, served, monkeypatch):
    now = served.loop.time
    socket = await connect("ann")
    first = await socket.ask("One", chat="c1", message="m1")
    reply = await on.anext_reply()
    assert (await numbers())["llm_chat_running_answers"] == 1
    ahead = 0.0
    (run,) = served.runs.values()
    monkeypatch.setattr(run.times, "_now", lambda: now() + ahead)
    ahead = 3.0
    reply.say("Uno")
    await socket.chunk(first, "text-delta")
    ahead = 20.0
    reply.say(" dos")
    reply.finish()
    await socket.chunks(first)
    await eventually(lambda: not served.runs)
    found = await numbers()
    assert answers(found) == {("default", "complete", ""): 1}
    assert found["llm_chat_running_answers"] == 0
    assert [found[f'llm_chat_first_token_seconds_bucket{{le="{bound}"}}'] for bound in ("2.5", "5")] == [0, 1]
    assert [found[f'llm_chat_answer_seconds_bucket{{le="{bound}"}}'] for bound in ("10", "30")] == [0, 1]


async def test_answers_that_stop_or_fail_are_counted_as_such(on, connect, served):
    socket = await connect("ann")
    request = await socket.ask("One", chat="c1", message="m1")
    await on.anext_reply()
    (run,) = served.runs.values()
    served.stop(run.turn.answer)
    await socket.chunks(request)
    request = await socket.ask("Two", chat="c2", message="m2")
    (await on.anext_reply()).fail("context")
    await socket.chunks(request)
    await eventually(lambda: not served.runs)
    found = await numbers()
    assert answers(found) == {("default", "stopped", ""): 1, ("default", "failed", "context"): 1}
    assert (found["llm_chat_answer_seconds_count"], found["llm_chat_first_token_seconds_count"]) == (2, 0)


async def test_a_deleted_answer_is_not_counted(on, connect, served):
    socket = await connect("ann")
    request = await socket.ask("One")
    await on.anext_reply()
    await Conversation.objects.all().adelete()
    assert await socket.error(request) == "lost"
    await eventually(lambda: not served.runs)
    assert answers(await numbers()) == {}


async def test_a_waiting_answer_is_counted_when_it_begins_to_wait(on, connect, served):
    class Asking(Assistant):
        name = "default"

        @tool(confirm=True)
        def cancel(self):
            """Cancels an order."""

    with registry.replaced(Asking):
        socket = await connect("ann")
        request = await socket.ask("Cancel it")
        reply = await on.anext_reply()
        reply.call("cancel")
        reply.finish("tool-calls")
        await socket.chunks(request)
        await eventually(lambda: not served.runs)
    assert answers(await numbers()) == {("default", "waiting", ""): 1}


async def test_sockets_are_counted_while_they_are_open(on, connect, served):
    assert (await numbers())["llm_chat_sockets"] == 0
    first, _ = await connect("ann"), await connect("bob")
    await first.ask("One")
    await on.anext_reply()
    assert (await numbers())["llm_chat_sockets"] == 2
    await first.raw("nonsense")
    await first.closed()
    await eventually(lambda: served.sockets.count == 1)


async def test_events_that_a_socket_does_not_read_are_counted(on, connect, served, monkeypatch):
    monkeypatch.setattr("chat.consumers.MAX_EVENTS", 3)
    socket = await connect("ann")
    await socket.resume()
    for version in range(10):
        served.events.publish("visitor:ann", Event("run-started", "c1", "a1", version))
    assert (await numbers())["llm_chat_events_dropped_total"] == 7


async def test_the_wait_for_a_thread_is_observed(on, served, monkeypatch):
    class Clock:
        times = iter((100.0, 100.06, 200.0, 200.003, 300.0, 300.0))  # the last ones are of the answers that wait

        @classmethod
        def monotonic(cls):
            return next(cls.times)

    monkeypatch.setattr("chat.db.threads.time", Clock)
    await in_database(int)
    await in_database(int)
    found = await numbers()
    bounds = ("0.001", "0.005", "0.05", "0.1", "+Inf")
    assert [found[f'llm_chat_database_wait_seconds_bucket{{le="{bound}"}}'] for bound in bounds] == [1, 2, 2, 3, 3]


async def test_processes_are_counted(on, served):
    await served.start()
    now = timezone.now()
    await Process.objects.acreate(id="other", host="h", pid=1, started_at=now, heartbeat_at=now)
    await eventually(lambda: served.heartbeat.others)
    assert (await numbers())["llm_chat_processes"] == 2


async def test_the_answers_that_wait_are_counted_for_the_whole_site(on, served):
    conversation = await Conversation.objects.acreate(owner="visitor:ann", uid="c1", updated_at=timezone.now())
    for number, status in enumerate(("waiting", "running", "complete", "waiting")):
        await conversation.message_set.acreate(uid=f"a{number}", role="assistant", status=status)
    assert (await numbers())["llm_chat_waiting_answers"] == 2


async def test_a_database_without_partial_indexes_is_not_searched_for_answers_that_wait(on, served, monkeypatch):
    monkeypatch.setattr(type(connection.features), "supports_partial_indexes", False)
    found = await numbers()
    assert "llm_chat_waiting_answers" not in found
    assert "llm_chat_running_answers" in found


async def test_without_the_database_the_other_numbers_are_there(on, served, monkeypatch):
    def fail():
        raise OperationalError("gone")

    monkeypatch.setattr("chat.metrics.count_waiting", fail)
    found = await numbers()
    assert "llm_chat_waiting_answers" not in found
    assert "llm_chat_running_answers" in found
