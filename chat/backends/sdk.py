"""The OpenAI SDK, used for what it knows (addresses, credentials, errors), kept away from the history and the deltas.

Importing this module imports the SDK, which takes most of a second: ``openai.py`` does it late and in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import httpx2
from httpx2 import AsyncByteStream
from openai import APIConnectionError, APIStatusError, AsyncAPIResponse, AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from .base import BackendError
from .completions import Reply
from .failures import MAX_EXCERPT_LENGTH, excerpt, from_status

NO_KEY = "none"
"""Sent where a site gave an address without a key: the SDK insists on one, and local servers ignore it."""

USAGE_WAIT = 1.0
"""How long the usage may lag behind the finish reason, in seconds."""

END_WAIT = 0.05
"""How long the end of the response may lag behind ``[DONE]``: read to its end, a connection can be used again."""

EVENT_STREAM = "text/event-stream"

MIN_SECRET_LENGTH = 8
"""Shorter words of the headers, such as "Bearer", are no secrets: taking them out would only garble the log."""

BROKEN = (OpenAIError, httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""Whatever a connection raises, before the first byte or after it; the SDK maps only the former."""


def network_reads(response: AsyncAPIResponse[Any]) -> AsyncIterator[bytes]:
    """The body as it comes in. Without an encoding to undo, two of the layers above the socket are left out."""
    http = response.http_response
    if http.headers.get("content-encoding", "identity") == "identity" and isinstance(http.stream, AsyncByteStream):
        return aiter(http.stream)
    return response.iter_bytes()


class Client:
    """The connections to one endpoint, for the event loop of its first call. Raises ``BackendError`` without a key."""

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        headers: Mapping[str, str],
        connect_timeout: float,
        trust_env: bool,
    ) -> None:
        # A key from the environment is meant for the address from the environment, never for another one.
        key = NO_KEY if api_key is None and base_url is not None else api_key
        try:
            self._sdk = AsyncOpenAI(
                api_key=key,
                base_url=base_url,
                max_retries=0,
                default_headers=headers,
                timeout=httpx2.Timeout(None, connect=connect_timeout),  # all other deadlines are those of the answer
                http_client=DefaultAioHttpClient(follow_redirects=False, trust_env=trust_env),
            )
        except OpenAIError as error:
            failure = BackendError("auth", str(error))
            failure.hint = "neither the option api_key nor OPENAI_API_KEY is set"
            raise failure from error
        words = " ".join([self._sdk.api_key, *headers.values()]).split()
        self.secrets = tuple(word for word in words if len(word) >= MIN_SECRET_LENGTH)

    @asynccontextmanager
    async def ask(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The network reads of the response to one request. Raises ``BackendError``, also for what breaks inside."""
        try:
            # The body goes through ``extra_body``: what goes through ``messages`` is walked and copied.
            async with self._sdk.chat.completions.with_streaming_response.create(
                model="", messages=[], stream=True, extra_body=body
            ) as response:
                pieces = network_reads(response)
                content_type = response.headers.get("content-type", "")
                if not content_type.lower().startswith(EVENT_STREAM):
                    raise await self._not_a_stream(content_type, pieces)
                yield pieces
        except BROKEN as error:
            # Without the cause: its text has what the endpoint said, key and all.
            raise self._failure(error) from None

    async def end(self, pieces: AsyncIterator[bytes], reply: Reply) -> None:
        """Read what follows the finish reason, the usage, for a short time. The reply is whole: nothing fails here."""
        with suppress(TimeoutError, *BROKEN):
            async with asyncio.timeout(END_WAIT if reply.done else USAGE_WAIT) as deadline:
                async for piece in pieces:
                    reply.read(piece)
                    if reply.done:
                        deadline.reschedule(asyncio.get_running_loop().time() + END_WAIT)

    async def close(self) -> None:
        """Close the pool and the streams that are still open on it."""
        await self._sdk.close()

    async def _not_a_stream(self, content_type: str, pieces: AsyncIterator[bytes]) -> BackendError:
        head = b""
        async for piece in pieces:
            head += piece
            if len(head) > MAX_EXCERPT_LENGTH:
                break
        said = excerpt(head, self.secrets)
        return BackendError("upstream", f'Expected an event stream, the endpoint sent "{content_type}": {said}')

    def _failure(self, error: Exception) -> BackendError:
        if isinstance(error, APIStatusError):
            response = error.response
            return from_status(response.status_code, response.headers, response.content, self.secrets)
        cause = error.__cause__ if isinstance(error, APIConnectionError) and error.__cause__ else error
        said = excerpt(f"{type(cause).__name__}: {cause}".encode(), self.secrets)
        return BackendError("upstream", f"The connection to the endpoint failed. {said}", retry=True)
