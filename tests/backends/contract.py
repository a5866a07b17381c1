"""What every backend must do, whatever model is behind it.

A backend is put to it by a ``Case``. ``test_contract.py`` runs the suite on each; another backend is one more entry of
its ``CASES``.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from chat.backends.base import Backend, Delta, Request, Text


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


def ask(question: str = "Count from one to five.") -> Request:
    """A history of one question."""
    return Request([{"role": "user", "content": question}])


async def read(backend: Backend, request: Request | None = None) -> list[Delta]:
    """The whole reply."""
    async with aclosing(backend.stream(request or ask())) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[Delta]) -> str:
    """What the model said."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))
