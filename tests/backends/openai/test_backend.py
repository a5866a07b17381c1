"""The OpenAI backend, against an endpoint that behaves as the model's name says."""

import asyncio
import socket
import sys
from contextlib import aclosing

import pytest

from chat.backends.base import Alive, BackendError, Calling, Finished, Reasoning, Request, Text, ToolCall, ToolSchema
from chat.backends.openai.backend import OpenAIBackend, load_client
from chat.testing import ask, read, text_of
from tests.support.behaviours import ANSWER, TEXTS, USAGE, completion, event
from tests.support.upstream import Upstream, eventually

KEY = "sk-planted-secret"


@pytest.fixture
async def upstream():
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def backend(upstream):
    """Make a backend for the upstream, unless the options say otherwise."""
    made = []

    def backend(model, **options):
        made.append(OpenAIBackend(model=model, **{"base_url": upstream.url, "api_key": KEY, **options}))
        return made[-1]

    yield backend
    for one in made:
        await one.close()


async def failure_of(backend):
    """Read a reply that fails; return the deltas before the failure, and the failure."""
    deltas = []
    with pytest.raises(BackendError) as raised:
        async for delta in backend.stream(ask()):
            deltas.append(delta)
    return deltas, raised.value


# Requests


async def test_the_request_has_the_history_and_only_the_options_that_were_given(upstream, backend):
    await read(backend("ok", max_tokens=7), ask("Why?"))
    assert upstream.calls[0].body == {
        "model": "ok",
        "messages": [{"role": "user", "content": "Why?"}],
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_the_extra_body_adds_replaces_and_removes(upstream, backend):
    await read(backend("ok", temperature=1, extra_body={"temperature": 0, "seed": 7, "stream_options": None}))
    body = upstream.calls[0].body
    assert (body["temperature"], body["seed"], "stream_options" in body) == (0, 7, False)


@pytest.mark.parametrize(("own", "asked", "sent"), [(256, 30, 30), (8, 30, 8), (256, None, 256), (None, 30, None)])
async def test_a_short_reply_is_requested_only_if_the_site_sets_a_limit_too(upstream, backend, own, asked, sent):
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


async def test_without_options_key_and_address_come_from_the_environment(upstream, backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    await read(backend("ok", api_key="", base_url=""))
    assert "sk-of-the-environment" in upstream.calls[0].head


async def test_no_key_at_all_is_an_auth_failure(backend, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _, error = await failure_of(backend("ok", api_key=None, base_url=None))
    assert error.code == "auth"


# Replies


@pytest.mark.parametrize("model", ["ok", "line-ends:cr", "line-ends:crlf", "no-space", "one-byte"])
async def test_a_good_stream_gives_the_same_text_however_it_is_written(backend, model):
    deltas = await read(backend(model))
    assert text_of(deltas) == ANSWER
    assert deltas[-1] == Finished("stop", USAGE)


async def test_nothing_is_read_between_two_ticks(upstream, backend, monkeypatch):
    load_client()
    from chat.backends.openai.client import Pieces

    found, waiting, ticks, deltas = [], asyncio.Event(), asyncio.Queue(), []
    original = Pieces._transport.fget
    monkeypatch.setattr(Pieces, "_transport", property(lambda pieces: found.append(original(pieces)) or found[-1]))

    async def pace():
        waiting.set()
        await ticks.get()

    async def reading():
        deltas.extend([delta async for delta in backend("gated").stream(Request(ask().messages, pace=pace))])

    task = asyncio.create_task(reading())
    call = await upstream.next_call()
    call.say("One")
    await waiting.wait()
    assert not found[-1].is_reading()  # finds the connection in the SDK's response, too
    call.say(" two")
    call.finish()
    ticks.put_nowait(None)
    ticks.put_nowait(None)
    await task
    assert text_of(deltas) == "One two"
    assert deltas[-1] == Finished("stop", USAGE)


async def test_a_reply_that_is_stopped_between_two_ticks_closes_its_connection(upstream, backend):
    waiting = asyncio.Event()

    async def pace():
        waiting.set()
        await asyncio.Event().wait()

    async def reading():
        async with aclosing(backend("gated").stream(Request(ask().messages, pace=pace))) as deltas:
            async for _ in deltas:
                pass

    task = asyncio.create_task(reading())
    (await upstream.next_call()).say("One")
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: upstream.open_connections == 0)


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


async def test_a_reply_whose_usage_never_arrives_is_still_complete(backend, monkeypatch):
    monkeypatch.setattr("chat.backends.openai.client.USAGE_WAIT", 0.05)
    deltas = await asyncio.wait_for(read(backend("no-usage")), 5)
    assert (text_of(deltas), deltas[-1]) == (ANSWER, Finished("stop", None))


async def test_a_reply_that_breaks_off_after_its_finish_reason_is_complete(backend):
    assert (await read(backend("reset-after-finish")))[-1] == Finished("stop", None)


async def test_a_clean_end_without_a_finish_reason_is_not_finished(backend):
    assert await read(backend("unfinished")) == [Text(ANSWER)]


async def test_chunks_without_choices_are_no_reply(backend):
    assert await read(backend("empty")) == []


async def test_many_deltas_in_one_read_are_passed_on_together(backend):
    deltas = await read(backend("flood:20000"))
    assert text_of(deltas) == "word " * 20_000
    assert len(deltas) < 2_000


# Failures


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
        ("break-off:0", "upstream", False),
        ("endless-line", "upstream", False),
    ],
)
async def test_a_failure_before_the_first_delta_has_a_code_and_may_be_tried_again(
    upstream, backend, model, code, retry
):
    deltas, error = await failure_of(backend(model))
    assert (deltas, error.code, error.retry) == ([], code, retry)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("model", ["break-off:1", "garbage", "error-event"])
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


async def test_without_the_sdk_the_failure_names_the_command_to_install_it(backend, monkeypatch):
    monkeypatch.delitem(sys.modules, "chat.backends.openai.client", raising=False)
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


async def test_closing_ends_the_connections(upstream, backend):
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


async def test_preparing_makes_the_client_before_the_first_answer(backend, monkeypatch):
    one = backend("ok")
    await one.prepare()
    monkeypatch.setattr(one, "_make_client", None)
    assert text_of(await read(one)) == ANSWER


def test_an_unknown_option_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(TypeError, match=r"OpenAIBackend has no option modle; it accepts model, api_key, base_url, "):
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

    code = "import sys, chat.backends.openai.backend, chat.backends.local.backend; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_request_is_not_changed_by_the_call():
    messages = [{"role": "user", "content": "Why?"}]
    assert OpenAIBackend(model="m")._request_body(Request(messages))["messages"] is messages


# Unusual endpoints


async def test_b01_bytes_that_are_not_utf8_are_replaced_and_the_answer_continues(backend):
    deltas = await read(backend("bad-utf8"))
    assert text_of(deltas) == f"{TEXTS[0]}\ufffd({''.join(TEXTS[1:])}"
    assert deltas[-1] == Finished("stop", USAGE)


@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_b02_text_after_a_finish_reason_is_part_of_the_answer(backend, reason):
    deltas = await read(backend(f"late:{reason}"))
    assert (text_of(deltas), deltas[-1]) == (ANSWER, Finished(reason, USAGE))


async def test_b02_each_delta_after_a_reason_extends_the_wait(upstream, backend, monkeypatch):
    monkeypatch.setattr("chat.backends.openai.client.USAGE_WAIT", 0.6)
    reading = asyncio.create_task(read(backend("gated")))
    call = await upstream.next_call()
    call.release(event(completion({"content": "0 "}, "stop")))
    for number in range(1, 9):  # longer than one wait, all together
        await asyncio.sleep(0.1)
        call.say(f"{number} ")
    deltas = await reading
    assert (text_of(deltas), deltas[-1]) == ("0 1 2 3 4 5 6 7 8 ", Finished("stop", None))


async def test_b02_comments_after_a_reason_do_not_delay_the_end(upstream, backend, monkeypatch):
    monkeypatch.setattr("chat.backends.openai.client.USAGE_WAIT", 0.2)
    reading = asyncio.create_task(read(backend("gated")))
    call = await upstream.next_call()
    call.release(event(completion({"content": "whole"}, "stop")))
    while not reading.done():
        call.release(b": ping\n\n")
        await asyncio.sleep(0.02)
    assert (await reading)[-1] == Finished("stop", None)


async def test_b02_a_reply_that_is_cut_off_after_its_reason_is_complete(upstream, backend):
    reading = asyncio.create_task(read(backend("gated")))
    call = await upstream.next_call()
    call.release(event(completion({"content": "whole"}, "stop")) + b"data: {broken\n\n")
    assert (await reading)[-1] == Finished("stop", None)


@pytest.mark.parametrize(
    ("number", "code", "retry"), [(429, "rate_limited", True), (502, "upstream", True), (401, "auth", False)]
)
@pytest.mark.parametrize("model", ["error-first", "error-body"])
async def test_b07_an_error_with_status_200_is_the_failure_that_it_names(backend, model, number, code, retry):
    deltas, error = await failure_of(backend(f"{model}:{number}"))
    assert (deltas, error.code, error.retry) == ([], code, retry)


async def test_b07_an_error_after_the_first_delta_is_not_tried_again(upstream, backend):
    failing = asyncio.create_task(failure_of(backend("gated")))
    call = await upstream.next_call()
    call.say("Hello")
    call.release(event({"error": {"code": 429}}))
    deltas, error = await failing
    assert (deltas, error.code, error.retry) == ([Text("Hello")], "rate_limited", False)


async def test_b07_an_error_after_text_that_is_held_back_is_not_tried_again(upstream, backend):
    failing = asyncio.create_task(failure_of(backend("gated")))
    call = await upstream.next_call()
    call.say("\n<thi")
    call.release(event({"error": {"code": 503}}))
    deltas, error = await failing
    assert (deltas, error.code, error.retry) == ([Text("\n<thi")], "upstream", False)


@pytest.mark.parametrize("kind", ["comment", "event", "empty"])
async def test_b10_an_endpoint_that_sends_no_text_yet_is_reported_alive(backend, kind):
    deltas = await read(backend(f"pings:{kind}:6"))
    alive = [delta for delta in deltas if isinstance(delta, Alive)]
    assert alive
    assert deltas[: len(alive)] == alive
    assert text_of(deltas) == ANSWER


async def test_b10_a_thousand_comments_are_a_few_signs_of_life(upstream, backend):
    reading = asyncio.create_task(read(backend("gated")))
    call = await upstream.next_call()
    for _ in range(1000):
        call.release(b": ping\n\n")
    call.say("So.")
    call.finish()
    assert sum(isinstance(delta, Alive) for delta in await reading) < 200


async def test_b11_reasoning_between_tags_is_reasoning(backend):
    deltas = await read(backend("thinking"))
    thoughts = "".join(delta.text for delta in deltas if isinstance(delta, Reasoning))
    assert (thoughts, text_of(deltas)) == ("Let me see", ANSWER)


async def test_b11_an_option_marks_a_model_that_starts_in_its_reasoning(upstream, backend):
    reading = asyncio.create_task(read(backend("gated", starts_in_reasoning=True)))
    call = await upstream.next_call()
    call.say("Let me see</think>So.")
    call.finish()
    assert (await reading)[:2] == [Reasoning("Let me see"), Text("So.")]


async def test_b11_a_text_that_is_continued_does_not_start_in_its_reasoning(upstream, backend):
    history = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Be"}]
    reading = asyncio.create_task(read(backend("gated", starts_in_reasoning=True), Request(history)))
    call = await upstream.next_call()
    call.say("cause.")
    call.finish()
    assert (await reading)[0] == Text("cause.")


@pytest.mark.parametrize("model", ["typed:text/plain", "typed", "typed:application/json", "typed:text/html"])
async def test_b14_an_event_stream_is_recognised_by_its_first_bytes(backend, model):
    deltas = await read(backend(model))
    assert (text_of(deltas), deltas[-1]) == (ANSWER, Finished("stop", USAGE))


@pytest.mark.parametrize("model", ["whole", "whole:text/event-stream", "whole:text/plain"])
async def test_b15_one_json_completion_is_read(backend, model):
    assert await read(backend(model)) == [Text(ANSWER), Finished("stop", USAGE)]


async def test_b16_a_response_may_have_long_headers(upstream, backend):
    one = backend("long-header:10240")
    for _ in range(2):
        assert text_of(await read(one)) == ANSWER
    assert upstream.accepted == 1


async def test_b16_long_headers_come_through_a_proxy_too(upstream, backend, monkeypatch):
    proxy = upstream.url.removesuffix("/v1")  # it takes any address
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    deltas = await read(backend("long-header:10240", base_url="http://no-such-host.invalid/v1"))
    assert text_of(deltas) == ANSWER
    assert upstream.calls[0].head.startswith("POST http://no-such-host.invalid/v1/chat/completions ")


@pytest.mark.parametrize("model", ["long-header:100000", "bad-header", "cut-header"])
async def test_b16_a_call_whose_response_has_begun_is_not_repeated(upstream, backend, model):
    _, error = await failure_of(backend(model))
    assert (error.code, error.retry) == ("upstream", False)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(("status", "code", "retry"), [(503, "upstream", True), (401, "auth", False)])
async def test_b16_an_error_whose_body_breaks_off_is_classified_by_its_status(backend, status, code, retry):
    _, error = await failure_of(backend(f"cut-error:{status}"))
    assert (error.code, error.retry) == (code, retry)


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("?api-version=2026-01-01", "/v1/chat/completions?api-version=2026-01-01"),
        ("/?api-version=2026-01-01", "/v1/chat/completions?api-version=2026-01-01"),
        ("/deployments/gpt%2F5?a=1&a=2&b=x%20y", "/v1/deployments/gpt%2F5/chat/completions?a=1&a=2&b=x+y"),
        ("/#part", "/v1/chat/completions"),
        ("?key=#part", "/v1/chat/completions?key="),
        ("/", "/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("given", ["option", "environment"])
async def test_b17_the_query_of_an_address_stays_at_its_end(upstream, backend, monkeypatch, address, target, given):
    options = {"base_url": upstream.url + address} if given == "option" else {"base_url": None}
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url + address)
    await read(backend("ok", **options))
    sent = upstream.calls[0].head.split(" ")[1]
    assert sent.replace("%20", "+") == target


async def test_b17_a_key_in_the_query_is_nowhere_in_the_failure(upstream, backend):
    _, error = await failure_of(backend("bad-header", base_url=f"{upstream.url}?key=sk-in-the-query"))
    assert "sk-in-the-query" in upstream.calls[0].head
    assert "sk-in-the-query" not in str(error)


PROMPT = [{"role": "system", "content": "Be brief."}]
TURNS = [
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "So."},
    {"role": "user", "content": "And?"},
]


@pytest.mark.parametrize(
    ("role", "messages", "sent"),
    [
        ("system", PROMPT + TURNS, PROMPT + TURNS),
        ("developer", PROMPT + TURNS, [{"role": "developer", "content": "Be brief."}, *TURNS]),
        ("user", PROMPT + TURNS, [{"role": "user", "content": "Be brief.\n\nWhy?"}, *TURNS[1:]]),
        ("user", PROMPT + TURNS[1:], [{"role": "user", "content": "Be brief."}, *TURNS[1:]]),
        ("user", TURNS, TURNS),
        ("developer", TURNS, TURNS),
    ],
)
async def test_b19_the_system_prompt_is_sent_in_the_role_that_the_model_takes(upstream, backend, role, messages, sent):
    before = [dict(message) for message in messages]
    await read(backend("ok", system_role=role), Request(messages))
    assert upstream.calls[0].body["messages"] == sent
    assert messages == before


@pytest.mark.parametrize("role", ["", None, "System", "assistant"])
def test_b19_another_role_is_refused(role):
    with pytest.raises(ValueError, match='"system_role" must be one of system, developer, user, got'):
        OpenAIBackend(model="m", system_role=role)


@pytest.mark.parametrize("model", ["tool-calls", "tool-calls:stop"])
async def test_a_reply_of_tool_calls_alone_ends_for_that_reason(backend, model):
    assert await read(backend(model)) == [ToolCall("c", "f", "{}"), Finished("tool-calls", USAGE)]


async def test_tools_are_offered_as_functions(upstream, backend):
    tools = (ToolSchema("orders", "The orders.", {"type": "object"}),)
    reading = asyncio.create_task(read(backend("gated"), Request([{"role": "user", "content": "Why?"}], tools=tools)))
    call = await upstream.next_call()
    function = {"name": "orders", "description": "The orders.", "parameters": {"type": "object"}}
    assert call.body["tools"] == [{"type": "function", "function": function}]
    call.break_off()
    await reading


@pytest.mark.parametrize("returned", [False, True])
async def test_reasoning_goes_back_only_to_an_endpoint_that_wants_it(upstream, backend, returned):
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "", "reasoning_content": "Hm."}]
    reading = asyncio.create_task(read(backend("gated", returns_reasoning=returned), Request(messages)))
    call = await upstream.next_call()
    assert call.body["messages"][1].get("reasoning_content") == ("Hm." if returned else None)
    call.break_off()
    await reading


async def test_a_long_call_is_a_sign_of_life(upstream, backend):
    deltas = backend("gated").stream(Request([{"role": "user", "content": "Why?"}]))
    reading = asyncio.ensure_future(anext(deltas))
    call = await upstream.next_call()
    while not reading.done():
        call.call(("orders", {"status": "x" * 100}))
        await asyncio.wait({reading}, timeout=0.05)
    assert reading.result() == Calling()
    await deltas.aclose()


async def test_only_figures_of_the_usage_are_passed_on(upstream, backend):
    reading = asyncio.create_task(read(backend("gated")))
    call = await upstream.next_call()
    call.release(event(completion({"content": "So."}, "stop", usage={"completion_tokens": 5, "tier": "\0"})))
    call.break_off()
    assert (await reading)[-1] == Finished("stop", {"completion_tokens": 5})
