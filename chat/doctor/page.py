"""Looks at a page with a chat: redirects, status, cookies, security policy, caches, scripts and styles."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from .browser import Browser, Response, UnreachableError
from .findings import Finding, note, ok, wrong

HOPS = 5
"""How many redirects are followed."""

NGINX = "docs/deployment.md, Behind nginx"
OTHERS = "docs/deployment.md, Behind Caddy or Apache"
BELOW = "docs/deployment.md, Below a path"
DATA = "docs/data.md, Caches"

STATUSES = {
    400: "name the site's host in ALLOWED_HOSTS, and let the proxy pass it on: proxy_set_header Host $http_host; "
    f"({NGINX}). Apache: ProxyPreserveHost On ({OTHERS})",
    401: "give the cookie of a visitor who may see the page: --cookie sessionid=...",
    403: "give the cookie of a visitor who may see the page: --cookie sessionid=...",
    404: f"check the address; where the site is below a path, also what the proxy makes of it ({BELOW})",
    500: "look into the site's log",
    502: "the proxy does not reach the site: start it, and check the address and port in the proxy's configuration",
    503: "the proxy or the site refuses visitors at the moment: look at /readyz and into the log",
    504: "the site does not answer the proxy in time: look into its log",
}
"""What to do about a status of the page."""


class Chat(NamedTuple):
    """A page with a chat, and how its script would open the socket."""

    page: Response
    socket: str
    """The URL of the websocket."""

    @property
    def origin(self) -> str:
        """Return the page's origin, as a browser sends it."""
        return origin_of(self.page.url)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Elements(HTMLParser):
    """The elements of a page that the doctor needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.chat: dict[str, str] | None = None
        self.path = ""
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = {name: value or "" for name, value in attrs}
        if tag == "llm-chat" and self.chat is None:
            self.chat = given
        elif tag == "llm-chat-connection" and not self.path:
            self.path = given.get("path", "")
        elif tag == "script" and "src" in given:
            self.scripts.append(given["src"])
        elif tag == "link" and given.get("rel") == "stylesheet":
            self.styles.append(given.get("href", ""))


class Visit:
    """A visit to a page; afterwards ``chat`` is what was found there."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.chat: Chat | None = None
        self._browser = browser
        self._url = url

    def look(self) -> Iterator[Finding]:
        """Fetch the page and look at it. Raises ``UnreachableError``."""
        page = self._browser.get(self._url)
        for _ in range(HOPS):
            if page.status not in (301, 302, 303, 307, 308):
                break
            target = urljoin(page.url, page.header("Location"))
            yield _redirect(page, target)
            page = self._browser.get(target)
        if page.status != 200:
            change = STATUSES.get(page.status, "follow the redirects by hand" if page.status < 400 else STATUSES[500])
            yield wrong(f"The page {page.url} answers with {page.status}.", "200 with a chat on it.", change)
            return
        yield ok(f"The page {page.url} answers with 200.")
        elements = Elements(page.text)
        if elements.chat is None:
            yield wrong("The page has no chat.", "the element <llm-chat>.", _no_chat(self._url, page.url))
            return
        self.chat = Chat(page, _socket_url(page.url, elements))
        yield from _cookies(self._browser, page)
        yield from _policy(page)
        yield from _caches(page)
        yield from self._files(page, elements)

    def _files(self, page: Response, elements: Elements) -> Iterator[Finding]:
        wanted = [(urljoin(page.url, source), "javascript") for source in elements.scripts]
        wanted += [(urljoin(page.url, source), "css") for source in elements.styles]
        ours = [(url, kind) for url, kind in wanted if "llm_chat/" in url]
        found = [finding for url, kind in ours if (finding := self._file(url, kind))]
        yield from found or [ok(f"All {len(ours)} scripts and styles of the chat are there.")]

    def _file(self, url: str, kind: str) -> Finding | None:
        try:
            file = self._browser.get(url)
        except UnreachableError as error:
            seen = f"The file {url} could not be fetched: {error}."
        else:
            if file.status == 200 and kind in file.headers.get_content_type():
                return None
            seen = f"The file {url} answers with {file.status} and the type {file.headers.get_content_type()}."
        change = (
            "run manage.py collectstatic, and let the web server or a middleware such as WhiteNoise serve STATIC_ROOT"
        )
        return wrong(seen, f"200 and a type with {kind}.", change)


def _redirect(page: Response, target: str) -> Finding:
    seen = f"{page.url} redirects to {target} ({page.status})."
    if origin_of(page.url) == origin_of(target):
        return ok(seen)
    return note(seen, "link to the last address; the socket goes to the host of the page where the redirects end")


def _no_chat(asked: str, found: str) -> str:
    if asked != found:
        return f"if the redirects lead to a login: {STATUSES[403]}"
    return "give the address of a page with {% chat %} on it"


def _socket_url(page: str, elements: Elements) -> str:
    attributes = elements.chat or {}
    path = urljoin(page, elements.path or "/ws/chat/")
    query = urlencode({"v": attributes.get("version", ""), "owner": attributes.get("owner", "")})
    return f"ws{path.removeprefix('http')}?{query}"


def _cookies(browser: Browser, page: Response) -> Iterator[Finding]:
    if urlsplit(page.url).scheme == "http" and browser.unsent:
        yield wrong(
            f"The page, by http, sets cookies that browsers send by https only: {', '.join(browser.unsent)}.",
            "https, or cookies without Secure.",
            "open the site by https; while it has none, set SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE to False",
        )
    elif not browser.cookies_for(page.url):
        yield wrong(
            "The page sets no cookie, so the socket cannot know its visitor.",
            "a session cookie.",
            "let the proxy pass on Set-Cookie and Cookie; do not let it, or a cache, keep the page",
        )


def _policy(page: Response) -> Iterator[Finding]:
    policy = page.header("Content-Security-Policy")
    if not policy:
        return
    directives: dict[str, list[str]] = {}
    for directive in re.split("[;,]", policy):
        name, *sources = directive.split() or [""]
        directives.setdefault(name.lower(), sources)
    host = urlsplit(page.url).netloc
    for name in ("script-src", "style-src", "connect-src"):
        sources = directives.get(name, directives.get("default-src", ["*"]))
        own = {"'self'", "*", host, f"{urlsplit(page.url).scheme}:", origin_of(page.url)}
        if not own & set(sources) or "'strict-dynamic'" in sources:
            yield wrong(
                f"The Content-Security-Policy allows {name} {' '.join(sources)}.",
                f"{name} 'self'.",
                "add 'self' to the policy; README.md, Deployment, has one that the chat's pages need",
            )
            return
    yield ok("The Content-Security-Policy allows the chat's scripts, styles and socket.")


def _caches(page: Response) -> Iterator[Finding]:
    said = page.header("Cache-Control").lower()
    if re.search(r"private|no-store|no-cache", said):
        return
    if "public" in said or re.search(r"(?:s-maxage|max-age)=[1-9]", said):
        yield wrong(
            f"The page may be kept by caches: Cache-Control: {said}.",
            "private, because it has one visitor's conversation.",
            f"add never_cache to the view ({DATA})",
        )
    else:
        yield note("The page has no Cache-Control: some caches keep it.", f"add never_cache to the view ({DATA})")
