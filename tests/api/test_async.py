"""``aask`` and ``astream``: on the loop of a server, and where no server runs."""

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async

from chat import Answer, ChatRefused, aask, ask, astream
from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import background, start
from chat.engine.engine import engine, engines
from chat.models import Message, Process
from tests.support.upstream import eventually


@pytest.fixture
async def server(served):
    """The engine of a server, which has started as with its lifespan."""
    await served.start()
    return served


@sync_to_async
def statuses():
    return list(Message.objects.filter(role="assistant").values_list("status", "text"))


async def test_a_server_answers_on_its_own_loop_and_stays_the_only_process(script, server):
    script.will_say("One ", "two.")
    answer = await aask("default", "Count")
    assert (answer.status, answer.text) == ("complete", "One two.")
    assert [found for _, found in engines()] == [server]
    assert [process.client async for process in Process.objects.all()] == [False]


async def test_a_thread_of_a_server_asks_on_the_servers_loop_so_that_open_pages_follow(script, server, ada, connect):
    socket = await connect(user=ada)
    asking = asyncio.create_task(asyncio.to_thread(ask, "default", "Count", user=ada))
    reply = await script.anext_reply()
    reply.say("One ")
    event = await socket.frame("conversation")
    assert (event["event"], event["title"]) == ("run-started", "Count")
    request = await socket.resume(chat=event["id"])
    assert (await socket.chunk(request, "text-delta"))["delta"] == "One "
    reply.say("two.")
    reply.finish()
    assert (await asking).text == "One two."
    assert (await socket.chunks(request))[0]["delta"] == "two."
    assert (await socket.frame("conversation"))["event"] == "run-ended"


async def test_a_stream_yields_texts_as_they_grow_and_then_the_answer(script, server):
    stream = astream("default", "Count")
    first = asyncio.ensure_future(anext(stream))
    reply = await script.anext_reply()
    reply.say("One ")
    assert await first == "One "
    reply.say("two.")
    reply.finish()
    rest = [item async for item in stream]
    assert rest[:-1] == ["two."]
    assert isinstance(rest[-1], Answer)
    assert (rest[-1].status, rest[-1].text) == ("complete", "One two.")


async def test_the_texts_of_a_stream_are_the_text_of_the_answer_also_over_several_steps(script, server):
    class Talker(Assistant):
        @tool
        def look(self) -> str:
            """Look."""
            return "seen"

    with registry.replaced(Talker):
        answering = asyncio.ensure_future(_all(astream("talker", "Look")))
        reply = await script.anext_reply()
        reply.say("Looking.")
        reply.call("look")
        reply.finish()
        reply = await script.anext_reply()
        reply.say("Seen.")
        reply.finish()
        *texts, answer = await answering
    assert "".join(texts) == answer.text == "Looking.\n\nSeen."


async def _all(stream):
    return [item async for item in stream]


async def test_to_leave_a_stream_is_to_stop_the_answer(script, server):
    script.will_say("One ", finish=False)
    async with contextlib.aclosing(astream("default", "Count")) as stream:
        assert await anext(stream) == "One "
    await eventually(lambda: not server.runs)
    assert await statuses() == [("stopped", "One ")]


async def test_to_cancel_a_question_is_to_stop_the_answer(script, server):
    asking = asyncio.create_task(aask("default", "Count"))
    (await script.anext_reply()).say("One ")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: not server.runs)
    assert [status for status, _ in await statuses()] == ["stopped"]


async def test_a_question_that_is_cancelled_while_it_is_stored_is_stopped(script, server, monkeypatch):
    storing, stored = asyncio.Event(), asyncio.Event()
    store = start._store

    async def slow(*arguments):
        storing.set()
        await stored.wait()
        return await store(*arguments)

    monkeypatch.setattr(start, "_store", slow)
    asking = asyncio.create_task(aask("default", "Count"))
    await storing.wait()
    asking.cancel()
    stored.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: not server.runs and not server.tasks)
    assert await statuses() == [("stopped", "")]


@pytest.mark.parametrize("call", [aask, lambda *given: anext(astream(*given))])
async def test_a_refusal_is_raised(script, server, call):
    with pytest.raises(ChatRefused) as refusal:
        await call("default", " ")
    assert refusal.value.code == "empty"


async def test_a_tool_that_is_a_coroutine_can_ask(script, server):
    class Clerk(Assistant):
        @tool
        async def look_up(self, word: str) -> str:
            """Ask another assistant."""
            return (await aask("default", word)).text

    with registry.replaced(*registry.defined, Clerk):
        script.will_call("look_up", word="Uno")
        script.will_say("One.")
        script.will_say("It means one.")
        answer = await aask("clerk", "What is uno?")
    assert (answer.text, answer.parts[0]["output"]) == ("It means one.", "One.")


async def test_a_server_that_stops_interrupts_the_answer_and_the_caller_learns_it(script, server):
    asking = asyncio.create_task(aask("default", "Count"))
    (await script.anext_reply()).say("One ")
    draining = asyncio.create_task(server.drain())
    assert (await asking).status == "interrupted"
    await draining


async def test_a_server_that_stops_takes_no_question(script, server):
    asking = asyncio.create_task(aask("default", "Count"))
    reply = await script.anext_reply()
    draining = asyncio.create_task(server.drain())
    await eventually(lambda: server.draining)
    with pytest.raises(ChatRefused) as refusal:
        await aask("default", "More")
    assert refusal.value.code == "draining"
    reply.finish()
    assert (await asking).status == "complete"
    await draining


async def test_a_loop_without_a_server_asks_in_the_background(asking):
    """As in an async view under WSGI, whose loop ends with the request, or in a command."""
    asking.will_say("One ", "two.")
    *texts, answer = await _all(astream("default", "Count"))
    assert ("".join(texts), answer.text, answer.status) == ("One two.", "One two.", "complete")
    loops = [loop for loop, _ in engines()]
    assert len(loops) == 1
    assert loops[0] is not asyncio.get_running_loop()


async def test_to_leave_a_stream_of_the_background_is_to_stop_the_answer(asking):
    asking.will_say("One ", finish=False)
    async with contextlib.aclosing(astream("default", "Count")) as stream:
        assert await anext(stream) == "One "
    await asyncio.to_thread(background.close)
    assert await statuses() == [("stopped", "One ")]


async def test_an_engine_that_a_page_has_made_but_not_started_does_not_answer(asking):
    """Under WSGI, a view may make one on the loop of its request."""
    engine()
    asking.will_say("One")
    assert (await aask("default", "Count")).text == "One"
    await engine().drain()
