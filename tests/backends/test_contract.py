"""The contract of ``chat.backends.base.Backend``, tested on every backend of the app."""

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager

import pytest
import pytest_asyncio

from chat.backends.base import Finished, Loaded, Loading, Reasoning, Text
from chat.backends.local.backend import LocalBackend
from chat.backends.openai.backend import OpenAIBackend
from chat.backends.scripted import Script, ScriptedBackend
from tests.backends.contract import Case, Playing, ask, read, text_of
from tests.support.upstream import Upstream, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = itertools.count()


def openai(model):
    @asynccontextmanager
    async def playing():
        async with Upstream() as upstream:
            backend = OpenAIBackend(model=model, base_url=upstream.url)
            yield Playing(backend, lambda: upstream.open_connections)
            await backend.close()

    return playing


def local(max_tokens):
    @asynccontextmanager
    async def playing():
        backend = LocalBackend(max_tokens=max_tokens)
        yield Playing(backend)
        await backend.close()

    return playing


@asynccontextmanager
async def echoing():
    yield Playing(ScriptedBackend())


@asynccontextmanager
async def scripted_without_end():
    calls = []

    class Talking(Script):
        def begin(self, request):
            calls.append(super().begin(request))
            calls[-1].say("Well, ")
            return calls[-1]

    name = f"contract-{next(names)}"
    Talking(name)
    yield Playing(ScriptedBackend(script=name), lambda: sum(not call.closed.is_set() for call in calls))


CASES = [
    Case("openai", openai("echo"), openai("stall")),
    Case("scripted", echoing, scripted_without_end),
    pytest.param(Case("local", local(8), local(256)), marks=pytest.mark.model),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(case):
    """A backend whose model ends its replies; one for all tests, because the local model takes a second to load."""
    async with case.whole() as playing:
        yield playing.backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endless(case):
    """A backend whose model does not end."""
    async with case.endless() as playing:
        yield playing


async def test_a_reply_ends_with_finished_and_nothing_else_is_finished(whole):
    deltas = await read(whole)
    assert isinstance(deltas[-1], Finished)
    assert sum(isinstance(delta, Finished) for delta in deltas) == 1


async def test_a_reply_has_text_and_no_delta_is_empty(whole):
    deltas = await read(whole)
    said = [delta.text for delta in deltas if isinstance(delta, Text | Reasoning)]
    assert said
    assert all(said)


async def test_a_backend_that_loads_yields_loading_and_loaded_before_any_text(whole):
    deltas = await read(whole)
    loading = [type(delta) for delta in deltas if isinstance(delta, Loading | Loaded)]
    assert loading in ([], [Loading, Loaded])
    assert [type(delta) for delta in deltas[: len(loading)]] == loading


async def test_concurrent_replies_are_all_complete(whole):
    replies = await asyncio.gather(*(read(whole, ask(f"Say {word}.")) for word in "abcd"))
    assert all(text_of(deltas) and isinstance(deltas[-1], Finished) for deltas in replies)


async def test_the_model_has_a_name(whole):
    assert whole.model


async def test_closing_the_reply_ends_the_call(endless):
    async with aclosing(endless.backend.stream(ask())) as deltas:
        assert await first_text(deltas)
    await expect_no_open_calls(endless)


async def test_cancelling_the_reader_ends_the_call(endless):
    speaks = asyncio.Event()

    async def reader():
        async with aclosing(endless.backend.stream(ask())) as deltas:
            await first_text(deltas)
            speaks.set()
            async for _ in deltas:
                pass

    task = asyncio.create_task(reader())
    await asyncio.wait_for(speaks.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await expect_no_open_calls(endless)


async def first_text(deltas):
    async for delta in deltas:
        if isinstance(delta, Text):
            return delta.text


async def expect_no_open_calls(playing):
    if playing.open_calls is not None:
        await eventually(lambda: playing.open_calls() == 0, wait=5.0)
