"""Any endpoint that speaks OpenAI's chat completions: OpenAI itself, Ollama, vLLM, llama.cpp, OpenRouter ..."""

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from ..base import Alive, Backend, BackendError, Calling, Delta, Finished, Request
from .completions import Reply
from .figures import figures
from .returns import response_format

if TYPE_CHECKING:
    from .client import Client

INSTALL = "The OpenAI backend needs the SDK: pip install 'openai[aiohttp]'"


REASONING = "reasoning_content"

SYSTEM_ROLES = ("system", "developer", "user")

LIFE_INTERVAL = 0.05
"""Shortest time between two ``Alive``, in seconds: an endpoint may send thousands of comments before any text."""


class Pulse:
    """Limits how often an endpoint that sends no text yet is reported to be alive."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._last = self._now()

    def is_due(self, piece: bytes) -> bool:
        """Tell whether to report a sign of life now: the piece ends a line, and the last report is old enough."""
        due = (b"\n" in piece or b"\r" in piece) and self._now() - self._last >= LIFE_INTERVAL
        self._last = self._now() if due else self._last
        return due


def _check_options(model: str, base_url: str | None, system_role: str) -> None:
    """Raise ``ValueError`` if an option has an invalid value."""
    if not isinstance(model, str) or not model:
        raise ValueError(f'The option "model" must be the name of a model, got {model!r}.')
    if base_url and not base_url.startswith(("http://", "https://")):
        raise ValueError(f'The option "base_url" must begin with http:// or https://, got {base_url!r}.')
    if system_role not in SYSTEM_ROLES:
        raise ValueError(f'The option "system_role" must be one of {", ".join(SYSTEM_ROLES)}, got {system_role!r}.')


class OpenAIBackend(Backend):
    """Streams from an OpenAI-compatible endpoint.

    Args:
        model: sent as it is.
        api_key: ``None`` to use ``OPENAI_API_KEY``, unless there is a ``base_url``: the key of the environment is never
            sent to another address.
        base_url: the address of the API; ``None`` for ``OPENAI_BASE_URL``, or OpenAI itself.
        max_tokens: sent if given, as are ``temperature`` and ``top_p``.
        temperature: see ``max_tokens``.
        top_p: see ``max_tokens``.
        extra_body: merged into the request's JSON; a ``None`` removes a key, for example ``{"stream_options": None}``
            for a server that refuses it.
        headers: sent with every request.
        connect_timeout: in seconds; all other deadlines are those of the answer.
        trust_env: whether to use the proxies of the environment.
        prefills: whether the model continues a last message of its own, as those of llama.cpp and vLLM do.
        system_role: the role of the system prompt, for models that refuse ``"system"``: ``"developer"``, or ``"user"``
            to put it before the first question.
        tools: whether the model can call tools.
        structured: whether the endpoint accepts a JSON schema for the reply, as ``response_format``.
        returns_reasoning: whether the model gets back the reasoning of an earlier step of the same answer, as
            ``reasoning_content``; DeepSeek wants it.
        starts_in_reasoning: whether the text begins with reasoning that only ``</think>`` ends, because a chat template
            writes the opening tag itself. Reasoning with both tags is found without this option.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str | None = None,
        base_url: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        extra_body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 10.0,
        trust_env: bool = True,
        prefills: bool = False,
        system_role: str = "system",
        starts_in_reasoning: bool = False,
        tools: bool = True,
        structured: bool = True,
        returns_reasoning: bool = False,
        **unknown: Any,
    ) -> None:
        refuse_unknown(type(self), unknown)
        _check_options(model, base_url, system_role)
        self._model = model
        self.prefills = prefills
        self._system_role = system_role
        self.tools = tools
        self.structured = structured
        self._returns_reasoning = returns_reasoning
        self._starts_in_reasoning = starts_in_reasoning
        self._body: dict[str, Any] = {
            "model": model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "stream_options": {"include_usage": True},
            **(extra_body or {}),
        }
        self._client_options: dict[str, Any] = {
            "api_key": api_key or None,
            "base_url": base_url or None,
            "headers": headers or {},
            "connect_timeout": connect_timeout,
            "trust_env": trust_env,
        }
        self._clients: dict[asyncio.AbstractEventLoop, asyncio.Task[Client]] = {}

    @property
    def model(self) -> str:
        """Return the value of the option ``model``."""
        return self._model

    @property
    def max_tokens(self) -> int | None:
        """Return the value of the option ``max_tokens``, or of ``max_completion_tokens`` in ``extra_body``."""
        limits = (self._body.get(name) for name in ("max_tokens", "max_completion_tokens"))
        return next((limit for limit in limits if isinstance(limit, int)), None)

    @property
    def url(self) -> str:
        """Return the value of the option ``base_url``, or of ``OPENAI_BASE_URL``."""
        return str(self._client_options["base_url"] or os.environ.get("OPENAI_BASE_URL", ""))

    async def prepare(self) -> None:
        """Import the SDK and make the client before the first visitor needs it. Raises ``BackendError``."""
        await self._client()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Send the request, and decode the endpoint's reply piece by piece."""
        client = await self._client()
        # A model that continues its own text has already ended its reasoning.
        inside = self._starts_in_reasoning and request.messages[-1]["role"] != "assistant"
        reply = Reply(client.secrets, inside=inside)
        try:
            async with client.ask(self._request_body(request)) as pieces:
                pulse, fragments = Pulse(), 0
                async for piece in pieces:
                    for delta in reply.read(piece):
                        yield delta
                    if reply.ended or reply.reason is not None:
                        break
                    if reply.calls.fragments > fragments and pulse.is_due(piece):
                        fragments = reply.calls.fragments
                        yield Calling()
                    if reply.begun:
                        await pieces.rest(request.pace)
                    elif pulse.is_due(piece):
                        yield Alive()
                rest = client.rest(pieces, reply)
                while (late := await rest.read()) is not None:
                    for delta in reply.read(late):
                        yield delta
        except BackendError as error:
            reply.break_off(error)
        for delta in reply.end():
            yield delta
        if reply.failure is not None:
            reply.failure.retry = reply.failure.retry and not reply.begun
            raise reply.failure
        if reply.reason is not None:
            for call in reply.calls.whole:
                yield call
            yield Finished(reply.reason, figures(reply.usage))

    async def close(self) -> None:
        """Close the client of this event loop."""
        task = self._clients.pop(asyncio.get_running_loop(), None)
        if task is not None:
            with suppress(BackendError):  # the client could not be made
                await (await task).close()

    def _request_body(self, request: Request) -> dict[str, Any]:
        body = {**self._body, "messages": self._in_role(self._without_reasoning(request.messages))}
        if request.tools:
            body["tools"] = [{"type": "function", "function": to_builtins(tool)} for tool in request.tools]
        if request.returns is not None:
            body["response_format"] = response_format(request.returns)
        # Only if the site limits the answer too: some endpoints use another name, or count reasoning as well.
        if request.max_tokens is not None and isinstance(limit := body["max_tokens"], int):
            body["max_tokens"] = min(limit, request.max_tokens)
        return {name: value for name, value in body.items() if value is not None}

    def _without_reasoning(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave out the reasoning of earlier steps, unless the endpoint wants it."""
        if self._returns_reasoning or not any(REASONING in message for message in messages):
            return messages
        return [{name: value for name, value in message.items() if name != REASONING} for message in messages]

    def _in_role(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with the system prompt in the role of the option ``system_role``."""
        if self._system_role == "system" or messages[0]["role"] != "system":
            return messages
        prompt, *others = messages
        if self._system_role == "user" and others and others[0]["role"] == "user":
            joined = f"{prompt['content']}\n\n{others[0]['content']}"
            return [{**others[0], "content": joined}, *others[1:]]
        return [{**prompt, "role": self._system_role}, *others]

    async def _client(self) -> "Client":
        """Return the client of this event loop, made on first use: a connection pool cannot serve two loops."""
        loop = asyncio.get_running_loop()
        task = self._clients.get(loop)
        if task is None:
            self._clients = {other: made for other, made in self._clients.items() if not other.is_closed()}
            task = self._clients[loop] = loop.create_task(asyncio.to_thread(self._make_client))
        try:
            return await asyncio.shield(task)
        except BackendError:
            if self._clients.get(loop) is task:
                del self._clients[loop]
            raise

    def _make_client(self) -> "Client":
        """Make a client, in a thread: the import and the TLS context would block the answers that are running."""
        return load_client()(**self._client_options)


def load_client() -> "type[Client]":
    """Import the SDK, which takes most of a second: call this in a thread.

    Raises:
        BackendError: ``unavailable`` if the SDK is not installed.
    """
    try:
        from .client import Client
    except ImportError as error:
        raise BackendError("unavailable", f"{INSTALL} ({error})") from error
    return Client


def refuse_unknown(backend: type[Backend], unknown: Mapping[str, Any]) -> None:
    """Raise ``TypeError`` if there are unknown options, with the names of those that the backend accepts."""
    if unknown:
        accepted = [name for name, p in inspect.signature(backend).parameters.items() if p.kind is p.KEYWORD_ONLY]
        raise TypeError(f"{backend.__name__} has no option {', '.join(unknown)}; it accepts {', '.join(accepted)}.")
