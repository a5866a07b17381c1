"""Answers from an endpoint that fails: what is stored, what readers are shown, and which connections stay open."""

import asyncio
import logging

import pytest
from asgiref.sync import sync_to_async

from chat.backends.openai.backend import load_client
from chat.chunks import Error, Finish
from chat.db.replay import replay
from chat.engine import start
from chat.engine.engine import engine
from chat.errors import ERRORS
from chat.models import Message
from tests.conftest import chat_settings
from tests.support.behaviours import ANSWER
from tests.support.sockets import text_of
from tests.support.upstream import Upstream, eventually

KEY = "sk-planted-secret"
HELD = {"garbage", "error-event", "silent", "headers", "stall", "comments"}
"""Endpoints that would hold the connection open forever. After a whole response, it may be kept for the next call."""


@pytest.fixture(scope="module", autouse=True)
def imported():
    """Import the SDK first: on a busy machine that takes longer than an answer may take here."""
    load_client()


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
def model(settings, upstream):
    """Set the site up to ask the endpoint for the model of a name."""

    def model(name, **changes):
        options = {"model": name, "base_url": upstream.url, "api_key": KEY}
        backend = {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": options}
        settings.CHAT = chat_settings(BACKENDS={"default": backend}, **changes)

    return model


async def answer_of(connect, model, name, **changes):
    """Ask, read to the end, and return the stored answer and the frames."""
    model(name, **changes)
    socket = await connect()
    frames = await socket.rest(await socket.ask("Why?"))
    return await Message.objects.aget(role="assistant"), frames


async def test_a_good_answer_is_complete_and_its_usage_is_stored(connect, model):
    answer, frames = await answer_of(connect, model, "ok")
    assert (answer.status, answer.text, answer.finish_reason, answer.model) == ("complete", ANSWER, "stop", "ok")
    assert answer.usage["completion_tokens"] == 5
    assert text_of([frame["chunk"] for frame in frames[:-1]]) == ANSWER


@pytest.mark.parametrize(
    ("name", "code", "calls"),
    [
        ("status:401", "auth", 1),
        ("status:403", "auth", 1),
        ("status:404", "refused", 1),
        ("status:429", "rate_limited", 3),
        ("status:429:3600", "rate_limited", 1),
        ("status:500", "upstream", 3),
        ("status:503", "upstream", 3),
        ("html", "upstream", 1),
        ("redirect", "upstream", 1),
        ("garbage", "upstream", 1),
        ("error-first:429", "rate_limited", 3),
        ("error-first:502", "upstream", 3),
        ("error-first:401", "auth", 1),
        ("long-header:100000", "upstream", 1),
        ("tool-calls", "upstream", 1),
        ("error-event", "upstream", 1),
        ("reset", "upstream", 3),
        ("break-off:2", "upstream", 1),
        ("silent", "timeout", 1),
        ("headers", "timeout", 1),
        ("stall", "timeout", 1),
        ("comments", "timeout", 1),
        ("error-code:400:context_length_exceeded", "context", 1),
    ],
)
async def test_a_failing_endpoint_gives_a_fixed_code_and_sentence(connect, model, upstream, caplog, name, code, calls):
    # Short where the endpoint says nothing more; otherwise a busy machine must not reach it before the failure.
    wait = 0.5 if code == "timeout" else 10.0
    answer, frames = await answer_of(connect, model, name, FIRST_TOKEN_TIMEOUT=wait, DELTA_TIMEOUT=wait)
    ending = frames[-2]
    assert (ending["code"], ending["chunk"]) == (code, {"type": "error", "errorText": ERRORS[code].sentence})
    assert (answer.status, answer.error) == ("failed", code)
    assert len(upstream.calls) == calls
    assert await sync_to_async(Message.objects.filter(role="user", text="Why?").count)() == 1
    if name.startswith("status:"):
        assert f"HTTP {name.split(':')[1]}" in caplog.text
    said = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    assert KEY not in str(frames) + caplog.text
    assert not any(words in line for line in said for words in ("It works", "Scripted", "No, ", upstream.url))
    if name in HELD:
        await eventually(lambda: upstream.open_connections == 0, wait=5.0)


@pytest.mark.parametrize("name", ["unfinished", "empty"])
async def test_a_clean_end_without_a_finish_reason_is_interrupted(connect, model, name):
    answer, frames = await answer_of(connect, model, name)
    assert (answer.status, answer.error) == ("interrupted", "interrupted")
    assert frames[-2]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("reason", "status", "sent"), [("length", "cut", "length"), ("content_filter", "complete", "content-filter")]
)
async def test_the_finish_reason_decides_the_status(connect, model, reason, status, sent):
    answer, frames = await answer_of(connect, model, f"finish:{reason}")
    assert (answer.status, answer.finish_reason) == (status, sent)
    assert frames[-2]["chunk"] == {"type": "finish", "finishReason": sent}


async def test_an_endpoint_that_refuses_connections_is_an_error(connect, settings, unused_tcp_port):
    options = {"model": "m", "base_url": f"http://127.0.0.1:{unused_tcp_port}/v1"}
    backend = {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": options}
    settings.CHAT = chat_settings(BACKENDS={"default": backend})
    socket = await connect()
    frames = await socket.rest(await socket.ask("Why?"))
    assert frames[-2]["code"] == "upstream"


async def test_stop_closes_the_connection_to_the_endpoint_and_keeps_the_text(connect, model, upstream):
    model("gated")
    socket = await connect()
    request = await socket.ask("Why?")
    call = await upstream.next_call()
    call.say("so far")
    await socket.chunk(request, "text-delta")
    assert upstream.open_connections == 1
    await socket.abort(request)
    await eventually(lambda: upstream.open_connections == 0, wait=5.0)
    assert (await socket.chunks(request))[-1] == {"type": "abort"}
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.text) == ("stopped", "so far")


async def test_each_delta_restarts_the_deadline(connect, model, upstream):
    model("gated", DELTA_TIMEOUT=0.3)
    socket = await connect()
    request = await socket.ask("Why?")
    call = await upstream.next_call()
    words = [f"word{number} " for number in range(4)]
    for word in words:
        call.say(word)
        assert (await socket.chunk(request, "text-delta"))["delta"] == word
    call.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_after_the_first_delta_the_model_is_read_once_a_tick(connect, model, upstream):
    model("gated", TICK=3_600.0)
    socket = await connect()
    request = await socket.ask("Why?")
    call = await upstream.next_call()
    call.say("One")
    assert (await socket.chunk(request, "text-delta"))["delta"] == "One"
    (run,) = engine().runs.values()
    call.say(" two")
    call.say(" three")
    await eventually(lambda: run._replies._next_tick is not None and call.idle)
    assert run.draft.length == len("One")
    start._tick(engine())
    assert (await socket.chunk(request, "text-delta"))["delta"] == " two three"
    call.finish()
    await eventually(lambda: call.idle)
    start._tick(engine())
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_the_wait_for_a_late_tick_is_not_a_timeout_of_the_model(connect, model, upstream):
    model("gated", TICK=3_600.0, DELTA_TIMEOUT=30.0)
    socket = await connect()
    request = await socket.ask("Why?")
    call = await upstream.next_call()
    call.say("One")
    await socket.chunk(request, "text-delta")
    (run,) = engine().runs.values()
    await eventually(lambda: run._replies._next_tick is not None)
    run.tick(asyncio.get_running_loop().time() + 60)
    assert not run.is_ending
    call.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


FILTERED = "The answer was filtered by the model's provider."


@pytest.mark.parametrize(
    ("name", "status", "ending"),
    [
        ("finish:error", "failed", Error("upstream")),
        ("finish:insufficient_system_resource", "failed", Error("upstream")),
        ("finish:MALFORMED_FUNCTION_CALL", "failed", Error("upstream")),
        ("finish:tool_calls", "failed", Error("upstream")),
        ("finish:MAX_TOKENS", "cut", Finish("length")),
        ("finish:max_tokens", "cut", Finish("length")),
        ("finish:LENGTH", "cut", Finish("length")),
        ("finish:content_filter", "complete", Finish("content-filter")),
        ("finish:SAFETY", "complete", Finish("content-filter")),
        ("finish:end_turn", "complete", Finish("stop")),
        ("finish:banana", "interrupted", Error("interrupted")),
        ("late:length", "cut", Finish("length")),
    ],
)
async def test_b03_an_answer_ends_as_its_finish_reason_says_and_its_text_is_kept(connect, model, name, status, ending):
    answer, frames = await answer_of(connect, model, name)
    assert (answer.status, answer.text) == (status, ANSWER)
    assert text_of([frame["chunk"] for frame in frames[:-1]]) == ANSWER
    sent = frames[-2]["chunk"]
    assert replay(answer)[-1] == ending
    if isinstance(ending, Error):
        assert (frames[-2]["code"], sent) == (ending.code, {"type": "error", "errorText": ERRORS[ending.code].sentence})
    else:
        assert sent == {"type": "finish", "finishReason": ending.finish_reason}


@pytest.mark.parametrize(
    ("reason", "status", "said", "continues"),
    [
        ("content_filter", "complete", FILTERED, False),
        ("MAX_TOKENS", "cut", "The answer reached its limit and was cut off.", True),
        ("error", "failed", "The model is not available. Please try again.", True),
    ],
)
async def test_b03_the_page_says_how_an_answer_ended_at_once_and_later(connect, model, reason, status, said, continues):
    model(f"finish:{reason}")
    socket = await connect()
    chunks = await socket.chunks(await socket.ask("Why?", body={"view": "html"}))
    live = next(chunk["data"] for chunk in chunks if chunk["type"] == "data-message-end")
    resumed = await socket.chunks(await socket.resume(body={"view": "html", "after": None}))
    stored = [chunk["data"] for chunk in resumed if chunk["type"] == "data-message"][-1]
    for data in (live, stored):
        assert (data["status"], said in data["html"], "Continue" in data["html"]) == (status, True, continues)


async def test_b03_the_log_says_why_an_answer_failed(connect, model, caplog):
    await answer_of(connect, model, "tool-calls")
    assert "ended as: upstream (the model's reason: tool-calls)" in caplog.text


async def test_b10_signs_of_life_before_the_first_delta_restart_its_deadline(connect, model, upstream):
    answer, _ = await answer_of(connect, model, "pings:event:24", FIRST_TOKEN_TIMEOUT=0.6)
    assert (answer.status, answer.text) == ("complete", ANSWER)
    assert len(upstream.calls) == 1


async def test_b10_signs_of_life_alone_do_not_extend_the_longest_duration(connect, model, upstream):
    answer, frames = await answer_of(connect, model, "pings:comment:1000", FIRST_TOKEN_TIMEOUT=5, MAX_DURATION=0.3)
    assert (answer.status, answer.error, frames[-2]["code"]) == ("failed", "timeout", "timeout")
    await eventually(lambda: upstream.open_connections == 0, wait=5.0)


async def test_b11_reasoning_between_tags_is_a_part_that_the_history_leaves_out(connect, model, upstream):
    answer, _ = await answer_of(connect, model, "thinking")
    reasoning, text = answer.parts
    assert (reasoning["type"], reasoning["text"]) == ("reasoning", "Let me see")
    assert text == {"type": "text", "text": ANSWER}
    assert answer.text == ANSWER
    socket = await connect()
    await socket.chunks(await socket.ask("And?", message="m2"))
    assert [message["content"] for message in upstream.calls[-1].body["messages"]] == ["Why?", ANSWER, "And?"]
