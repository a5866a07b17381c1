"""The interface of a backend: an object that streams the replies of a model."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, ClassVar

import msgspec

from ..chunks import FinishReason
from ..errors import BackendError
from ..parts import REASONING, TEXT, Kind

__all__ = [
    "Alive",
    "Backend",
    "BackendError",
    "Calling",
    "Content",
    "Delta",
    "Finished",
    "Loaded",
    "Loading",
    "Reasoning",
    "Request",
    "Text",
    "ToolCall",
    "ToolSchema",
]


class Content(msgspec.Struct, frozen=True, gc=False):
    """A piece of text that the model added to its reply; never empty. Each kind of part has its own subclass."""

    kind: ClassVar[Kind]

    text: str


class Text(Content, frozen=True, gc=False):
    """Text of the answer."""

    kind = TEXT


class Reasoning(Content, frozen=True, gc=False):
    """Reasoning before the answer, or between its texts."""

    kind = REASONING


class Loading(msgspec.Struct, frozen=True, gc=False):
    """The model is being loaded: until ``Loaded``, ``CHAT["LOADING_TIMEOUT"]`` replaces the other deadlines."""


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """The model is loaded and has received the request."""


class Alive(msgspec.Struct, frozen=True, gc=False):
    """A sign of life from the model's endpoint before its first delta, such as a comment or hidden reasoning.

    It restarts the wait for the first delta, ``CHAT["FIRST_TOKEN_TIMEOUT"]``, but not ``CHAT["MAX_DURATION"]``.
    After the first delta it has no effect.
    """


class Calling(msgspec.Struct, frozen=True, gc=False):
    """The model is writing the arguments of a call, which may take long. It restarts the wait for the next delta."""


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The end of a reply that the model ended itself.

    Attributes:
        reason: why the model ended it.
        usage: what the endpoint reported, for example ``{"prompt_tokens": 12, "completion_tokens": 80}``.
    """

    reason: FinishReason
    usage: dict[str, Any] | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool that the model asks for, whole. A reply may have several; they come before ``Finished``.

    Attributes:
        id: the endpoint's own id of the call; empty if it sent none. It need not be unique.
        name: the name of the tool.
        arguments: in JSON, as the model wrote them: they may be wrong.
        extra: further fields of the call, which the same endpoint gets back with it.
    """

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = {}


Delta = Text | Reasoning | Calling | ToolCall | Loading | Loaded | Alive | Finished


class ToolSchema(msgspec.Struct, frozen=True):
    """A tool that the model may call: its name, what it does, and the JSON schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


async def at_once() -> None:
    """Return at once: the ``pace`` of a caller to whom every delta is as urgent as the first."""


class Request(msgspec.Struct, frozen=True):
    """One request to a model.

    Attributes:
        messages: OpenAI chat messages, ``{"role": "system" | "user" | "assistant", "content": str}``, oldest first. The
            system prompt, if there is one, comes first and the question last; to continue an answer, a model that
            ``prefills`` gets the beginning of the answer last. A message of the assistant that called tools has
            ``tool_calls`` too, and a message ``{"role": "tool", "tool_call_id": str, "content": str}`` follows for each
            call. ``reasoning_content`` is the reasoning of an earlier step of the same answer.
        max_tokens: a reply of this length is enough. Pass the limit to the model if that is supported; otherwise the
            caller stops reading early. ``None`` sets no limit.
        tools: what the model may call; empty for a backend without ``tools``.
        returns: the JSON schema of an object, named by its ``title``, if the whole text of the reply is to be such a
            value in JSON; only for a backend that is ``structured``. Pass it to the model.
        pace: a backend may call this after a read from the network whose deltas it has yielded, before it reads again.
            It passes the deltas on to the readers, and returns at their next tick. What has arrived until then can be
            read at once, which takes far less time than each token alone.
    """

    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    tools: tuple[ToolSchema, ...] = ()
    returns: dict[str, Any] | None = None
    pace: Callable[[], Awaitable[None]] = at_once


class Backend(ABC):
    """A model that a site can use.

    Each process makes one object per entry of ``CHAT["BACKENDS"]``, with the ``OPTIONS`` as keyword arguments.
    """

    max_message_length: ClassVar[int | None] = None
    """The longest message that the model can take, in characters; ``None`` for no limit."""

    max_history_length: ClassVar[int | None] = None
    """The longest history that fits the model's context, in characters; ``None`` for no limit."""

    prefills: bool = False
    """Whether the model continues a last message of the role ``assistant``, which is how an answer is continued."""

    tools: bool = False
    """Whether the model can call tools: it gets them in its requests, and yields ``ToolCall``."""

    structured: bool = False
    """Whether the model can reply with a value of a given form, as ``Request.returns`` asks for."""

    @property
    def model(self) -> str:
        """Return the name of the model, which is stored with each answer."""
        return ""

    @property
    def max_tokens(self) -> int | None:
        """Return how many tokens a reply may have; ``None`` if the site has set no limit."""
        return None

    @property
    def url(self) -> str:
        """Return the address of the endpoint, if the site has set one, for the price of the model."""
        return ""

    @abstractmethod
    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Yield the reply piece by piece, as the model makes it.

        Yield ``Finished`` last if the model ended the reply itself; without it, the reply counts as broken off. When
        the iterator is closed (``aclose``) or its reader is cancelled, close the upstream connection.

        Raises:
            BackendError: the reply failed.
        """

    def missing(self) -> str:
        """Return what has to be installed before the model can answer, as a sentence for ``manage.py check``.

        It is empty if nothing is missing. It must not call the model, or take long.
        """
        return ""

    async def prepare(self) -> None:  # noqa: B027 (most backends have nothing to prepare)
        """Do in advance what would delay the first question. Called in its own task when the process starts."""

    async def close(self) -> None:  # noqa: B027 (most backends hold nothing)
        """Release the connections and child processes that the backend holds."""
