"""The checks of ``chat.testing.contract``: a backend that breaks the contract does not pass them."""

import asyncio

import pytest

from chat.backends.base import Backend, Finished, Loaded, Loading, Text
from chat.testing import (
    check_backend,
    check_cancelling,
    check_closing,
    check_end,
    check_loading,
    check_name,
    check_text,
)


class Playing(Backend):
    """Yields what it was made of; then, if it is to hang, swallows its cancellation."""

    def __init__(self, *deltas, model="played", hangs=False):
        self.deltas = deltas
        self.name = model
        self.hangs = hangs
        self.calls = 0

    @property
    def model(self):
        return self.name

    async def stream(self, request):
        self.calls += 1
        for delta in self.deltas:
            yield delta
            await asyncio.sleep(0)
        if not self.hangs:
            self.calls -= 1


GOOD = (Text("One."), Finished("stop"))


async def test_a_good_backend_passes():
    await check_backend(Playing(Loading(), Loaded(), *GOOD))


@pytest.mark.parametrize(
    ("check", "deltas", "expected"),
    [
        (check_end, (), "Finished as the last"),
        (check_end, (Text("One."),), "Finished as the last"),
        (check_end, (Finished("stop"), Text("One."), Finished("stop")), "a single Finished"),
        (check_text, (Finished("stop"),), "some text"),
        (check_text, (Text(""), Text("One."), Finished("stop")), "no empty delta"),
        (check_loading, (Loading(), *GOOD), "Loading and then Loaded"),
        (check_loading, (Text("One."), Loading(), Loaded(), Finished("stop")), "before all other"),
        (check_backend, (Text("One."),), "Finished"),
    ],
)
async def test_a_backend_that_breaks_the_contract_is_found_out(check, deltas, expected):
    with pytest.raises(AssertionError, match=expected):
        await check(Playing(*deltas))


def test_a_model_without_a_name_is_found_out():
    with pytest.raises(AssertionError, match="a name"):
        check_name(Playing(model=""))


@pytest.mark.parametrize("check", [check_closing, check_cancelling])
async def test_a_call_that_stays_open_is_found_out(check, monkeypatch):
    monkeypatch.setattr("chat.testing.contract.CLOSING_TIME", 0.05)
    backend = Endless()
    with pytest.raises(AssertionError, match="no open call"):
        await check(backend, lambda: backend.calls)


class Endless(Playing):
    """Says something, and never gives its call back."""

    async def stream(self, request):
        self.calls += 1
        yield Text("Well")
        await asyncio.Event().wait()
