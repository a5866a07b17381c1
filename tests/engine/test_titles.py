"""Titles that the model writes after the first answer of a conversation."""

import asyncio

import pytest

from chat.backends.base import Finished, Request, Text
from chat.backends.scripted import ScriptedBackend
from chat.engine.titles import LONGEST, MAX_TOKENS, PROMPT, clean
from chat.models import Conversation
from tests.support.upstream import eventually


@pytest.fixture
def by_model(script, settings):
    settings.CHAT = {**settings.CHAT, "TITLES": "model"}


async def answered(script, socket, text="Because of scattering.", **question):
    """Ask a question, let the model answer it, and return the request's chunks."""
    request = await socket.ask(question.pop("asked", "Why is the sky blue?"), **question)
    reply = await script.anext_reply()
    reply.say(text)
    reply.finish()
    return await socket.chunks(request)


async def title():
    return (await Conversation.objects.aget(uid="c1")).title


async def next_event(socket, kind):
    """Return the next event of a kind."""
    while (event := await socket.frame("conversation"))["event"] != kind:
        pass
    return event


async def at_rest(served):
    await eventually(lambda: not served.tasks)


async def test_the_first_answer_brings_a_title_that_open_pages_receive(by_model, script, connect):
    socket, other = await connect("ann"), await connect("ann")
    await answered(script, socket)
    assert await title() == "Why is the sky blue?"
    reply = await script.anext_reply()
    assert reply.request.max_tokens == MAX_TOKENS
    (message,) = reply.request.messages
    assert message["role"] == "user"
    assert "Why is the sky blue?" in message["content"] and "Because of scattering." in message["content"]
    reply.say('**"Blue sky."**')
    reply.finish()
    event = await next_event(other, "title")
    assert (event["id"], event["message"], event["title"]) == ("c1", "", "Blue sky")
    assert await title() == "Blue sky"


async def test_the_model_is_asked_for_no_title_unless_the_setting_says_so(script, connect, served):
    await answered(script, await connect())
    await at_rest(served)
    assert script.waiting == 0


async def test_only_the_first_whole_answer_brings_a_title(by_model, script, connect, served):
    socket = await connect()
    request = await socket.ask("Why is the sky blue?")
    (await script.anext_reply()).break_off()
    await socket.rest(request)
    await at_rest(served)
    assert script.waiting == 0, "an answer that broke off brings none"
    again = await socket.regenerate()
    reply = await script.anext_reply()
    reply.say("So.")
    reply.finish()
    await socket.chunks(again)
    (await script.anext_reply()).fail("upstream", retry=True)
    await at_rest(served)
    assert script.waiting == 0, "a title that failed is not asked for again"
    await answered(script, socket, asked="And?", message="m2")
    again = await socket.regenerate("m1")
    (await script.anext_reply()).finish()
    await socket.chunks(again)
    await at_rest(served)
    assert script.waiting == 0
    assert await title() == "Why is the sky blue?"


async def test_a_title_that_the_owner_gave_wins(by_model, script, connect, served):
    socket = await connect()
    await answered(script, socket)
    reply = await script.anext_reply()
    await Conversation.objects.aupdate(title="Mine")
    reply.say("Blue sky")
    reply.finish()
    await at_rest(served)
    assert await title() == "Mine"
    request = await socket.ask("Why?", chat="c2")
    reply = await script.anext_reply()
    await Conversation.objects.filter(uid="c2").aupdate(title="Mine as well")
    reply.finish()
    await socket.chunks(request)
    await at_rest(served)
    assert script.waiting == 0, "no call is paid for in vain"


@pytest.mark.parametrize("written", ["", "   \n", "***", "At most six words, in the language of the question."])
async def test_a_reply_that_is_no_title_changes_nothing(by_model, script, connect, served, written):
    await answered(script, await connect())
    reply = await script.anext_reply()
    if written:
        reply.say(written)
    reply.finish()
    await at_rest(served)
    assert await title() == "Why is the sky blue?"


async def test_a_failed_title_is_logged_at_info_and_the_answer_stands(by_model, script, connect, served, caplog):
    await answered(script, await connect())
    (await script.anext_reply()).fail("rate_limited")
    await at_rest(served)
    logged = [record for record in caplog.records if "title" in record.message]
    assert [(record.levelname, "rate_limited" in record.message) for record in logged] == [("INFO", True)]


async def test_a_backend_that_raises_anything_harms_nothing(by_model, script, connect, served, caplog, monkeypatch):
    socket = await connect()

    async def stream(self, request):
        if request.max_tokens:
            raise LookupError("secret")
        yield Text("So.")
        yield Finished("stop")

    monkeypatch.setattr(ScriptedBackend, "stream", stream)
    await socket.chunks(await socket.ask("Why?"))
    await at_rest(served)
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_model_that_writes_more_than_a_title_is_not_read_to_its_end(by_model, script, connect, served):
    socket = await connect()
    await answered(script, socket)
    reply = await script.anext_reply()
    reply.say("x" * (LONGEST + 1))
    await eventually(reply.closed.is_set)
    await answered(script, socket, chat="c2")
    reply = await script.anext_reply()
    reply.say("Blue sky\nThis title")
    await eventually(reply.closed.is_set)
    await answered(script, socket, chat="c3")
    reply = await script.anext_reply()
    reply.say("A sentence that was cut in")
    reply.finish("length")
    await at_rest(served)
    titles = {row.uid: row.title async for row in Conversation.objects.all()}
    assert titles == {"c1": "Why is the sky blue?", "c2": "Blue sky", "c3": "Why is the sky blue?"}


async def test_a_title_that_takes_too_long_is_given_up(by_model, script, connect, served, settings):
    settings.CHAT = {**settings.CHAT, "FIRST_TOKEN_TIMEOUT": 0.05}
    await answered(script, await connect())
    reply = await script.anext_reply()
    await eventually(reply.closed.is_set)
    await at_rest(served)


async def test_a_stopping_process_waits_for_no_title(by_model, script, connect, served, settings, caplog):
    settings.CHAT = {**settings.CHAT, "GRACE_PERIOD": 60.0, "FIRST_TOKEN_TIMEOUT": 60.0}
    socket = await connect()
    await answered(script, socket)
    title = await script.anext_reply()
    request = await socket.ask("Why?", chat="c2")
    reply = await script.anext_reply()
    draining = asyncio.create_task(served.drain())
    await eventually(title.closed.is_set)
    reply.finish()
    await socket.chunks(request)
    await asyncio.wait_for(draining, 5)
    assert script.waiting == 0, "an answer that ends while the process stops brings no title"
    assert "given up" not in caplog.text


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Blue sky", "Blue sky"),
        ('"Blue sky."', "Blue sky"),
        ("„Blauer Himmel“", "Blauer Himmel"),
        ("« Le ciel bleu »", "Le ciel bleu"),
        ("## **Blue** sky\nmore", "Blue sky"),
        ("Learn C#", "Learn C#"),
        ("\n\n- `Blue sky`.", "Blue sky"),
        ("天空为什么是蓝色的。", "天空为什么是蓝色的"),
        ("Why is it blue?", "Why is it blue?"),
        ("And so on...", "And so on..."),
        ("C++ in 2 minutes", "C++ in 2 minutes"),
        ("a\0b", "a\ufffdb"),
        ("x" * 100, "x" * 79 + "…"),
        (" \n ** \n", ""),
    ],
)
def test_a_title_is_the_first_line_without_quotes_and_markdown(written, cleaned):
    assert clean(written) == cleaned


@pytest.mark.model
async def test_the_local_model_reads_the_prompt_and_writes_no_more_than_a_title():
    from chat.backends.local.backend import LocalBackend

    backend = LocalBackend()
    prompt = PROMPT.format(question="Why is the sky blue?", answer="Because of Rayleigh scattering.")
    request = Request([{"role": "user", "content": prompt}], MAX_TOKENS)
    deltas = [delta async for delta in backend.stream(request)]
    await backend.close()
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)).strip()
    assert deltas[-1].usage["completion_tokens"] <= MAX_TOKENS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["<think>", "\nLet me see.\n", "Sky?\n</think>\n\n", "Blue sky"], "Blue sky"),
        (["<think>Let me see.</think>Blue sky\nmore"], "Blue sky"),
        (["Let me see.</think>", "Blue sky"], "Blue sky"),
        (["<think>Let me see."], "Why is the sky blue?"),
        (["<think>"], "Why is the sky blue?"),
        (["<think>", "\n\n", "</think>"], "Why is the sky blue?"),
        (["</think>"], "Why is the sky blue?"),
    ],
)
async def test_b12_reasoning_is_no_title(by_model, script, connect, served, written, expected):
    await answered(script, await connect())
    reply = await script.anext_reply()
    reply.live()
    reply.think("A title, then.\nWell.")
    for text in written:
        reply.say(text)
    reply.finish()
    await at_rest(served)
    assert await title() == expected


@pytest.mark.parametrize("reason", ["length", "error", "tool-calls", "content-filter"])
async def test_b12_a_title_that_did_not_end_with_stop_is_not_used(by_model, script, connect, served, reason):
    await answered(script, await connect())
    reply = await script.anext_reply()
    reply.say("Blue")
    reply.finish(reason)
    await at_rest(served)
    assert await title() == "Why is the sky blue?"
