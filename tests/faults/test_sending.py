"""F01 to F08: an acknowledged message is stored once, with one answer from one model call."""

import asyncio

import pytest

from tests.faults import pace
from tests.faults.promises import (
    assert_asked,
    assert_one_order,
    assert_plain_errors,
    assert_sent_once,
    assert_shown_as_stored,
    eventually,
    heartbeats_updated,
    stored_ending,
)
from tests.faults.visitor import WAIT, Answer, asking, fresh
from tests.support.behaviours import ANSWER


def copies(behaviour="ok"):
    """Return one message as two pages hold it that both send it."""
    first = Answer(fresh("c"), asking(behaviour), fresh("m"))
    return first, Answer(first.chat, first.question, first.message)


async def first_ended(*answers):
    """Return the answers, with those whose requests have ended first, as soon as one has."""
    await eventually(lambda: any(answer.over for answer in answers), "both answers run", WAIT)
    return sorted(answers, key=lambda answer: not answer.over)


async def let_model_answer(site, answer):
    """Let the model answer a question whose behaviour is ``gated``."""
    await eventually(lambda: site.upstream.calls_of(answer.question), "the model was not asked", WAIT)
    (call,) = site.upstream.calls_of(answer.question)
    call.say("Hello")
    call.finish()


async def test_f01_a_message_sent_twice_on_one_socket_is_stored_once(site, visitor):
    tab = await visitor.open(site[0].port)
    for _ in range(pace.rounds(3, 100)):
        first, second = copies()
        await tab.send(first)
        await tab.send(second)
        assert [await first.ended(), await second.ended()] == ["finish", "finish"]
        assert first.uid == second.uid
        assert first.text == second.text == ANSWER
        assert_sent_once(site, first)
        assert_asked(site.upstream, first)


@pytest.mark.parametrize("running_site", ["memory", "redis-postgres", "redis-sqlite"], indirect=True)
async def test_f02_a_message_sent_to_two_processes_at_once_is_stored_once(site, visitor):
    here, there = await visitor.open(site[0].port), await visitor.open(site[-1].port)
    for _ in range(pace.rounds(10, 200)):
        first, second = copies()
        await asyncio.gather(here.send(first), there.send(second))
        assert [await first.ended(), await second.ended()] == ["finish", "finish"]
        assert first.uid == second.uid
        assert_sent_once(site, first)
        assert_asked(site.upstream, first)
        assert_shown_as_stored(site, first, second)


async def test_f03_a_message_whose_acknowledgement_dies_with_the_server_is_not_sent_again(site, visitor, network):
    for _ in range(pace.rounds(1, 20)):
        tab = await visitor.open(network.port)
        network.swallow("server")
        answer = Answer(fresh("c"), asking("paced:40:20"), fresh("m"))
        await tab.send(answer)
        await eventually(lambda answer=answer: site.stored(answer.chat), "the message was not stored", wait=10)
        site[0].kill()
        await tab.drop()
        network.flow()
        assert answer.uid is None
        await asyncio.to_thread(site[0].start)
        await tab.connect(site[-1].port)
        await tab.send(answer)
        await tab.follow_through(answer, site[-1].port)
        stored = await stored_ending(site, answer, wait=60)
        assert stored.status == "interrupted"
        assert_sent_once(site, answer)
        assert_shown_as_stored(site, answer)
        assert len(site.upstream.calls_of(answer.question)) <= 1
        await heartbeats_updated(site)
    assert_plain_errors(site, [answer])


async def test_f04_a_message_whose_server_dies_before_the_commit_is_not_stored_and_can_be_sent_again(site, visitor):
    for _ in range(pace.rounds(1, 20)):
        tab = await visitor.open(site[0].port)
        await (await tab.ask(asking("ok"))).ended()  # so that the server is warm
        answer = Answer(fresh("c"), asking("ok"), fresh("m"))
        with site.database.locked():
            await tab.send(answer)
            nothing = await tab.join(fresh("c"))
            assert await nothing.ended() == "None"  # so the message before it has been handled, too
            site[0].kill()
        await tab.drop()
        assert answer.uid is None
        assert not site.stored(answer.chat)
        assert_asked(site.upstream, answer, times=0)
        await asyncio.to_thread(site[0].start)
        await tab.connect(site[0].port)
        await tab.send(answer)
        assert await answer.ended() == "finish"
        assert_sent_once(site, answer)
        assert_asked(site.upstream, answer)


async def test_f08_one_of_two_tabs_that_send_at_once_is_refused_and_history_has_one_order(site, visitor):
    here, there = await visitor.open(site[0].port), await visitor.open(site[-1].port)
    for _ in range(pace.rounds(3, 100)):
        chat = fresh("c")
        both = [Answer(chat, asking("gated"), fresh("m")) for _ in range(2)]
        await asyncio.gather(here.send(both[0]), there.send(both[1]))
        refused, running = await first_ended(*both)
        assert await refused.ended() == "busy"
        assert_asked(site.upstream, refused, times=0)
        await let_model_answer(site, running)
        assert await running.ended() == "finish"
        assert [message.role for message in site.stored(chat)] == ["user", "assistant"]
        await here.send(refused)
        await let_model_answer(site, refused)
        assert await refused.ended() == "finish"
        assert [message.text for message in site.stored(chat)[1::2]] == ["Hello"] * 2
        assert_one_order(site, chat)
        assert_shown_as_stored(site, *both)
