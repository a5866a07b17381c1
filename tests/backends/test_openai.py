"""The OpenAI backend, against an endpoint that does what the model's name says."""

import asyncio
import socket
import sys
from contextlib import aclosing

import pytest

from chat.backends.base import BackendError, Finished, Reasoning, Request, Text
from chat.backends.openai import OpenAIBackend
from tests.backends.contract import ask, read, text_of
from tests.behaviours import ANSWER, USAGE
from tests.upstream import Upstream, eventually

KEY = "sk-planted-secret"


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def backend(upstream):
    """Make a backend that asks the upstream; ``base_url`` and the rest can be given otherwise."""
    made = []

    def backend(model, **options):
        made.append(OpenAIBackend(model=model, **{"base_url": upstream.url, "api_key": KEY, **options}))
        return made[-1]

    yield backend
    for one in made:
        await one.close()


async def failure_of(backend):
    """The deltas before the failure, and the failure."""
    deltas = []
    with pytest.raises(BackendError) as raised:
        async for delta in backend.stream(ask()):
            deltas.append(delta)
    return deltas, raised.value


# What is asked


async def test_the_request_has_the_history_and_only_the_options_that_were_given(upstream, backend):
    await read(backend("ok", max_tokens=7), ask("Why?"))
    assert upstream.calls[0].body == {
        "model": "ok",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_the_extra_body_adds_replaces_and_takes_out(upstream, backend):
    await read(backend("ok", temperature=1, extra_body={"temperature": 0, "seed": 7, "stream_options": None}))
    body = upstream.calls[0].body
    assert (body["temperature"], body["seed"], "stream_options" in body) == (0, 7, False)


@pytest.mark.parametrize(("own", "asked", "sent"), [(256, 30, 30), (8, 30, 8), (256, None, 256), (None, 30, None)])
async def test_a_short_reply_is_asked_for_where_the_endpoint_is_known_to_take_a_limit(
    upstream, backend, own, asked, sent
):
    await read(backend("ok", max_tokens=own), Request(ask("Why?").messages, asked))
    assert upstream.calls[0].body.get("max_tokens") == sent


async def test_key_and_headers_go_with_the_request(upstream, backend):
    await read(backend("ok", headers={"X-Title": "Chat"}))
    head = upstream.calls[0].head.lower()
    assert f"\r\nauthorization: bearer {KEY}\r\n" in head
    assert "\r\nx-title: chat\r\n" in head


async def test_the_key_of_the_environment_is_not_sent_to_an_address_of_the_options(upstream, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    await read(backend("ok", api_key=None))
    assert "sk-of-the-environment" not in upstream.calls[0].head


async def test_without_options_the_environment_has_key_and_address(upstream, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    await read(backend("ok", api_key="", base_url=""))
    assert "sk-of-the-environment" in upstream.calls[0].head


async def test_no_key_at_all_is_a_failure_of_the_credentials(backend, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _, error = await failure_of(backend("ok", api_key=None, base_url=None))
    assert error.code == "auth"


# What is answered


@pytest.mark.parametrize("model", ["ok", "line-ends:cr", "line-ends:crlf", "no-space", "one-byte"])
async def test_a_good_stream_gives_the_same_text_however_it_is_written(backend, model):
    deltas = await read(backend(model))
    assert text_of(deltas) == ANSWER
    assert deltas[-1] == Finished("stop", USAGE)


async def test_each_delta_arrives_when_it_is_sent(upstream, backend):
    async with aclosing(backend("gated").stream(ask())) as deltas:
        reading = asyncio.create_task(anext(deltas))
        call = await upstream.next_call()
        for text in ("one ", "two ", "three"):
            call.say(text)
            assert await reading == Text(text)
            reading = asyncio.create_task(anext(deltas))
        call.finish("length")
        assert await reading == Finished("length", USAGE)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_comes_before_the_answer(backend, field):
    assert (await read(backend(f"reasoning:{field}")))[:2] == [Reasoning("Hm."), Text(ANSWER)]


async def test_a_reply_whose_usage_never_comes_is_whole_all_the_same(backend, monkeypatch):
    monkeypatch.setattr("chat.backends.sdk.USAGE_WAIT", 0.05)
    deltas = await asyncio.wait_for(read(backend("no-usage")), 5)
    assert (text_of(deltas), deltas[-1]) == (ANSWER, Finished("stop", None))


async def test_a_reply_that_breaks_off_after_its_finish_reason_is_whole(backend):
    assert (await read(backend("reset-after-finish")))[-1] == Finished("stop", None)


async def test_a_clean_end_without_a_finish_reason_is_not_finished(backend):
    assert await read(backend("unfinished")) == [Text(ANSWER)]


async def test_chunks_without_choices_are_no_reply(backend):
    assert await read(backend("empty")) == []


async def test_many_deltas_in_one_read_are_passed_on_together(backend):
    deltas = await read(backend("flood:20000"))
    assert text_of(deltas) == "word " * 20_000
    assert len(deltas) < 2_000


# What fails


@pytest.mark.parametrize(
    ("model", "code", "retry"),
    [
        ("status:401", "auth", False),
        ("status:403", "auth", False),
        ("status:404", "refused", False),
        ("status:429", "rate_limited", True),
        ("error-code:429:insufficient_quota", "rate_limited", False),
        ("error-code:400:context_length_exceeded", "context", False),
        ("status:500", "upstream", True),
        ("status:503", "upstream", True),
        ("reset", "upstream", True),
        ("redirect", "upstream", False),
        ("html", "upstream", False),
        ("break-off:0", "upstream", True),
        ("endless-line", "upstream", False),
    ],
)
async def test_a_failure_before_the_first_delta_has_a_code_and_may_be_tried_again(
    upstream, backend, model, code, retry
):
    deltas, error = await failure_of(backend(model))
    assert (deltas, error.code, error.retry) == ([], code, retry)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("model", ["break-off:1", "garbage", "bad-utf8", "error-event"])
async def test_a_failure_after_the_first_delta_keeps_it_and_is_not_tried_again(backend, model):
    deltas, error = await failure_of(backend(model))
    assert (deltas, error.code, error.retry) == ([Text("Hello")], "upstream", False)


async def test_the_time_to_wait_is_that_of_the_endpoint(backend):
    _, error = await failure_of(backend("status:429:3"))
    assert error.retry_after == 3.0


async def test_a_refused_connection_may_be_tried_again(backend):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    _, error = await failure_of(backend("ok", base_url=url))
    assert (error.code, error.retry) == ("upstream", True)


async def test_an_unknown_host_may_be_tried_again(backend):
    _, error = await failure_of(backend("ok", base_url="http://no-such-host.invalid/v1"))
    assert (error.code, error.retry) == ("upstream", True)


async def test_a_key_that_the_endpoint_repeats_is_nowhere_in_the_failure(backend):
    _, error = await failure_of(backend("status:401"))
    assert "No, [redacted]!" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_a_secret_header_is_nowhere_in_the_failure(upstream, backend):
    headers = {"Authorization": "Bearer sk-in-a-header"}
    _, error = await failure_of(backend("status:401", headers=headers))
    assert "sk-in-a-header" in upstream.calls[0].head
    assert "sk-in-a-header" not in str(error)


async def test_without_the_sdk_the_failure_has_the_command(backend, monkeypatch):
    monkeypatch.delitem(sys.modules, "chat.backends.sdk", raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)
    _, error = await failure_of(backend("ok"))
    assert error.code == "unavailable"
    assert "pip install 'openai[aiohttp]'" in str(error)


# Connections


@pytest.mark.parametrize("model", ["silent", "headers", "stall", "comments", "stalled-error"])
async def test_a_reader_that_is_cancelled_leaves_no_connection(upstream, backend, model):
    reading = asyncio.create_task(read(backend(model)))
    await upstream.next_call()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await eventually(lambda: upstream.open_connections == 0, wait=5.0)


async def test_the_connection_of_a_whole_reply_is_used_again(upstream, backend):
    one = backend("ok")
    for _ in range(3):
        await read(one)
    assert upstream.accepted == 1


async def test_closing_gives_the_connections_back(upstream, backend):
    one = backend("ok")
    await read(one)
    await one.close()
    await eventually(lambda: upstream.open_connections == 0, wait=5.0)


async def test_a_closed_backend_can_be_asked_again(backend):
    one = backend("ok")
    await one.close()
    await read(one)
    await one.close()
    assert text_of(await read(one)) == ANSWER


async def test_a_backend_serves_several_event_loops(upstream, backend):
    one = backend("ok")

    async def elsewhere():
        deltas = await read(one)
        await one.close()
        return deltas

    await read(one)
    assert text_of(await asyncio.to_thread(asyncio.run, elsewhere())) == ANSWER
    assert text_of(await read(one)) == ANSWER


async def test_callers_at_the_same_time_share_one_client(backend, monkeypatch):
    one, made = backend("ok"), []
    make = one._make_client
    monkeypatch.setattr(one, "_make_client", lambda: made.append(1) or make())
    await asyncio.gather(*(read(one) for _ in range(8)))
    assert len(made) == 1


# Options


async def test_preparing_makes_the_first_answer_wait_for_nothing(backend, monkeypatch):
    one = backend("ok")
    await one.prepare()
    monkeypatch.setattr(one, "_make_client", None)
    assert text_of(await read(one)) == ANSWER


def test_an_unknown_option_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(TypeError, match=r"OpenAIBackend does not know modle; it accepts model, api_key, base_url, "):
        OpenAIBackend(model="m", modle="x")


@pytest.mark.parametrize("model", ["", None, 7])
def test_a_model_must_have_a_name(model):
    with pytest.raises(ValueError, match='"model" must be the name of a model'):
        OpenAIBackend(model=model)


def test_an_address_must_be_a_web_address():
    with pytest.raises(ValueError, match="must begin with http"):
        OpenAIBackend(model="m", base_url="localhost:8000")


def test_the_sdk_is_not_imported_before_it_is_needed():
    import subprocess

    code = "import sys, chat.backends.openai, chat.backends.local; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_request_is_not_changed_by_the_call():
    messages = [{"role": "user", "content": "Why?"}]
    assert OpenAIBackend(model="m")._request_body(Request(messages))["messages"] is messages
