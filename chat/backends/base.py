"""What a backend is: an object that streams the reply of a model."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import msgspec

from ..chunks import FinishReason
from ..errors import BackendError
from ..parts import REASONING, TEXT, Kind

__all__ = [
    "Alive",
    "Backend",
    "BackendError",
    "Content",
    "Delta",
    "Finished",
    "Loaded",
    "Loading",
    "Reasoning",
    "Request",
    "Text",
]


class Content(msgspec.Struct, frozen=True, gc=False):
    """A piece of text that the model added to its reply; never empty. Each kind of part has a class of its own."""

    kind: ClassVar[Kind]

    text: str


class Text(Content, frozen=True, gc=False):
    """Text of the answer."""

    kind = TEXT


class Reasoning(Content, frozen=True, gc=False):
    """Reasoning before the answer, or between its texts."""

    kind = REASONING


class Loading(msgspec.Struct, frozen=True, gc=False):
    """The model is being loaded: until ``Loaded``, ``CHAT["LOADING_TIMEOUT"]`` stands in for the other deadlines."""


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """The model is loaded and has been asked."""


class Alive(msgspec.Struct, frozen=True, gc=False):
    """The model's endpoint gave a sign of life before its first delta, such as a comment or reasoning that it hides.

    The wait for the first delta, ``CHAT["FIRST_TOKEN_TIMEOUT"]``, starts again; ``CHAT["MAX_DURATION"]`` does not.
    After the first delta it has no effect.
    """


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The model said itself that the reply is over, and why.

    ``usage`` is what the endpoint reported, for example ``{"prompt_tokens": 12, "completion_tokens": 80}``.
    """

    reason: FinishReason
    usage: dict[str, Any] | None = None


Delta = Text | Reasoning | Loading | Loaded | Alive | Finished


class Request(msgspec.Struct, frozen=True):
    """What a model is asked.

    ``messages`` are OpenAI chat messages, ``{"role": "system" | "user" | "assistant", "content": str}``, oldest first,
    the system prompt (where there is one) first of all, the question last. A short reply is enough where ``max_tokens``
    is given: who can tell the model so does, and saves the reader's time; who cannot is not read to the end.
    """

    messages: list[dict[str, Any]]
    max_tokens: int | None = None


class Backend(ABC):
    """A model that a site can ask, made once a process from ``CHAT["BACKENDS"]``; ``OPTIONS`` are keyword arguments."""

    max_message_length: ClassVar[int | None] = None
    """The longest message in characters that the model can take at all, or ``None``."""

    max_history_length: ClassVar[int | None] = None
    """The longest history in characters that fits the model's context, or ``None``."""

    prefills: bool = False
    """Whether the model goes on from a last message of the role ``assistant``, where an answer is continued."""

    @property
    def model(self) -> str:
        """The model's name, stored with each answer."""
        return ""

    @abstractmethod
    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Yield the reply as it is made.

        A reply that the model ended itself yields ``Finished`` last; one that just ends was broken off. Raises
        ``BackendError``. Closing the iterator (``aclose``) or cancelling the reader closes the upstream connection.
        """

    async def prepare(self) -> None:  # noqa: B027 (most backends have nothing to prepare)
        """Do ahead what would hold up the first question. Called when the process starts, in a task of its own."""

    async def close(self) -> None:  # noqa: B027 (most backends hold nothing)
        """Give back what the backend holds: connections, child processes."""
