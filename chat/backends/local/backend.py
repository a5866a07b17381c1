"""The model that the app brings along: SmolLM2-135M, on the site's own processor, without a key."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ..base import Backend, Delta, Loaded, Loading, Request
from ..openai.backend import OpenAIBackend, load_client, refuse_unknown
from ..openai.failures import ContextError
from .child import Child, find_weights

DEFAULT_MODEL = "SmolLM2-135M-Instruct"

MAX_PROMPT_TOKENS = 1_500
"""What a shortened history may have: the reader waits for it, at 200 tokens/s, before the answer begins."""


class LocalBackend(Backend):
    """Streams from llama.cpp in a child process, which is started on first use and again where it has died.

    ``weights`` is the path of another GGUF file. ``threads`` is one, because the threads of llama.cpp wait for each
    other spinning. With two of two processors the model reads twice as fast and writes no faster where the machine is
    idle; where it is busy, both collapse (3 to 5 tokens/s against 30 to 90).
    """

    # Three characters to each of MAX_PROMPT_TOKENS: a token is 5.5 characters of English, 4.4 of code, 2.7 of German.
    # Of scripts that the tokenizer hardly knows it is less (Russian 1.3, Chinese 0.5): they are shortened when refused.
    max_message_length = 4_500
    max_history_length = 4_500
    prefills = True

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
        # One thread starts and stops: four visitors at once start one child, and the event loop waits for none.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-local-model")
        self._child: Child | None = None
        self._endpoint: OpenAIBackend | None = None

    @property
    def model(self) -> str:
        """Name the model: the default one, or the file of its weights."""
        return DEFAULT_MODEL if self._weights is None else Path(self._weights).stem

    async def prepare(self) -> None:
        """Import what the first question needs; the model itself is loaded when it is asked."""
        await asyncio.to_thread(load_client)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Start the child if need be, and pass on what its server replies."""
        endpoint = self._running_endpoint()
        if endpoint is None:
            yield Loading()
            endpoint = await self._load()
            yield Loaded()
        async with aclosing(self._fitted(endpoint, request)) as deltas:
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        """End the child, also one that is loading, and wait for it."""
        endpoint, child = self._endpoint, self._child
        if child is not None:
            child.end()
        await asyncio.wrap_future(self._starter.submit(self._stop))
        if endpoint is not None:
            await endpoint.close()

    async def _fitted(self, endpoint: OpenAIBackend, request: Request) -> AsyncGenerator[Delta, None]:
        """The reply to as much of the history as fits; the refusals come before any delta and cost milliseconds."""
        while True:
            try:
                async with aclosing(endpoint.stream(request)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except ContextError as error:
                shorter = shorten(request.messages, self._share(error))
                if shorter is None:
                    raise
                request = Request(shorter, request.max_tokens)

    def _share(self, error: ContextError) -> float:
        """How much of the messages to keep, so that the answer has room as well."""
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
            # llama.cpp closes the connection after an answer while it promises to keep it.
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
    """Leave out the oldest turns, at least one, until that share of the characters is left; ``None`` from one turn.

    The system prompt and the last question stay, and a history begins with a question.
    """
    system = messages[:1] if messages[0]["role"] == "system" else []
    questions = [index for index, message in enumerate(messages) if message["role"] == "user" and index > len(system)]
    budget = share * _length(messages)
    for index in questions:
        shorter = system + messages[index:]
        if _length(shorter) <= budget or index == questions[-1]:
            return shorter
    return None


def _length(messages: list[dict[str, Any]]) -> int:
    return sum(len(message["content"]) for message in messages)
