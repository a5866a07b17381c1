"""Opens the chat's socket as a browser does; if it is refused, tries what else the cause may be."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.http11 import Response as Refusal
from websockets.sync.client import ClientConnection
from websockets.typing import Origin
from websockets.uri import WebSocketURI, parse_uri

from .browser import AGENT, TIMEOUT, Browser, UnreachableError
from .findings import Finding, note, ok, wrong
from .page import BELOW, NGINX, OTHERS, Chat

UPGRADE = (
    "let the proxy pass on the upgrade. nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    f"proxy_set_header Connection $connection_upgrade; ({NGINX}). Apache: ProxyPass with upgrade=websocket ({OTHERS})"
)
ASGI = "serve the site by ASGI: uvicorn mysite.asgi:application, with uvicorn[standard] (README.md, Deployment)"
ROUTE = "wrap the application in mysite/asgi.py: application = with_chat(application) (README.md, Add it to your site)"
DIRECTLY = "Run this command against the server itself, without the proxy, to find out which of them it is"
WSGI = ("wsgi", "gunicorn", "waitress", "werkzeug", "uwsgi", "mod_wsgi")
"""Parts of the names under which WSGI servers answer."""

_quiet = logging.Logger("llm_chat.doctor", logging.CRITICAL + 1)


class Refused(NamedTuple):
    """A handshake that failed. ``status`` is 0 if there was no response by HTTP."""

    status: int
    server: str = ""
    location: str = ""
    body: str = ""
    reason: str = ""


def opened(browser: Browser, url: str, origin: str) -> ClientConnection | Refused:
    """Open a socket, or say how it was refused. Like a browser, follow no redirect."""
    uri = parse_uri(url)
    extensions = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    protocol = ClientProtocol(uri, origin=Origin(origin), extensions=extensions, logger=_quiet)
    cookies = browser.cookies_for(f"http{url.removeprefix('ws')}")
    try:
        raw = _connected(uri, browser)
    except OSError as error:
        return Refused(0, reason=str(error) or type(error).__name__)
    connection = ClientConnection(raw, protocol, close_timeout=2)
    connection.pending_legacy_warning = False  # that of connect(), which follows redirects
    try:
        connection.handshake({"Cookie": cookies} if cookies else {}, AGENT, TIMEOUT)
    except Exception as error:  # many kinds, and others in other versions
        connection.close_socket()
        connection.recv_events_thread.join()
        return _refused_by(error, browser, url)
    return connection


def _connected(uri: WebSocketURI, browser: Browser) -> socket.socket:
    raw = socket.create_connection((uri.host, uri.port), timeout=TIMEOUT)
    if uri.secure:
        try:
            raw = browser.tls.wrap_socket(raw, server_hostname=uri.host)
        except OSError:
            raw.close()
            raise
    raw.settimeout(None)
    return raw


def _refused_by(error: Exception, browser: Browser, url: str) -> Refused:
    """Say how a handshake was refused, given what it has raised."""
    if isinstance(error, InvalidStatus):
        return _refused(error.response)
    if isinstance(error, InvalidMessage) and "HTTP/1.0" in f"{error} {error.__cause__}":  # as simple servers answer
        with suppress(UnreachableError):
            page = browser.get(f"http{url.removeprefix('ws')}")
            return Refused(page.status, page.header("Server"), page.header("Location"), page.text)
    if isinstance(error, InvalidMessage):
        return Refused(0, reason=f"what came back is no HTTP response ({error.__cause__ or error})")
    if isinstance(error, InvalidHandshake):
        return Refused(0, reason=f"the response to the upgrade is not valid ({error})")
    return Refused(0, reason=str(error) or type(error).__name__)


def _refused(response: Refusal) -> Refused:
    headers = response.headers
    body = bytes(response.body or b"").decode(errors="replace")
    return Refused(response.status_code, headers.get("Server", ""), headers.get("Location", ""), body)


class Handshake:
    """The handshake of a page's socket; afterwards ``socket`` is open, unless it was refused."""

    def __init__(self, browser: Browser, chat: Chat, stack: ExitStack) -> None:
        self.socket: ClientConnection | None = None
        self._browser = browser
        self._chat = chat
        self._stack = stack

    def look(self) -> Iterator[Finding]:
        """Open the socket, and say what the handshake shows."""
        found = opened(self._browser, self._chat.socket, self._chat.origin)
        if isinstance(found, Refused):
            yield self._explain(found)
            return
        self.socket = self._stack.enter_context(found)
        yield ok(f"The socket {_bare(self._chat.socket)} opens.")
        extensions = found.response.headers.get("Sec-WebSocket-Extensions", "") if found.response else ""
        if "permessage-deflate" in extensions:
            change = "start uvicorn with --ws-per-message-deflate false: compressing small frames costs time"
            yield note("The socket compresses its frames.", change)

    def _explain(self, refused: Refused) -> Finding:
        if refused.status and (path := self._other_path()):
            return self._finding(refused, f"It opens at {path}. The path before it is lost or kept on the way: {BELOW}")
        if refused.status == HTTPStatus.FORBIDDEN:
            return self._finding(refused, self._forbidden())
        if refused.status in (301, 302, 303, 307, 308):
            change = "open the page where the site redirects to, usually https; browsers follow no redirects of sockets"
            return self._finding(refused, f"{change}. It redirects to {refused.location}")
        return self._finding(refused, self._change(refused))

    def _finding(self, refused: Refused, change: str) -> Finding:
        said = f"with {refused.status}{_kind(refused.body)}" if refused.status else f": {refused.reason}"
        seen = f"The socket {_bare(self._chat.socket)} was refused {said}.".replace(" :", ":")
        return wrong(seen, "101 Switching Protocols.", change)

    def _change(self, refused: Refused) -> str:
        status = refused.status
        if any(name in refused.server.lower() for name in WSGI):
            return f"the server is {refused.server}, which serves WSGI: {ASGI}"
        if status == HTTPStatus.BAD_REQUEST:
            return f"either the site's host is not in ALLOWED_HOSTS, or headers of the upgrade were lost: {UPGRADE}"
        if status == HTTPStatus.UPGRADE_REQUIRED:
            return f"headers of the upgrade were lost: {UPGRADE}"
        if status in (502, 503, 504):
            return "the proxy does not reach the site for this path: check its location for the socket's path"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"the site serves ASGI, but does not know the socket's route: {ROUTE}. The site's log has the error"
        if status and self._answers_as_a_page(status):
            return (
                "the site has answered as to a request for a page. Either headers of the upgrade were lost on the way: "
                f"{UPGRADE}. Or the site runs under WSGI: {ASGI}. If neither: {ROUTE}. {DIRECTLY}"
            )
        return f"something closes the connection during the handshake: {UPGRADE}. {DIRECTLY}"

    def _answers_as_a_page(self, status: int) -> bool:
        """Tell whether the socket's path answers a request for a page with the same status."""
        try:
            return self._browser.get(f"http{self._chat.socket.removeprefix('ws')}").status == status
        except UnreachableError:
            return False

    def _forbidden(self) -> str:
        parts = urlsplit(self._chat.origin)
        other = "http" if parts.scheme == "https" else "https"
        if self._opens(self._chat.socket, f"{other}://{parts.netloc}"):
            return (
                f"it opens for the origin {other}://{parts.netloc}, so the site takes the visitor's {parts.scheme} for "
                f"{other}: let the proxy send X-Forwarded-Proto, and set SECURE_PROXY_SSL_HEADER ({NGINX})"
            )
        if parts.port and self._opens(self._chat.socket, f"{parts.scheme}://{parts.hostname}"):
            return f"the port is lost on the way: proxy_set_header Host $http_host; in place of $host ({NGINX})"
        return (
            f"the origin of the page, {self._chat.origin}, is not the host that the site sees. Let the proxy pass it "
            f"on: proxy_set_header Host $http_host; ({NGINX}); Apache: ProxyPreserveHost On. Or name the origin in "
            "CSRF_TRUSTED_ORIGINS. If it is none of these, the path is not routed. One line in the site's log "
            "(llm_chat.origin) has the reason"
        )

    def _other_path(self) -> str:
        """Return a path with another prefix at which the socket opens; ``""`` if there is none."""
        parts = urlsplit(self._chat.socket)
        first = urlsplit(self._chat.page.url).path.split("/")[1]
        segments = parts.path.split("/")
        paths = [f"/{'/'.join(segments[count:])}" for count in range(2, len(segments) - 2)]
        paths += [f"/{first}{parts.path}"] if first and segments[1] != first else []
        for path in paths:
            if self._opens(parts._replace(path=path).geturl(), self._chat.origin):
                return path
        return ""

    def _opens(self, url: str, origin: str) -> bool:
        found = opened(self._browser, url, origin)
        if isinstance(found, Refused):
            return False
        with found:
            return True


def _bare(url: str) -> str:
    return url.partition("?")[0]


def _kind(body: str) -> str:
    return " and a page of HTML" if "<html" in body.lower() or "<!doctype" in body.lower() else ""
