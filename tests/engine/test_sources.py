"""The sources of an answer: their numbers do not depend on which call ends first, on steps, stops or continuing."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async

from chat.assistants import Assistant, Source, tool
from chat.assistants.discovery import registry
from chat.chunks import SourceUrl
from chat.db.calls import UNKNOWN
from chat.db.replay import replay
from chat.html.message_chunks import message_html
from chat.html.messages import message_view
from chat.models import Message
from tests.engine.test_calls import answer, calls
from tests.support.upstream import eventually

GATES = SimpleNamespace(first=None, began=None)


class Default(Assistant):
    @tool
    def manual(self, query: str):
        """Pages of the manual."""
        return [Source(f"About {word}", f"/manual/{word}/", f"All of {word}.") for word in query.split()]

    @tool
    async def slow(self, query: str):
        """The same, when the test lets it."""
        GATES.began.set()
        await GATES.first.wait()
        return self.manual(query)

    @tool
    def plain(self):
        """No sources."""
        return {"title": "x", "url": "/x/"}


@pytest.fixture(autouse=True)
def assistant():
    GATES.first, GATES.began = asyncio.Event(), asyncio.Event()
    with registry.replaced(Default):
        yield


def cite(reply, *queries, name="manual"):
    for query in queries:
        reply.call(name, query=query)
    reply.finish("tool-calls")


def read(message):
    return [(source["source"], source["url"]) for source in json.loads(message["content"])]


def sources(chunks):
    return [(chunk["sourceId"], chunk["url"]) for chunk in chunks if chunk["type"] == "source-url"]


def stored_sources(message):
    return [(chunk.source_id, chunk.url) for chunk in replay(message) if isinstance(chunk, SourceUrl)]


async def whole(message):
    return await sync_to_async(lambda: message_html(message_view(Message.objects.get(pk=message.pk)), "en"))()


async def test_sources_are_numbered_over_calls_and_steps(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    cite(await script.anext_reply(), "saddle brake", "chain saddle")
    second = await script.anext_reply()
    assert list(map(read, second.request.messages[-2:])) == [
        [(1, "/manual/saddle/"), (2, "/manual/brake/")],
        [(3, "/manual/chain/"), (1, "/manual/saddle/")],
    ]
    assert json.loads(second.request.messages[-1]["content"])[0] == {
        "source": 3,
        "title": "About chain",
        "url": "/manual/chain/",
        "excerpt": "All of chain.",
    }
    cite(second, "bell brake")
    third = await script.anext_reply()
    assert list(map(read, third.request.messages[-4:-2])) == list(map(read, second.request.messages[-2:]))
    assert read(third.request.messages[-1]) == [(4, "/manual/bell/"), (2, "/manual/brake/")]
    third.say("As [4] says.")
    third.finish()
    chunks = await socket.chunks(request)
    numbered = [("1", "/manual/saddle/"), ("2", "/manual/brake/"), ("3", "/manual/chain/"), ("4", "/manual/bell/")]
    stored = await answer()
    assert sources(chunks) == stored_sources(stored) == numbered
    assert stored.text == "As [4] says."
    kinds = [chunk["type"] for chunk in chunks]
    assert kinds.index("source-url") > kinds.index("tool-output-available")
    assert all("llm_chat" not in json.dumps(chunk["output"]) for chunk in chunks if "output" in chunk)
    again = await socket.resume()
    assert await socket.chunks(again) == chunks


async def test_a_later_turn_reads_the_numbers_of_each_answer(connect, script):
    socket = await connect()
    for number in (1, 2):
        request = await socket.ask("Why?", message=f"m{number}")
        reply = await script.anext_reply()
        cite(reply, f"saddle page{number}")
        last = await script.anext_reply()
        last.say("So.")
        last.finish()
        await socket.chunks(request)
    results = [message for message in last.request.messages if message["role"] == "tool"]
    assert list(map(read, results)) == [[(1, "/manual/saddle/"), (2, f"/manual/page{number}/")] for number in (1, 2)]


async def test_numbers_follow_the_order_of_the_calls_not_that_of_their_ends(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call("slow", query="first")
    cite(reply, "second")
    await GATES.began.wait()
    before = await socket.chunk(request, "tool-output-available")
    assert before["output"][0]["url"] == "/manual/second/"
    GATES.first.set()
    last = await script.anext_reply()
    assert list(map(read, last.request.messages[-2:])) == [[(1, "/manual/first/")], [(2, "/manual/second/")]]
    last.finish()
    after = await socket.chunks(request)
    assert [chunk["type"] for chunk in after[:3]] == ["tool-output-available", "source-url", "source-url"]
    assert sources(after) == stored_sources(await answer()) == [("1", "/manual/first/"), ("2", "/manual/second/")]


@pytest.mark.parametrize("name", ["missing", "plain"])
async def test_a_call_without_sources_holds_nothing_up(connect, script, name):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call(name)
    cite(reply, "saddle")
    (await script.anext_reply()).finish()
    assert sources(await socket.chunks(request)) == [("1", "/manual/saddle/")]


async def test_a_stop_leaves_the_sources_that_were_found(connect, script):
    socket = await connect()
    request = await socket.ask("Why?", body={"view": "html"})
    text = await socket.resume()
    reply = await script.anext_reply()
    reply.call("slow", query="first")
    cite(reply, "second")
    await eventually(GATES.began.is_set)
    await socket.chunk(text, "tool-output-available")
    await socket.abort(request)
    chunks = await socket.chunks(text)
    assert [chunk["type"] for chunk in chunks] == ["tool-output-error", "source-url", "abort"]
    assert chunks[0]["errorText"] == UNKNOWN
    stored = await answer()
    assert sources(chunks) == stored_sources(stored) == [("1", "/manual/second/")]
    assert [call.state for call in await calls()] == ["unknown", "done"]
    assert "/manual/second/" in await whole(stored)


async def test_a_continued_answer_keeps_its_numbers_and_counts_on(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    cite(await script.anext_reply(), "saddle brake")
    reply = await script.anext_reply()
    reply.say("As [1] says")
    reply.break_off()
    await socket.rest(request)
    old = await answer()
    request = await socket.regenerate(old.uid, attempt="a1", body={"continue": True})
    third = await script.anext_reply()
    assert [read(message) for message in third.request.messages if message["role"] == "tool"] == [
        [(1, "/manual/saddle/"), (2, "/manual/brake/")]
    ]
    cite(third, "brake chain")
    last = await script.anext_reply()
    assert read(last.request.messages[-1]) == [(2, "/manual/brake/"), (3, "/manual/chain/")]
    last.say("and [3] too.")
    last.finish()
    chunks = await socket.chunks(request)
    stored = await answer()
    numbered = [("1", "/manual/saddle/"), ("2", "/manual/brake/"), ("3", "/manual/chain/")]
    assert sources(chunks) == stored_sources(stored) == numbered
    assert [chunk["type"] for chunk in chunks] == [type(chunk).__struct_config__.tag for chunk in replay(stored)]


async def test_the_page_lists_sources_as_they_are_found_and_links_what_cites_them(connect, script):
    socket = await connect()
    request = await socket.ask("Why?", body={"view": "html"})
    reply = await script.anext_reply()
    reply.say("Before [1]. ")
    reply.call("slow", query="second")
    cite(reply, "saddle")
    await GATES.began.wait()
    GATES.first.set()
    last = await script.anext_reply()
    listed = await socket.chunk(request, "data-sources")
    while "saddle" not in listed["data"]["html"]:
        listed = await socket.chunk(request, "data-sources")
    assert listed["data"]["html"].index("/manual/second/") < listed["data"]["html"].index("/manual/saddle/")
    last.say("After [1], [2] and [3].")
    last.finish()
    chunks = await socket.chunks(request)
    patches = "".join(chunk["data"].get("html", "") for chunk in chunks if chunk["type"] == "data-patch")
    assert patches.count('class="llm-chat-cite"') == 2
    stored = await whole(await answer())
    assert patches in stored
    assert listed["data"]["html"] in stored
    assert stored.count('class="llm-chat-cite"') == 2
    assert "Before [1]." in stored


async def test_a_page_that_comes_in_the_middle_gets_the_sources_so_far(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    cite(await script.anext_reply(), "saddle")
    last = await script.anext_reply()
    last.say("As [1] says")
    await socket.chunk(request, "text-delta")
    page = await connect()
    resumed = await page.resume(body={"view": "html"})
    message = await page.chunk(resumed, "data-message")
    while 'data-role="assistant"' not in message["data"]["html"]:
        message = await page.chunk(resumed, "data-message")
    assert message["data"]["html"].count('href="/manual/saddle/"') == 2
    last.finish()
    assert not [chunk for chunk in await page.chunks(resumed) if chunk["type"] == "data-sources"]
