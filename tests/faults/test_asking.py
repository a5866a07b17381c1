"""Processes that only ask: a command beside a live server, killed and stopped ones, forked workers, WSGI."""

import asyncio
import json
import urllib.parse
import urllib.request

import pytest

from tests.faults.clients import Client, cookie_of_ann
from tests.faults.promises import eventually
from tests.faults.visitor import Visitor, asking
from tests.support.behaviours import ANSWER

RECOVERY = 15.0
"""Longer than a server needs to find a client dead, in seconds."""


@pytest.fixture(params=["memory", "redis-sqlite"])
def live(sites, request):
    """A site with one server, without Redis and with it, on SQLite."""
    site = sites(request.param)
    site.add()
    return site


def answers(site):
    """Return the status and the text of each answer, oldest first."""
    return site.database.rows("SELECT status, text FROM llm_chat_message WHERE role = 'assistant' ORDER BY id")


def processes(site):
    return site.database.rows("SELECT client FROM llm_chat_process")


def read(url):
    with urllib.request.urlopen(url) as response:
        return response.read()


async def call_of(site, question):
    """Wait until the model is asked, and return its call."""
    await eventually(lambda: site.upstream.calls_of(question), "the model was not asked", RECOVERY)
    return site.upstream.calls_of(question)[0]


async def said(site, text):
    """Wait until the text of an answer is in the database."""
    await eventually(lambda: ("running", text) in answers(site), "no checkpoint", RECOVERY)


async def test_a_command_asks_beside_a_live_server_whose_answers_go_on_and_an_open_page_shows_the_answer(live):
    async with Visitor.of(live[0]) as visitor, Visitor.of(live[0], await asyncio.to_thread(cookie_of_ann, live)) as ann:
        running = await (await visitor.open(live[0].port)).ask(asking("gated"))
        call = await call_of(live, running.question)
        call.say("Before. ")
        await running.until(lambda: running.text == "Before. ")
        page = await ann.open(live[0].port)

        question = asking("ok")
        code, out, errors = await asyncio.to_thread(lambda: Client.asks(live, question, "--user", "ann").ended())
        assert (code, out) == (0, ANSWER + "\n"), errors

        await eventually(lambda: any(e["event"] == "run-ended" for e in page.events), "no event", 10)
        event = next(event for event in page.events if event["event"] == "run-ended")
        shown = await page.join(event["id"], question)
        assert (await shown.ended(), shown.text) == ("finish", ANSWER)
        assert await asyncio.to_thread(read, f"http://127.0.0.1:{live[0].port}/healthz") == b"ok\n"
        call.say("After.")
        call.finish()
        assert (await running.ended(), running.text) == ("finish", "Before. After.")
    assert sorted(answers(live)) == sorted([("complete", ANSWER), ("complete", "Before. After.")])
    assert "more processes" not in live.log


POST = """
from django.contrib.auth.models import User
from chat import post
print("posted in", post("default", "Your order has been sent.", user=User.objects.get(username="ann")))
"""


async def test_a_message_that_another_process_posts_is_on_an_open_page(live):
    async with Visitor.of(live[0], await asyncio.to_thread(cookie_of_ann, live)) as ann:
        page = await ann.open(live[0].port)
        client = Client(live, "manage.py", "shell", "-v", "0", "-c", POST)
        code, out, errors = await asyncio.to_thread(client.ended)
        assert (code, out) == (0, "posted in default\n"), errors
        await eventually(lambda: any(e["event"] == "run-ended" for e in page.events), "no event", 10)
        shown = await page.join("default")
        assert (await shown.ended(), shown.text) == ("finish", "Your order has been sent.")


async def test_the_answer_of_a_killed_command_is_ended_by_the_server(live):
    question = asking("gated")
    client = Client.asks(live, question)
    (await call_of(live, question)).say("Before.")
    await said(live, "Before.")
    client.kill()
    await eventually(lambda: answers(live) == [("interrupted", "Before.")], "it was not ended", RECOVERY)


async def test_a_server_that_starts_leaves_the_answer_of_a_living_command_alone(live):
    live[0].close()
    question = asking("gated")
    client = Client.asks(live, question, "--json")
    call = await call_of(live, question)
    call.say("Before. ")
    await said(live, "Before. ")
    await asyncio.to_thread(live[0].start)
    async with Visitor.of(live[0]) as visitor:  # the server has begun its work
        assert await (await (await visitor.open(live[0].port)).ask(asking("ok"))).ended() == "finish"
    call.say("After.")
    call.finish()
    code, out, errors = await asyncio.to_thread(client.ended)
    assert code == 0, errors
    answer = json.loads(out)
    assert (answer["status"], answer["text"]) == ("complete", "Before. After.")
    assert ("complete", "Before. After.") in answers(live)


async def test_a_server_that_starts_after_a_command_was_killed_ends_its_answer(live):
    live[0].close()
    question = asking("gated")
    client = Client.asks(live, question)
    (await call_of(live, question)).say("Before.")
    await said(live, "Before.")
    client.kill()
    await asyncio.to_thread(live[0].start)
    await eventually(lambda: answers(live) == [("interrupted", "Before.")], "it was not ended", RECOVERY)


async def test_ctrl_c_stops_the_answer_of_a_command(live):
    question = asking("gated")
    client = Client.asks(live, question)
    (await call_of(live, question)).say("Before.")
    assert await asyncio.to_thread(client.process.stdout.read, len("Before.")) == "Before."
    client.interrupt()
    code, _, errors = await asyncio.to_thread(client.ended)
    assert (code, "CommandError: The answer was stopped.\n" in errors) == (130, True), errors
    assert answers(live) == [("stopped", "Before.")]
    assert processes(live) == [(0,)]  # it has left nothing behind


@pytest.mark.parametrize("topology", ["memory", "redis-postgres"])
async def test_a_forked_worker_asks_although_its_parent_has_asked_before(sites, topology):
    site = sites(topology)
    site.add()
    questions = [asking("ok"), asking("ok"), asking("echo"), asking("echo")]
    client = Client(site, "-m", "tests.faults.forks", *questions)
    code, out, errors = await asyncio.to_thread(client.ended)
    assert (code, "Traceback" in errors) == (0, False), errors
    echoes = [f"{question} " for question in questions[2:]]
    assert out == f"worker {ANSWER}\nworker {echoes[0]}\nparent {ANSWER} {echoes[1]}\n"
    assert [status for status, _ in answers(site)] == ["complete"] * 4


async def test_the_views_of_a_wsgi_process_ask(live):
    client = Client(live, "-m", "tests.faults.wsgi_pages")
    port = (await asyncio.to_thread(client.process.stdout.readline)).strip()
    try:
        for view in ("plain", "plain", "async", "stream"):
            query = urllib.parse.urlencode({"q": asking("ok")})
            response = await asyncio.to_thread(read, f"http://127.0.0.1:{port}/{view}/?{query}")
            assert json.loads(response) == {"text": ANSWER}
        assert sorted(client for (client,) in processes(live)) == [False, True]
    finally:
        client.interrupt()
        _, _, errors = await asyncio.to_thread(client.ended)
    assert processes(live) == [(0,)], errors
