"""The OpenAI SDK, used for what it knows (addresses, credentials, errors), kept away from the history and the deltas.

Importing this module imports the SDK, which takes most of a second: ``openai.py`` does it late and in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import httpx2
from httpx2 import AsyncByteStream
from openai import APIConnectionError, APIStatusError, AsyncAPIResponse, AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from ..base import BackendError
from .completions import Reply
from .failures import excerpt, from_status

NO_KEY = "none"
"""Sent where a site gave an address without a key: the SDK insists on one, and local servers ignore it."""

USAGE_WAIT = 1.0
"""How long to wait for more after a finish reason, in seconds: the usage, and with some endpoints text as well."""

END_WAIT = 0.05
"""How long the end of the response may lag behind ``[DONE]``: read to its end, a connection can be used again."""

MAX_HEADER_SIZE = 64 * 1024
"""The longest header of a response, in bytes; some endpoints put long lists into theirs."""

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


class HttpClient(DefaultAioHttpClient):
    """The SDK's own, with room for long headers; for its proxies, too."""

    def _init_transport(self, *given: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_room(super()._init_transport(*given, **options))

    def _init_proxy_transport(self, *given: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_room(super()._init_proxy_transport(*given, **options))


def _with_room(transport: Any) -> httpx2.AsyncBaseTransport:
    """Let the transport make its session so that it takes longer headers than aiohttp does by default."""
    make = getattr(transport, "get_client", None)
    if make is None:  # it is no part of what the SDK promises
        return cast(httpx2.AsyncBaseTransport, transport)

    def session() -> aiohttp.ClientSession:
        transport.client = None
        usual = make()
        connector = usual.connector
        usual.detach()
        return aiohttp.ClientSession(connector=connector, max_line_size=MAX_HEADER_SIZE, max_field_size=MAX_HEADER_SIZE)

    transport.client = session
    return cast(httpx2.AsyncBaseTransport, transport)


class Rest:
    """Reads what follows the finish reason of a reply, as long as it says something.

    The reply is whole by then: a connection that breaks does no harm.
    """

    def __init__(self, pieces: AsyncIterator[bytes], reply: Reply) -> None:
        self._pieces = pieces
        self._reply = reply
        self._heard = -1
        self._ending = False
        self._deadline = 0.0

    async def read(self) -> bytes | None:
        """The next network read; ``None`` at the end, or where nothing more is to be expected."""
        if self._reply.failure is not None or self._reply.reason is None:
            return None
        self._wait_for(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout_at(self._deadline):
                return await anext(self._pieces, None)
        except (TimeoutError, *BROKEN):
            self._reply.done = True
            return None

    def _wait_for(self, now: float) -> None:
        """Set the deadline: comments and events that say nothing do not move it."""
        if self._reply.done and not self._ending:
            self._ending = True
            self._deadline = now + END_WAIT
        elif not self._reply.done and self._reply.heard != self._heard:
            self._heard = self._reply.heard
            self._deadline = now + USAGE_WAIT


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
            http = HttpClient(follow_redirects=False, trust_env=trust_env)
            self._sdk = AsyncOpenAI(
                api_key=key,
                base_url=base_url,
                max_retries=0,
                default_headers=headers,
                timeout=httpx2.Timeout(None, connect=connect_timeout),  # all other deadlines are those of the answer
                http_client=http,
            )
        except OpenAIError as error:
            failure = BackendError("auth", str(error))
            failure.hint = "neither the option api_key nor OPENAI_API_KEY is set"
            raise failure from error
        # The SDK would put the path behind the query.
        address = self._sdk.base_url
        http.params = address.params
        self._sdk.base_url = address.copy_with(query=None, fragment=None)
        words = " ".join([self._sdk.api_key, *headers.values(), *address.params.values()]).split()
        self.secrets = tuple(word for word in words if len(word) >= MIN_SECRET_LENGTH)

    @asynccontextmanager
    async def ask(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The network reads of the response to one request. Raises ``BackendError``, also for what breaks inside."""
        begun = False
        try:
            # The body goes through ``extra_body``: what goes through ``messages`` is walked and copied.
            async with self._sdk.chat.completions.with_streaming_response.create(
                model="", messages=[], stream=True, extra_body=body
            ) as response:
                begun = True
                yield network_reads(response)
        except BROKEN as error:
            # Without the cause: its text has what the endpoint said, key and all.
            raise self._failure(error, begun=begun) from None

    def rest(self, pieces: AsyncIterator[bytes], reply: Reply) -> Rest:
        """What follows the finish reason of a reply."""
        return Rest(pieces, reply)

    async def close(self) -> None:
        """Close the pool and the streams that are still open on it."""
        await self._sdk.close()

    def _failure(self, error: Exception, *, begun: bool) -> BackendError:
        """A call is repeated only where no response has begun: after that it may have been paid for."""
        if isinstance(error, APIStatusError):
            response = error.response
            return from_status(response.status_code, response.headers, response.content, self.secrets)
        if isinstance(status := error.__context__, httpx2.HTTPStatusError):  # its body broke off
            return from_status(status.response.status_code, status.response.headers, b"", self.secrets)
        causes = [error]
        while (cause := causes[-1].__cause__) is not None and isinstance(cause, Exception):
            causes.append(cause)
        said = "; ".join(excerpt(f"{type(cause).__name__}: {cause}".encode(), self.secrets) for cause in causes)
        retry = isinstance(error, APIConnectionError) and not begun and not any(map(_has_begun, causes))
        return BackendError("upstream", f"The connection to the endpoint failed. {said}", retry=retry)


def _has_begun(error: Exception) -> bool:
    """Whether a response had begun when this was raised: its headers cannot be read, or end in the middle."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return not isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientResponseError)
