"""The HTTP client: the OpenAI SDK for addresses, credentials, headers and connections, but not for each request.

Importing this module imports the SDK, which takes most of a second: ``backend.py`` does it late and in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import httpx2
import msgspec
from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError

from ..base import BackendError
from .completions import Reply
from .failures import excerpt, from_status

NO_KEY = "none"
"""Sent as the key if a site gave only an address: the SDK requires a key, and local servers ignore it."""

USAGE_WAIT = 1.0
"""How long to wait for more after a finish reason, in seconds: the usage, and text from some endpoints."""

END_WAIT = 0.05
"""How long to wait for the end of the response after ``[DONE]``, in seconds.

A connection can be reused only if its response was read to the end.
"""

MAX_HEADER_SIZE = 64 * 1024
"""The longest header of a response, in bytes; some endpoints send long lists."""

MIN_SECRET_LENGTH = 8
"""Shorter words of the headers, such as "Bearer", are not secrets, and redacting them would garble the log."""

BROKEN = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What a connection raises, before or after its first byte."""


class Pieces:
    """The body of a response as it arrives, one piece per read; nothing is read while a caller ``rests``.

    If there is nothing to decompress, the pieces are read from the response of the SDK's own client, four layers below.
    Then the socket is not read during a rest, and one read gets what several would have got.
    """

    def __init__(self, response: httpx2.Response) -> None:
        own = getattr(getattr(response.stream, "_stream", None), "_aiohttp_response", None)
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        self._response: aiohttp.ClientResponse | None = None if encoded else own
        self._pieces = response.aiter_bytes()

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        if self._response is None:
            return await anext(self._pieces)
        if piece := await self._response.content.readany():
            return piece
        raise StopAsyncIteration

    async def rest(self, pace: Callable[[], Awaitable[None]]) -> None:
        """Read nothing until ``pace`` returns."""
        transport = self._transport
        if transport is None:
            await pace()
            return
        transport.pause_reading()
        try:
            await pace()
        finally:
            if not transport.is_closing():
                transport.resume_reading()

    @property
    def _transport(self) -> asyncio.ReadTransport | None:
        """Return the connection that is read; ``None`` if the body has been received whole."""
        connection = self._response and self._response.connection
        transport = connection.transport if connection else None
        return None if transport is None or transport.is_closing() else cast(asyncio.ReadTransport, transport)


class HttpClient(DefaultAioHttpClient):
    """The SDK's own HTTP client, which also accepts long headers, through proxies too."""

    def _init_transport(self, *given: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_room(super()._init_transport(*given, **options))

    def _init_proxy_transport(self, *given: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_room(super()._init_proxy_transport(*given, **options))


def _with_room(transport: Any) -> httpx2.AsyncBaseTransport:
    """Make the transport's sessions accept longer headers than aiohttp does by default."""
    make = getattr(transport, "get_client", None)
    if make is None:  # this method is not part of the SDK's public interface
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
    """Reads what follows the finish reason of a reply, as long as something of use arrives.

    The reply is complete by then, so a broken connection does no harm.
    """

    def __init__(self, pieces: AsyncIterator[bytes], reply: Reply) -> None:
        self._pieces = pieces
        self._reply = reply
        self._heard = -1
        self._ending = False
        self._deadline = 0.0

    async def read(self) -> bytes | None:
        """Return the bytes of the next network read; ``None`` at the end, or if nothing more is expected."""
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
        """Set the deadline. Comments and events without content do not extend it."""
        if self._reply.done and not self._ending:
            self._ending = True
            self._deadline = now + END_WAIT
        elif not self._reply.done and self._reply.heard != self._heard:
            self._heard = self._reply.heard
            self._deadline = now + USAGE_WAIT


class Client:
    """The connections to one endpoint, for the event loop of the first call. Raises ``BackendError`` without a key."""

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None,
        headers: Mapping[str, str],
        connect_timeout: float,
        trust_env: bool,
    ) -> None:
        # Never send the key from the environment to an address that is not from the environment.
        key = NO_KEY if api_key is None and base_url is not None else api_key
        try:
            self._http = http = HttpClient(follow_redirects=False, trust_env=trust_env)
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
        # Take the query out of the address, because the SDK would append the path to it.
        address = self._sdk.base_url
        http.params = address.params
        self._sdk.base_url = address.copy_with(query=None, fragment=None)
        # Made once: the SDK prepares each of its requests anew, which takes longer than sending it.
        defaults = {**self._sdk.auth_headers, **self._sdk.default_headers}
        given = {name: value for name, value in defaults.items() if isinstance(value, str)}
        self._prepared = http.build_request(
            "POST", f"{self._sdk.base_url}chat/completions", headers=given, timeout=self._sdk.timeout
        )
        del self._prepared.headers["content-length"]
        words = " ".join([self._sdk.api_key, *headers.values(), *address.params.values()]).split()
        self.secrets = tuple(word for word in words if len(word) >= MIN_SECRET_LENGTH)

    @asynccontextmanager
    async def ask(self, body: Mapping[str, Any]) -> AsyncIterator[Pieces]:
        """Send one request, and give the network reads of its response.

        Raises:
            BackendError: the request failed, or the connection broke inside the ``async with`` block.
        """
        response: httpx2.Response | None = None
        try:
            response = await self._http.send(self._request(body), stream=True)
            if not response.is_success:
                raise await self._refusal(response) from None
            yield Pieces(response)
        except BROKEN as error:
            # Without the cause: its text is what the endpoint said, which may include the key.
            raise self._failure(error, begun=response is not None) from None
        finally:
            if response is not None:
                await response.aclose()

    def _request(self, body: Mapping[str, Any]) -> httpx2.Request:
        made = self._prepared
        content = msgspec.json.encode({"stream": True, **body})
        return httpx2.Request(
            made.method, made.url, headers=made.headers, content=content, extensions=dict(made.extensions)
        )

    async def _refusal(self, response: httpx2.Response) -> BackendError:
        """Map a response that is no answer to a ``BackendError``."""
        try:
            content = await response.aread()
        except BROKEN:  # the body was cut off
            content = b""
        return from_status(response.status_code, response.headers, content, self.secrets)

    def rest(self, pieces: AsyncIterator[bytes], reply: Reply) -> Rest:
        """Return a reader for what follows the finish reason of a reply."""
        return Rest(pieces, reply)

    async def close(self) -> None:
        """Close the pool and the streams that are still open on it."""
        await self._sdk.close()

    def _failure(self, error: Exception, *, begun: bool) -> BackendError:
        """Map an exception to a ``BackendError``.

        Allow another try only if no response has begun: after that, the call may have been paid for.
        """
        causes = [error]
        while (cause := causes[-1].__cause__) is not None and isinstance(cause, Exception):
            causes.append(cause)
        said = "; ".join(excerpt(f"{type(cause).__name__}: {cause}".encode(), self.secrets) for cause in causes)
        retry = isinstance(error, httpx2.TransportError) and not begun and not any(map(_has_begun, causes))
        return BackendError("upstream", f"The connection to the endpoint failed. {said}", retry=retry)


def _has_begun(error: Exception) -> bool:
    """Tell whether a response had begun when this was raised: its headers are unreadable or incomplete."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return not isinstance(error.message, str)
    return isinstance(error, aiohttp.ClientResponseError)
