"""The html format, as the bundled page reads it."""

import asyncio
import random

import msgspec
import pytest

from chat.chunks import Finish, FinishStep, Start, StartStep
from chat.html.markdown import render
from chat.html.message_chunks import message_html
from chat.html.messages import message_view
from chat.models import Conversation, Message
from chat.parts import TextDelta, TextEnd, TextStart
from chat.sockets.following import follow_html
from chat.streams.redis.replica import Replica
from tests.support.pages import ChatPage

HTML = {"view": "html"}
ANSWER = """# Scattering

Light of *short* waves is scattered **more**, see `List<String>` & co.

- red
- blue

```python
def sky(colour="blue"):
    return colour
```

| wave | length |
|------|--------|
| blue | 450 nm |
"""


def pieces(text, seed):
    chance = random.Random(seed)
    while text:
        size = chance.randint(1, 12)
        yield text[:size]
        text = text[size:]


def grown(page, uid):
    return [block for part in page.messages[uid].parts.values() for block in part.blocks]


@pytest.mark.parametrize("seed", range(5))
async def test_the_live_page_ends_as_history_shows_it(script, connect, seed):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    start = await socket.chunk(request, "start")
    for index, piece in enumerate(pieces(ANSWER, seed)):
        reply.say(piece)
        if index == 0:
            page = ChatPage()
            page.take([await socket.chunk(request, kind) for kind in ("data-message", "data-message", "data-part")])
    reply.finish()
    page.take(await socket.chunks(request))
    uid = start["messageId"]
    answer = await Message.objects.aget(uid=uid)
    assert list(page.messages) == ["m1", uid]
    assert grown(page, uid) == list(render(answer.text)) == list(render(ANSWER))
    assert page.messages[uid].status == answer.status == "complete"
    assert f"data-footer>{page.messages[uid].footer}</footer>" in message_html(message_view(answer))


async def test_sequences_count_the_readers_own_frames_without_a_gap(script, connect):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.say("Because.")
    reply.finish()
    frames = await socket.rest(request)
    assert [frame["sequence"] for frame in frames[:-1]] == list(range(len(frames) - 1))
    assert frames[0]["chunk"]["type"] == "start"


async def test_a_reader_that_joins_mid_answer_gets_its_current_state_and_then_the_rest(script, connect):
    first, second = await connect(), await connect()
    request = await first.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.say("The first half")
    await first.chunk(request, "data-patch")
    resumed = await second.resume(body=HTML)
    assert (await second.frame(resumed))["type"] == "start"
    question = await second.chunk(resumed, "data-message")
    answer = await second.chunk(resumed, "data-message")
    assert "Why?" in question["data"]["html"]
    assert "The first half" in answer["data"]["html"]
    reply.say(" and the second.")
    patch = await second.chunk(resumed, "data-patch")
    assert patch["data"] == {
        "message": answer["data"]["id"],
        "part": 0,
        "keep": 0,
        "from": 0,
        "html": "<p>The first half and the second.</p>",
    }
    reply.finish()
    assert (await second.chunks(resumed))[-1]["type"] == "finish"
    await first.chunks(request)


async def test_growth_is_sent_as_splices_and_not_as_the_whole_text(script, connect):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    sent = []
    for word in ("word " * 50).split():
        reply.say(word + " ")
        sent.append((await socket.chunk(request, "data-patch"))["data"])
    reply.finish()
    await socket.chunks(request)
    assert sum(len(patch["html"]) for patch in sent) < 3 * len("word " * 50)


async def test_a_page_that_is_up_to_date_gets_no_active(script, connect):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    (await script.anext_reply()).finish()
    page = ChatPage().take(await socket.chunks(request))
    last, message = list(page.messages.items())[-1]
    shown = {"view": "html", "after": {"message": last, "status": message.status}}
    assert [frame["type"] for frame in await socket.rest(await socket.resume(body=shown))] == ["no-active"]


async def test_a_page_that_was_away_while_answers_came_catches_up(script, connect):
    away, there = await connect(), await connect()
    request = await away.ask("One", body=HTML)
    reply = await script.anext_reply()
    reply.say("half")
    page = ChatPage().take([await away.chunk(request, "data-message"), await away.chunk(request, "data-message")])
    await away.communicator.disconnect()
    reply.finish()
    resumed = await there.resume()
    await there.rest(resumed)
    second = await there.ask("Two", message="m2")
    reply = await script.anext_reply()
    reply.say("dos")
    reply.finish()
    await there.chunks(second)
    back = await connect()
    last, message = list(page.messages.items())[-1]
    shown = {"view": "html", "after": {"message": last, "status": message.status}}
    page.take(await back.chunks(await back.resume(body=shown)))
    assert len(page.messages) == 4
    assert [message.status for message in page.messages.values()] == ["complete"] * 4


async def test_a_page_that_shows_another_branch_gets_the_whole_conversation(script, connect):
    socket = await connect()
    request = await socket.ask("One", body=HTML)
    (await script.anext_reply()).break_off()
    page = ChatPage().take(await socket.chunks(request))
    old = list(page.messages)[-1]
    again = await socket.regenerate(old, attempt="again")
    (await script.anext_reply()).finish()
    await socket.rest(again)
    shown = {"view": "html", "after": {"message": old, "status": "interrupted"}}
    page.take(await socket.chunks(await socket.resume(body=shown)))
    assert len(page.messages) == 2
    assert old not in page.messages


async def test_a_regenerated_answer_takes_the_place_of_the_old_one(script, connect):
    socket = await connect()
    request = await socket.ask("One", body=HTML)
    (await script.anext_reply()).break_off()
    page = ChatPage().take(await socket.chunks(request))
    old = list(page.messages)[-1]
    frame = {"trigger": "regenerate-message", "id": "c1", "messages": [], "messageId": old, "body": HTML}
    again = await socket.send(frame)
    (await script.anext_reply()).finish()
    page.take(await socket.chunks(again))
    assert old not in page.messages
    assert [message.status for message in page.messages.values()] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (lambda reply: reply.break_off(), "interrupted", "The answer was interrupted."),
        (lambda reply: reply.fail("auth"), "failed", "The model refused the site"),
        (lambda reply: reply.finish("length"), "cut", "cut off"),
        (lambda reply: reply.finish(), "complete", "The answer is empty."),
        (lambda reply: (reply.think("Hm."), reply.say("\n\n"), reply.finish()), "complete", "The answer is empty."),
    ],
)
async def test_the_page_says_how_an_answer_ended(script, connect, end, status, said):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    end(await script.anext_reply())
    page = ChatPage().take(await socket.chunks(request))
    answer = list(page.messages.values())[-1]
    assert answer.status == status
    assert said in answer.footer


async def test_the_question_is_shown_as_plain_text(script, connect):
    socket = await connect()
    request = await socket.ask("<b>*not* bold</b>", body=HTML)
    message = await socket.chunk(request, "data-message")
    assert "&lt;b&gt;*not* bold&lt;/b&gt;" in message["data"]["html"]


async def test_the_conversation_comes_with_its_title(script, connect):
    socket = await connect()
    request = await socket.ask("Why is the sky blue?\nReally.", body=HTML)
    chunk = await socket.chunk(request, "data-conversation")
    assert chunk["data"] == {"id": "c1", "title": "Why is the sky blue?"}


async def test_reasoning_grows_in_a_part_of_its_own(script, connect):
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.think("Hm.")
    reply.say("So.")
    reply.finish()
    page = ChatPage().take(await socket.chunks(request))
    parts = list(page.messages.values())[-1].parts
    assert [part.blocks for part in parts.values()] == [["<p>Hm.</p>"], ["<p>So.</p>"]]


async def test_a_repeated_send_after_the_stream_is_gone_shows_the_stored_answer(script, connect, settings, served):
    settings.CHAT = {**settings.CHAT, "STREAM_RETENTION": 0.001}
    socket = await connect()
    request = await socket.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.say("*So.*")
    reply.break_off()
    await socket.chunks(request)
    answer = await Message.objects.aget(role="assistant")
    while served.stream_of(answer) is not None:
        await socket.rest(await socket.resume())
    chunks = await socket.chunks(await socket.ask("Why?", body=HTML))
    page = ChatPage().take(chunks)
    assert "<p><em>So.</em></p>" in page.messages[answer.uid].html
    assert (page.messages[answer.uid].status, chunks[-1]["type"]) == ("interrupted", "error")


async def test_the_loading_status_is_sent_at_once_and_to_readers_that_join_later(script, connect):
    first, second = await connect(), await connect()
    request = await first.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.load()
    assert (await first.chunk(request, "data-status"))["data"] == {"status": "loading"}
    joined = await second.resume(body=HTML)
    assert (await second.chunk(joined, "data-status"))["data"] == {"status": "loading"}


async def test_a_page_learns_that_its_conversation_was_deleted_mid_answer(script, connect):
    asking = await connect()
    request = await asking.ask("Why?", body=HTML)
    reply = await script.anext_reply()
    reply.say("Because")
    answer = (await asking.chunk(request, "start"))["messageId"]
    await (await Conversation.objects.aget(uid="c1")).adelete()
    while (event := await asking.frame("conversation"))["event"] != "deleted":
        assert event["event"] == "run-started"
    assert (event["id"], event["message"]) == ("c1", "")
    assert await asking.error(request) == "lost"
    assert reply.closed.is_set()
    shown = {"after": {"message": answer, "status": "running"}}
    assert await asking.error(await asking.resume(body={**HTML, **shown})) == "gone"
    assert not await Message.objects.aexists()
    assert not await Conversation.objects.aexists()


async def test_a_page_that_joins_while_the_stream_cannot_be_read_shows_the_checkpoint_then_the_stream():
    stream = Replica(1, lambda: None)
    stream.delay(True)
    parts = [{"type": "text", "text": "The first"}]
    message = Message(uid="a1", role="assistant", status="running", parts=parts, text="The first")
    pushed = asyncio.Queue()
    following = asyncio.create_task(follow_html(message, stream, None, None, pushed.put, asyncio.create_task))
    page = ChatPage().take(msgspec.to_builtins(await pushed.get()))
    assert "The first" in page.messages["a1"].html
    stream.delay(False)
    stream.extend([Start("a1"), StartStep(), TextStart("0"), TextDelta("0", "The first half.")])
    chunks = list(await pushed.get())
    assert [type(chunk).__name__ for chunk in chunks] == ["MessageHtml", "Status"]
    assert chunks[0].data.html.count("<p>The first half.</p>") == 1
    stream.extend([TextEnd("0"), FinishStep(), Finish("stop")])
    await following
    assert [type(chunk).__name__ for chunk in pushed.get_nowait()] == ["MessageEnd", "Finish"]
