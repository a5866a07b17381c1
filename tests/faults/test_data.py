"""Commands that remove or hand out data, in processes of their own beside live servers."""

import asyncio
import json

import pytest

from tests.faults.played import begun, let_go
from tests.faults.promises import eventually
from tests.faults.visitor import asking
from tests.support.behaviours import ANSWER

AGED = """
from chat.models import Conversation
Conversation.objects.filter(uid="{uid}").update(updated_at="2020-01-01T00:00Z")
"""


@pytest.fixture(scope="module", params=["memory", "redis-postgres"])
def keeping(request, making_sites):
    """Provide a site that keeps conversations for an hour: one process on SQLite without Redis, and two with it."""
    with making_sites() as make:
        site = make(request.param)
        for _ in range(1 if request.param == "memory" else 2):
            site.add(RETENTION={"anonymous": "1 hour"})
        site.topology = request.param
        yield site


@pytest.fixture
def site(keeping):
    keeping.mend()
    return keeping


def managed(site, *arguments):
    """Run a command in a process of its own, which has the settings of the site's last process."""
    return asyncio.to_thread(site.processes[-1].manage, *arguments)


def owner_of(site, answer):
    ((owner,),) = site.database.rows("SELECT owner FROM llm_chat_conversation WHERE uid = %s", answer.chat)
    return owner


async def test_two_prunes_at_once_beside_live_servers_remove_what_is_old_and_end_no_answer(site, visitor):
    tab = await visitor.open(site[0].port)
    old = await tab.ask(asking("ok"))
    await old.ended()
    running, call = await begun(site, tab, "Half. ")
    for answer in (old, running):
        await managed(site, "shell", "-c", AGED.format(uid=answer.chat))
    said = await asyncio.gather(managed(site, "chat_prune"), managed(site, "chat_prune"))
    assert sorted(line.split(": ")[1].split(".")[0] for line in (one.splitlines()[0] for one in said)) == [
        "0 conversations removed",
        "1 conversation removed",
    ]
    assert site.stored(old.chat) == []
    assert not call.closed
    call.say("Whole.")
    call.finish()
    await running.ended()
    assert running.text == "Half. Whole."
    assert site.message(running.uid).status == "complete"
    if site.topology == "redis-postgres":
        await eventually(lambda: ("deleted", old.chat) in events(tab), "the page did not learn of it", 10)


def events(tab):
    return [(event["event"], event["id"]) for event in tab.events]


async def test_an_erasure_stops_the_running_answer_and_leaves_nothing(site, visitor):
    tab = await visitor.open(site[0].port)
    done = await tab.ask(asking("ok"))
    await done.ended()
    running, call = await begun(site, tab, "Half. ")
    key = owner_of(site, running).removeprefix("visitor:")
    exported = json.loads(await managed(site, "chat_export", "--visitor", key))
    texts = [message["text"] for found in exported["conversations"] for message in found["messages"]]
    assert (done.question in texts, ANSWER in texts, running.question in texts) == (True, True, True)
    said = await managed(site, "chat_erase", "--visitor", key, "--no-input")
    assert "2 conversations" in said
    await let_go(call)
    assert (site.stored(done.chat), site.stored(running.chat)) == ([], [])
    again = await tab.ask(asking("ok"))
    await again.ended()
    assert len(site.stored(again.chat)) == 2
