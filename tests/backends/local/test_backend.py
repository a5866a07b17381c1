"""The local backend: the history that it sends, and the real model behind it."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio

from chat.backends.base import BackendError, Finished, Loaded, Loading, Request, Text
from chat.backends.local.backend import LocalBackend, in_words, shorten
from chat.backends.local.child import Child
from chat.backends.openai.backend import OpenAIBackend
from chat.backends.openai.failures import ContextError
from chat.testing import ask, read, text_of
from tests.support.upstream import Upstream, eventually


def history(*contents, system=None):
    """Make messages that alternate between question and answer."""
    roles = ("user", "assistant")
    turns = [{"role": roles[index % 2], "content": content} for index, content in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system else []) + turns


def contents(messages):
    return messages and [message["content"] for message in messages]


# The history that is sent


def test_the_oldest_turns_are_dropped_until_the_share_remains():
    messages = history("aaaa", "bbbb", "cccc", "dddd", "eeee")
    assert contents(shorten(messages, 0.6)) == ["cccc", "dddd", "eeee"]
    assert contents(shorten(messages, 0.59)) == ["eeee"]


def test_at_least_one_turn_is_left_out():
    assert contents(shorten(history("a", "b", "c"), 1.0)) == ["c"]


def test_the_question_stays_whatever_its_length():
    assert contents(shorten(history("a", "b", "c" * 100), -1.0)) == ["c" * 100]


def test_the_system_prompt_stays():
    messages = history("a", "b", "c", system="Be kind.")
    assert contents(shorten(messages, 0.5)) == ["Be kind.", "c"]


def test_an_answer_that_is_continued_stays_with_its_question():
    assert contents(shorten(history("a", "b", "c", "d"), 0.1)) == ["c", "d"]


@pytest.mark.parametrize("messages", [history("a"), history("a", system="Be kind."), history("a", "b")])
def test_a_single_turn_cannot_be_shortened(messages):
    assert shorten(messages, 0.1) is None


CALLED = [
    {"role": "user", "content": "Where is my order?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "a1b2c3d4e", "type": "function", "function": {"name": "orders", "arguments": '{"status": "open"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "a1b2c3d4e", "content": '[{"number": "B7", "place": "Lyon"}]'},
]
"""A step of an answer, as another backend has made it before this one takes over."""


def test_the_calls_of_a_turn_are_dropped_with_their_results_and_never_without():
    messages = [*CALLED, {"role": "assistant", "content": "In Lyon."}, *history("And now?")]
    assert shorten(messages, 0.99) == history("And now?")
    assert shorten([*history("Hello", "Hi"), *CALLED], 0.99) == CALLED
    assert shorten(CALLED, 0.5) is None


def test_a_model_without_tools_reads_what_others_have_called_as_text_in_alternating_roles():
    result = 'orders({"status": "open"}) returned: [{"number": "B7", "place": "Lyon"}]'
    said = {**CALLED[1], "content": "Let me see.", "reasoning_content": "Hm."}
    assert in_words([*history("Hello", "Hi"), CALLED[0], said, *CALLED[2:], *CALLED[1:]]) == history(
        "Hello", "Hi", "Where is my order?", "Let me see.", f"{result}\n\n{result}"
    )
    assert in_words(CALLED) == history(f"Where is my order?\n\n{result}")
    plain = history("a", "b", "c", system="Be kind.")
    assert in_words(plain) is plain


@pytest.fixture
async def refusing():
    """A local backend without a process, whose model takes 2,000 characters, each of them a token."""
    async with Upstream() as upstream:
        endpoint = OpenAIBackend(model="context:2000", base_url=upstream.url)
        backend = LocalBackend(max_tokens=256)

        async def fitted(messages):
            return [delta async for delta in backend._fitted(endpoint, Request(messages))]

        yield upstream, fitted
        await endpoint.close()


async def test_a_history_over_the_context_is_shortened_to_leave_room_for_the_answer(refusing):
    upstream, fitted = refusing
    messages = history(*["x" * 100] * 60, "Why?")
    assert text_of(await fitted(messages)) == "Why? "
    assert [len(call.body["messages"]) for call in upstream.calls] == [61, 15]
    assert len(messages) == 61


async def test_a_question_over_the_context_is_refused_at_once(refusing):
    upstream, fitted = refusing
    with pytest.raises(BackendError) as raised:
        await fitted(history("x" * 3000))
    assert raised.value.code == "context"
    assert len(upstream.calls) == 1


def test_half_of_the_history_is_kept_if_the_endpoint_reports_no_lengths():
    assert LocalBackend()._share(ContextError("too long")) == 0.5


# Options


def test_the_model_is_named_after_the_given_weights():
    assert LocalBackend().model == "SmolLM2-135M-Instruct"
    assert LocalBackend(weights="/models/Qwen3-0.6B.Q4_K_M.gguf").model == "Qwen3-0.6B.Q4_K_M"


def test_an_unknown_option_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(TypeError, match="LocalBackend has no option wieghts; it accepts weights, max_tokens, "):
        LocalBackend(wieghts="x")


async def test_a_model_that_cannot_start_is_unavailable_at_each_call(tmp_path):
    backend = LocalBackend(weights=str(tmp_path / "no.gguf"))
    for _ in range(2):
        with pytest.raises(BackendError) as raised:
            await read(backend)
        assert raised.value.code == "unavailable"
    await backend.close()


# The real model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running():
    """One backend for several tests, because its model takes a second to load."""
    backend = LocalBackend(max_tokens=24, temperature=0)
    await read(backend)
    yield backend
    await backend.close()


@pytest.mark.model
async def test_four_visitors_at_once_wait_for_one_model(monkeypatch):
    children = []
    monkeypatch.setattr("chat.backends.local.backend.Child", lambda: children.append(Child()) or children[-1])
    backend = LocalBackend(max_tokens=8)
    replies = await asyncio.gather(*(read(backend, ask(f"Say the letter {letter}.")) for letter in "abcd"))
    await backend.close()
    assert all([type(delta) for delta in deltas[:2]] == [Loading, Loaded] for deltas in replies)
    assert all(text_of(deltas) and isinstance(deltas[-1], Finished) for deltas in replies)
    assert len(children) == 1


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_running_model_answers_word_by_word_again_and_again(running):
    for _ in range(3):
        deltas = await read(running, ask("Tell me a long story."))
        assert not any(isinstance(delta, Loading | Loaded) for delta in deltas)
        assert sum(isinstance(delta, Text) for delta in deltas) > 1


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_conversation_longer_than_the_context_continues(running, monkeypatch):
    monkeypatch.setattr(
        "chat.backends.local.backend.MAX_PROMPT_TOKENS", 200
    )  # otherwise the test waits until the model has read everything
    deltas = await read(running, Request(history(*["天空是蓝色的" * 2] * 100, "Say hello.")))
    assert isinstance(deltas[-1], Finished)
    assert 100 < deltas[-1].usage["prompt_tokens"] < 300


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "messages",
    [
        CALLED,
        [*CALLED, *CALLED[1:]],
        [*CALLED, {"role": "assistant", "content": "In Lyon."}, *history("Thank you.")],
        [*CALLED, {"role": "assistant", "content": "It is"}],
    ],
    ids=["result", "two steps", "later turn", "continued"],
)
async def test_the_model_answers_after_tools_that_another_model_has_called(running, messages):
    deltas = await read(running, Request(messages))
    assert text_of(deltas)
    assert isinstance(deltas[-1], Finished)
    nothing = [{**message, "content": ""} if message["role"] == "tool" else message for message in messages]
    without = await read(running, Request(nothing))
    assert deltas[-1].usage["prompt_tokens"] > without[-1].usage["prompt_tokens"], "it reads the results"


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_model_that_died_is_started_again(running):
    os.kill(running._child.pid, signal.SIGKILL)
    await eventually(lambda: not running._child.running)
    deltas = await read(running)
    assert [type(delta) for delta in deltas[:2]] == [Loading, Loaded]
    assert isinstance(deltas[-1], Finished)


@pytest.mark.model
async def test_closing_ends_a_model_that_still_loads():
    backend = LocalBackend()
    reading = asyncio.create_task(read(backend))
    await eventually(lambda: backend._child is not None)
    child = backend._child
    await backend.close()
    assert not child.running
    with pytest.raises(BackendError):
        await reading
