"""The admin's lists of answers that run and that wait: what they show, and how staff stop an answer."""

import re
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import stopping
from chat.models import Conversation, Message, Process, ToolCall
from chat.owners import key_of
from tests.support.upstream import eventually

RUNNING, WAITING = "/admin/llm_chat/runninganswer/", "/admin/llm_chat/waitinganswer/"
ATTACK = "<script>alert(1)</script>"


def staff(*permissions):
    """Sign a member of the staff in who has permissions, and return the browser."""
    user = User.objects.create_user(f"staff-{len(permissions)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def stop(client, path, *answers):
    """Choose the action for answers, and return the page that follows."""
    form = {"action": "stop", "_selected_action": [answer.pk for answer in answers]}
    return client.post(path, form, follow=True).content.decode()


def column(page, name):
    """Return what the rows of a list have in a column, as text."""
    cells = re.findall(rf'<t[dh] class="field-{name}[^"]*">(.*?)</t[dh]>', page, re.DOTALL)
    return [re.sub(r'<img [^>]*alt="(\w+)"[^>]*>|<[^>]+>', r"\1", cell).strip() for cell in cells]


def process(name, ago=0.0, **more):
    at = timezone.now() - timedelta(seconds=ago)
    return Process.objects.create(id=name, host=f"host-{name}", pid=7, started_at=at, heartbeat_at=at, **more)


def conversation(number=1, **more):
    fields = {"owner": f"visitor:{number}", "uid": f"c{number}", "updated_at": timezone.now(), **more}
    return Conversation.objects.create(**fields)


def running(number=1, carrier=None, ago=0, **more):
    """Store an answer that runs in a process, and began some seconds ago."""
    found = conversation(number, **more)
    answer = found.message_set.create(uid="a", role="assistant", status="running", process=carrier, text="A secret")
    Message.objects.filter(pk=answer.pk).update(created_at=timezone.now() - timedelta(seconds=ago))
    found.running = found.tip = answer
    found.save()
    return answer


def waiting(number=1, tools=("cancel",), ago=0, expires=None, **more):
    """Store an answer that has waited for some seconds for a decision about the calls of tools."""
    found = conversation(number, **more)
    ended = timezone.now() - timedelta(seconds=ago)
    parts = [{"type": "tool", "call": f"t-{number}-{name}"} for name in tools]
    fields = {"role": "assistant", "status": "waiting", "ended_at": ended, "parts": parts, "has_calls": True}
    found.tip = found.message_set.create(uid="a", **fields)
    found.save()
    for name in tools:
        call = {"uid": f"t-{number}-{name}", "step": 0, "name": name, "question": "Really?", "expires_at": expires}
        found.tip.tool_calls.create(**call, state="asked")
    return found.tip


# ---- What they show ----


def test_running_answers_are_listed_with_their_age_process_owner_and_assistant(admin_client, admin_user, script):
    running(1, process("alive"), ago=62, title=ATTACK, assistant="support")
    running(2, process("dead", ago=60), ago=3 * 86_400, owner=key_of(admin_user.pk), user=admin_user)
    running(3, None, owner="server", title="Of the server")
    running(4, None, owner="unkept", title="Not kept")
    waiting(5)
    page = admin_client.get(RUNNING).content.decode()
    assert column(page, "age") == ["0:01:02", "3\xa0days", "0:00:00", "0:00:00"]
    assert column(page, "process") == ["host-alive:7", "host-dead:7", "-", "-"]
    assert column(page, "alive") == ["True", "False", "False", "False"]
    assert column(page, "owned_by") == ["Visitor", str(admin_user), "Site", "Site"]
    assert column(page, "assistant") == ["support", "default", "default", "default"]
    assert f"/admin/llm_chat/conversation/{Conversation.objects.earliest('pk').pk}/change/" in page
    assert column(page, "in_conversation")[2:] == ["Of the server", "-"]
    assert ATTACK not in page and "A secret" not in page


def test_waiting_answers_are_listed_with_their_tools_and_times(admin_client):
    until = timezone.now() + timedelta(days=2)
    waiting(1, ("refund", "cancel"), ago=3_600, expires=until)
    decided = waiting(2, ("cancel", "refund"))
    decided.tool_calls.filter(name="refund").update(state="allowed")
    running(3)
    waiting(4, deleted_at=timezone.now())
    page = admin_client.get(WAITING).content.decode()
    assert column(page, "tools") == ["refund, cancel", "cancel"]
    assert column(page, "age") == ["1:00:00", "0:00:00"]
    first, second = column(page, "expires")
    assert (str(until.year) in first, second) == (True, "-")


def test_an_answer_that_was_asked_to_stop_says_so(admin_client):
    answer = running()
    assert column(admin_client.get(RUNNING).content.decode(), "stops") == ["None"]
    stop(admin_client, RUNNING, answer)
    assert column(admin_client.get(RUNNING).content.decode(), "stops") == ["True"]


@pytest.mark.parametrize(("path", "make"), [(RUNNING, running), (WAITING, waiting)])
def test_a_list_takes_the_same_number_of_queries_for_50_answers(admin_client, path, make):
    def queries():
        with CaptureQueriesContext(connection) as found:
            page = admin_client.get(path).content.decode()
        return len(found), len(column(page, "assistant"))

    def add(numbers):
        for number in numbers:
            user = User.objects.create_user(f"u{number}")
            answer = make(number, owner=key_of(user.pk), user=user)
            Message.objects.filter(pk=answer.pk).update(process=process(f"p{number}"))

    add(range(2))
    few = queries()
    add(range(2, 50))
    assert (few[1], queries()) == (2, (few[0], 50))


@pytest.mark.parametrize("path", [RUNNING, WAITING])
def test_the_lists_are_in_the_users_language(admin_client, path):
    waiting(1)
    running(2)
    page = admin_client.get(path, headers={"Accept-Language": "de"}).content.decode()
    assert "Ausgewählte Antworten anhalten" in page
    assert ("1 laufende Antwort" if path == RUNNING else "1 wartende Antwort") in page


# ---- Who may stop an answer ----


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "make"), [(RUNNING, running), (WAITING, waiting)])
@pytest.mark.parametrize(
    ("permissions", "sees", "stops"),
    [
        (["change_message"], True, True),
        (["view_message"], True, False),
        (["view_conversation", "change_conversation", "delete_message"], False, False),
        ([], False, False),
    ],
)
def test_it_takes_a_permission_to_see_answers_and_one_to_stop_them(path, make, permissions, sees, stops):
    answer, client = make(), staff(*permissions)
    assert client.get(path).status_code == (200 if sees else 403)
    stop(client, path, answer)
    answer.refresh_from_db()
    assert (answer.stopping, answer.status) == {
        (RUNNING, True): (True, "running"),
        (WAITING, True): (False, "stopped"),
        (RUNNING, False): (False, "running"),
        (WAITING, False): (False, "waiting"),
    }[path, stops]
    assert LogEntry.objects.count() == int(stops)


@pytest.mark.parametrize(("path", "make"), [(RUNNING, running), (WAITING, waiting)])
def test_answers_can_be_neither_changed_nor_deleted_nor_added(admin_client, path, make):
    answer = make()
    assert admin_client.post(f"{path}{answer.pk}/change/", {"status": "complete"}).status_code == 403
    assert admin_client.post(f"{path}{answer.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get(f"{path}add/").status_code == 403
    form = {"action": "delete_selected", "_selected_action": [answer.pk], "post": "yes"}
    admin_client.post(path, form)
    assert Message.objects.filter(pk=answer.pk).exists()


@pytest.mark.parametrize(("path", "make"), [(RUNNING, running), (WAITING, waiting)])
def test_the_log_of_the_admin_says_who_stopped_which_answer_and_nothing_of_its_text(admin_client, path, make):
    answer = make()
    stop(admin_client, path, answer)
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message, entry.user.username) == (
        str(answer.conversation),
        "Stopped",
        "admin",
    )


# ---- What a stop does ----


async def begun(script, connect):
    """Begin an answer; return its socket, its request and the model's reply."""
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    return socket, request, reply


async def test_an_answer_of_this_process_stops_at_once_with_its_text(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    socket, request, reply = await begun(script, connect)
    client = await sync_to_async(staff)("change_message")
    answer = await Message.objects.aget(role="assistant")
    assert "1 answer is being stopped." in await sync_to_async(stop)(client, RUNNING, answer)
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    await eventually(reply.closed.is_set)
    await answer.arefresh_from_db()
    assert (answer.status, answer.text) == ("stopped", "Because")
    assert column((await sync_to_async(client.get)(RUNNING)).content.decode(), "assistant") == []


async def test_an_answer_of_another_process_stops_with_its_heartbeat(script, connect, monkeypatch):
    monkeypatch.setattr(stopping, "engines", list)  # as in a process that runs no answers, under WSGI
    socket, request, _ = await begun(script, connect)
    client = await sync_to_async(staff)("change_message")
    await sync_to_async(stop)(client, RUNNING, await Message.objects.aget(role="assistant"))
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    assert (await Message.objects.aget(role="assistant")).status == "stopped"


async def test_the_answer_of_a_dead_process_stops_when_it_is_recovered(script, connect):
    socket = await connect("ann")
    await socket.rest(await socket.resume())  # the engine has started
    # One that only asked: a server without Redis looks for those, too, while it runs.
    dead = await sync_to_async(process)("dead", client=True)
    answer = await sync_to_async(running)(1, dead, owner="visitor:ann")
    client = await sync_to_async(staff)("change_message")
    await sync_to_async(stop)(client, RUNNING, answer)
    while (await socket.frame("conversation"))["event"] != "run-ended":
        pass
    assert (await Message.objects.aget(pk=answer.pk)).status == "stopped"


async def test_an_answer_that_has_ended_meanwhile_stays_as_it_is(script, connect):
    socket, request, reply = await begun(script, connect)
    client = await sync_to_async(staff)("change_message")
    reply.finish()
    await socket.chunks(request)
    answer = await Message.objects.aget(role="assistant")
    assert "0 answers are being stopped." in await sync_to_async(stop)(client, RUNNING, answer)
    await answer.arefresh_from_db()
    assert (answer.status, answer.stopping) == ("complete", False)


class Shop(Assistant):
    name = "default"

    @tool(confirm=True)
    def cancel(self):
        """Cancel the order."""
        raise AssertionError("nobody has allowed this")


async def test_a_waiting_answer_stops_its_call_is_denied_and_its_pages_learn_of_it(script, connect):
    with registry.replaced(Shop):
        socket = await connect("ann")
        request = await socket.ask("Cancel my order")
        reply = await script.anext_reply()
        reply.call("cancel")
        reply.finish("tool-calls")
        await socket.chunks(request)
        assert [(await socket.frame("conversation"))["event"] for _ in range(2)] == ["run-started", "run-ended"]
        client = await sync_to_async(staff)("change_message", "view_conversation")
        answer = await Message.objects.aget(role="assistant")
        await sync_to_async(stop)(client, WAITING, answer)
        event = await socket.frame("conversation")
        assert (event["event"], event["message"], event.get("waiting", False)) == ("run-ended", answer.uid, False)
        call = await ToolCall.objects.aget()
        await answer.arefresh_from_db()
        assert (answer.status, call.state) == ("stopped", "denied")
        assert await socket.error(await socket.decide(call.uid)) == "conflict"
        path = f"/admin/llm_chat/conversation/{answer.conversation_id}/change/"
        page = " ".join((await sync_to_async(client.get)(path)).content.decode().split())
        assert "Denied by an administrator, <time" in page


@pytest.mark.django_db
def test_a_waiting_answer_of_another_branch_is_stopped_and_not_the_one_that_is_shown(admin_client):
    answer = waiting()
    other = answer.conversation.message_set.create(uid="b", role="assistant", status="waiting")
    Conversation.objects.update(tip=other)
    stop(admin_client, WAITING, answer)
    assert list(Message.objects.order_by("pk").values_list("status", flat=True)) == ["stopped", "waiting"]
