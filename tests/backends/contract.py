"""Helpers for the contract that every backend must fulfil, whatever model is behind it.

``test_contract.py`` runs the suite on each ``Case``; to test another backend, add an entry to its ``CASES``.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from chat.backends.base import Backend, Delta, Request, Text


@dataclass(frozen=True)
class Playing:
    """A backend that is ready for requests."""

    backend: Backend
    open_calls: Callable[[], int] | None = None
    """Counts the open calls on the model's side, if that is possible."""


@dataclass(frozen=True)
class Case:
    """Makes a backend in two forms; leaving the context closes it."""

    name: str
    whole: Callable[[], AbstractAsyncContextManager[Playing]]
    """A backend whose model ends its replies."""

    endless: Callable[[], AbstractAsyncContextManager[Playing]]
    """A backend whose model sends some text and then does not end within the test."""


def ask(question: str = "Count from one to five.") -> Request:
    """Make a request with one question."""
    return Request([{"role": "user", "content": question}])


async def read(backend: Backend, request: Request | None = None) -> list[Delta]:
    """Read the whole reply."""
    async with aclosing(backend.stream(request or ask())) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[Delta]) -> str:
    """Join the text of the deltas."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))
