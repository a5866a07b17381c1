"""Fetches pages and files as a browser does: with cookies, compressed, and with TLS, but one redirect at a time."""

import gzip
import ssl
import zlib
from email.message import Message
from http.client import HTTPException
from http.cookiejar import Cookie, CookieJar
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

TIMEOUT = 15.0
"""How long one request may take, in seconds."""

LONGEST = 4_194_304
"""How many bytes of a response are read."""

AGENT = "Mozilla/5.0 (compatible; llm-chat-doctor)"


class UnreachableError(Exception):
    """There was no response. The message says why."""


class CertificateError(UnreachableError):
    """The server's certificate is not trusted."""


class Response(NamedTuple):
    """The response to one request."""

    url: str
    status: int
    headers: Message
    text: str

    def header(self, name: str) -> str:
        """Return a header; ``""`` if there is none; several as one, joined by commas."""
        return ", ".join(self.headers.get_all(name, []))


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Leave redirects to the caller."""


class Browser:
    """A browser with cookies of its own.

    Args:
        url: the page for which the cookies are.
        cookies: cookies to begin with, as in a ``Cookie`` header.
        insecure: whether any certificate is accepted.
    """

    def __init__(self, url: str, cookies: str = "", *, insecure: bool = False) -> None:
        self.tls = ssl.create_default_context()
        if insecure:
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
        self._jar = CookieJar()
        for pair in filter(None, (part.strip() for part in cookies.split(";"))):
            name, _, value = pair.partition("=")
            self._jar.set_cookie(_cookie(url, name, value))
        handlers = (ProxyHandler({}), HTTPSHandler(context=self.tls), HTTPCookieProcessor(self._jar), _NoRedirects())
        self._opener = build_opener(*handlers)

    def get(self, url: str) -> Response:
        """Fetch a URL, without following a redirect. Raises ``UnreachableError``."""
        headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip, deflate", "User-Agent": AGENT}
        try:
            try:
                response = self._opener.open(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310 (checked)
            except HTTPError as error:
                response = error
            with response:
                return Response(url, response.status, response.headers, _text(response.read(LONGEST), response.headers))
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise CertificateError(reason.verify_message) from error
            raise UnreachableError(str(reason) or type(reason).__name__) from error

    def cookies_for(self, url: str) -> str:
        """Return the ``Cookie`` header for a URL, ``""`` if the browser would send none."""
        request = Request(url)  # noqa: S310 (not opened)
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie", "") or ""

    @property
    def unsent(self) -> list[str]:
        """Return the names of the cookies that are for HTTPS only."""
        return sorted(cookie.name for cookie in self._jar if cookie.secure)


def _cookie(url: str, name: str, value: str) -> Cookie:
    parts = urlsplit(url)
    host = parts.hostname or ""
    domain, secure = host if "." in host else f"{host}.local", parts.scheme == "https"  # as http.cookiejar has it
    return Cookie(
        *(0, name, value, None, False, domain, False, False, "/", True),
        *(secure, None, False, None, None, {}),
    )


def _text(body: bytes, headers: Message) -> str:
    encoding = headers.get("Content-Encoding", "").lower()
    try:
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
    except (OSError, EOFError, zlib.error):  # cut, or not what it says it is
        return ""
    return body.decode(headers.get_content_charset("utf-8"), errors="replace")
