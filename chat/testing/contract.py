"""The contract of a backend, as checks that need no test framework."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from ..backends.base import Backend, Delta, Finished, Loaded, Loading, Reasoning, Request, Text

PATIENCE = 60.0
"""How long a model may take to say something, in seconds."""

CLOSING_TIME = 5.0
"""How long a call of the model may stay open after its reply was closed, in seconds."""


def ask(question: str = "Count from one to five.") -> Request:
    """Return a request with one question and no history."""
    return Request([{"role": "user", "content": question}])


async def read(backend: Backend, request: Request | None = None) -> list[Delta]:
    """Return a whole reply. Raises ``BackendError``."""
    async with aclosing(backend.stream(request or ask())) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[Delta]) -> str:
    """Return the text of a reply, without its reasoning."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


async def check_backend(backend: Backend) -> None:
    """Check everything that can be seen of a backend whose model ends its replies; asks it seven times."""
    await check_end(backend)
    await check_text(backend)
    await check_loading(backend)
    await check_concurrency(backend)
    check_name(backend)


async def check_end(backend: Backend) -> None:
    """Check that a reply ends with ``Finished``, and has no other."""
    deltas = await read(backend)
    _expect(bool(deltas) and isinstance(deltas[-1], Finished), "Expected Finished as the last delta.", deltas)
    _expect(sum(isinstance(delta, Finished) for delta in deltas) == 1, "Expected a single Finished.", deltas)


async def check_text(backend: Backend) -> None:
    """Check that a reply has text or reasoning, and that no delta of it is empty."""
    deltas = await read(backend)
    said = [delta.text for delta in deltas if isinstance(delta, Text | Reasoning)]
    _expect(bool(said), "Expected some text or reasoning.", deltas)
    _expect(all(said), "Expected no empty delta.", deltas)


async def check_loading(backend: Backend) -> None:
    """Check that a model that is loaded first says so before anything else, and then that it is loaded."""
    deltas = await read(backend)
    loading = [type(delta) for delta in deltas if isinstance(delta, Loading | Loaded)]
    _expect(loading in ([], [Loading, Loaded]), "Expected Loading and then Loaded, or neither.", deltas)
    first = [type(delta) for delta in deltas[: len(loading)]]
    _expect(first == loading, "Expected Loading and Loaded before all other deltas.", deltas)


async def check_concurrency(backend: Backend) -> None:
    """Check that four replies at the same time are all whole."""
    for deltas in await asyncio.gather(*(read(backend, ask(f"Say {word}.")) for word in "abcd")):
        whole = bool(text_of(deltas)) and isinstance(deltas[-1], Finished)
        _expect(whole, "Expected text and Finished in each of four replies at once.", deltas)


def check_name(backend: Backend) -> None:
    """Check that the model has a name, which is stored with each answer."""
    _expect(bool(backend.model), "Expected a name in the property model.", backend.model)


async def check_closing(backend: Backend, open_calls: Callable[[], int] | None = None) -> None:
    """Check that closing a reply that has not ended closes the call of the model.

    Args:
        backend: one whose model says something, and then does not end within five seconds.
        open_calls: returns how many calls the model's side has open, where that can be known.
    """
    async with aclosing(backend.stream(ask())) as deltas:
        async for delta in deltas:
            if isinstance(delta, Text):
                break
    await _expect_no_calls(open_calls)


async def check_cancelling(backend: Backend, open_calls: Callable[[], int] | None = None) -> None:
    """Check that cancelling the task that reads a reply closes the call of the model.

    The arguments are those of ``check_closing``.
    """
    speaks = asyncio.Event()

    async def follow() -> None:
        async with aclosing(backend.stream(ask())) as deltas:
            async for delta in deltas:
                if isinstance(delta, Text):
                    speaks.set()

    task = asyncio.ensure_future(follow())
    await asyncio.wait_for(speaks.wait(), PATIENCE)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    _expect(task.cancelled(), "Expected CancelledError to leave the reply.", task)
    await _expect_no_calls(open_calls)


async def _expect_no_calls(open_calls: Callable[[], int] | None) -> None:
    if open_calls is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_TIME):
            while open_calls():  # noqa: ASYNC110 (the other side has no event to wait for)
                await asyncio.sleep(0.01)
    _expect(open_calls() == 0, f"Expected no open call of the model after {CLOSING_TIME:g} s.", open_calls())


def _expect(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise AssertionError(f"{expected} Got: {found!r}")
