"""The contract of ``chat.backends.base.Backend``, tested on every backend of the app."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from chat.backends.base import Backend
from chat.backends.local.backend import LocalBackend
from chat.backends.openai.backend import OpenAIBackend
from chat.backends.scripted import Script, ScriptedBackend
from chat.testing import (
    check_cancelling,
    check_closing,
    check_concurrency,
    check_end,
    check_loading,
    check_name,
    check_text,
)
from tests.support.upstream import Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = itertools.count()


@dataclass(frozen=True)
class Playing:
    """A backend that is ready to be asked."""

    backend: Backend
    open_calls: Callable[[], int] | None = None
    """How many calls the model's side has open, where it can be asked."""


@dataclass(frozen=True)
class Case:
    """How to make a backend; leaving the context gives back what it holds."""

    name: str
    whole: Callable[[], AbstractAsyncContextManager[Playing]]
    """A backend whose model ends its replies."""

    endless: Callable[[], AbstractAsyncContextManager[Playing]]
    """A backend whose model says something and then does not end within the test."""


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
    await check_end(whole)


async def test_a_reply_has_text_and_no_delta_is_empty(whole):
    await check_text(whole)


async def test_a_backend_that_loads_yields_loading_and_loaded_before_any_text(whole):
    await check_loading(whole)


async def test_concurrent_replies_are_all_complete(whole):
    await check_concurrency(whole)


async def test_the_model_has_a_name(whole):
    check_name(whole)


async def test_closing_the_reply_ends_the_call(endless):
    await check_closing(endless.backend, endless.open_calls)


async def test_cancelling_the_reader_ends_the_call(endless):
    await check_cancelling(endless.backend, endless.open_calls)
