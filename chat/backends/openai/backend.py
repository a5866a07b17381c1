"""Any endpoint that speaks OpenAI's chat completions: OpenAI itself, Ollama, vLLM, llama.cpp, OpenRouter ..."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..base import Alive, Backend, BackendError, Delta, Finished, Request
from .completions import Reply
from .figures import figures

if TYPE_CHECKING:
    from .client import Client

INSTALL = "The OpenAI backend needs the SDK: pip install 'openai[aiohttp]'"


SYSTEM_ROLES = ("system", "developer", "user")

LIFE_INTERVAL = 0.05
"""How often an endpoint that sends no text yet is said to be alive, in seconds: it may send thousands of comments."""


class Pulse:
    """Tells when it is time to say again that an endpoint is alive."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._last = self._now()

    def beats(self, piece: bytes) -> bool:
        """Whether what was read ends a line, and the last time is long enough ago; if so, this is one."""
        due = (b"\n" in piece or b"\r" in piece) and self._now() - self._last >= LIFE_INTERVAL
        self._last = self._now() if due else self._last
        return due


def _check_options(model: str, base_url: str | None, system_role: str) -> None:
    """Raise ``ValueError`` where an option has a value that it cannot have."""
    if not isinstance(model, str) or not model:
        raise ValueError(f'The option "model" must be the name of a model, got {model!r}.')
    if base_url and not base_url.startswith(("http://", "https://")):
        raise ValueError(f'The option "base_url" must begin with http:// or https://, got {base_url!r}.')
    if system_role not in SYSTEM_ROLES:
        raise ValueError(f'The option "system_role" must be one of {", ".join(SYSTEM_ROLES)}, got {system_role!r}.')


class OpenAIBackend(Backend):
    """Streams from an OpenAI-compatible endpoint.

    ``model`` is sent as it is; ``max_tokens``, ``temperature`` and ``top_p`` where they are given. ``extra_body`` is
    laid over the request's JSON; a ``None`` in it takes a key out, for example ``{"stream_options": None}`` for a
    server that refuses it. ``headers`` go with every request. ``connect_timeout`` is in seconds; all other deadlines
    are those of the answer. Without ``api_key`` and ``base_url`` the SDK reads ``OPENAI_API_KEY`` and
    ``OPENAI_BASE_URL``; with a ``base_url`` alone no key of the environment is sent. ``trust_env=False`` ignores the
    environment's proxies. ``prefills=True`` says that the model goes on from a last message of its own, as llama.cpp's
    and vLLM's do. ``system_role`` is the role in which the system prompt is sent: ``"developer"``, or ``"user"`` to put
    it before the first question, for models that refuse ``"system"``. ``starts_in_reasoning=True`` says that the text
    begins with reasoning up to ``</think>``, where a chat template writes the opening tag itself; with that tag it is
    found without this option.
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
        **unknown: Any,
    ) -> None:
        refuse_unknown(type(self), unknown)
        _check_options(model, base_url, system_role)
        self._model = model
        self.prefills = prefills
        self._system_role = system_role
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
        """Name the model, as the option ``model`` does."""
        return self._model

    async def prepare(self) -> None:
        """Import the SDK and make the client before the first visitor has to wait for it. Raises ``BackendError``."""
        await self._client()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Ask the endpoint and decode its reply, of any shape, piece by piece."""
        client = await self._client()
        # A model that goes on from its own text has done its thinking.
        inside = self._starts_in_reasoning and request.messages[-1]["role"] != "assistant"
        reply = Reply(client.secrets, inside=inside)
        try:
            async with client.ask(self._request_body(request)) as pieces:
                pulse = Pulse()
                async for piece in pieces:
                    for delta in reply.read(piece):
                        yield delta
                    if not reply.begun and pulse.beats(piece):
                        yield Alive()
                    if reply.ended or reply.reason is not None:
                        break
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
            yield Finished(reply.reason, figures(reply.usage))

    async def close(self) -> None:
        """Close the client of this event loop."""
        task = self._clients.pop(asyncio.get_running_loop(), None)
        if task is not None:
            with suppress(BackendError):  # it was never made
                await (await task).close()

    def _request_body(self, request: Request) -> dict[str, Any]:
        body = {**self._body, "messages": self._in_role(request.messages)}
        # Not where the site does not: some endpoints know the limit under another name, and count reasoning into it.
        if request.max_tokens is not None and isinstance(most := body["max_tokens"], int):
            body["max_tokens"] = min(most, request.max_tokens)
        return {name: value for name, value in body.items() if value is not None}

    def _in_role(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The messages with the system prompt in the role that the model takes."""
        if self._system_role == "system" or messages[0]["role"] != "system":
            return messages
        prompt, *others = messages
        if self._system_role == "user" and others and others[0]["role"] == "user":
            joined = f"{prompt['content']}\n\n{others[0]['content']}"
            return [{**others[0], "content": joined}, *others[1:]]
        return [{**prompt, "role": self._system_role}, *others]

    async def _client(self) -> "Client":
        """The client of this event loop: a connection pool cannot serve two."""
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
        """Runs in a thread: the import and the TLS context would hold up the answers that are on their way."""
        return load_client()(**self._client_options)


def load_client() -> "type[Client]":
    """Import the SDK, which takes most of a second: for a thread. Raises ``BackendError``."""
    try:
        from .client import Client
    except ImportError as error:
        raise BackendError("unavailable", f"{INSTALL} ({error})") from error
    return Client


def refuse_unknown(backend: type[Backend], unknown: Mapping[str, Any]) -> None:
    """Raises ``TypeError`` that names what the backend accepts."""
    if unknown:
        accepted = [name for name, p in inspect.signature(backend).parameters.items() if p.kind is p.KEYWORD_ONLY]
        raise TypeError(f"{backend.__name__} does not know {', '.join(unknown)}; it accepts {', '.join(accepted)}.")
