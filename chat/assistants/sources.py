"""A source, as a tool returns it: something to read that an answer can cite."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.functional import Promise

from ..sources import stored

MAX_TITLE = 300
"""Length limit of a title, in characters. Longer ones are cut."""

MAX_EXCERPT = 2_000
"""Length limit of an excerpt, in characters. Longer ones are cut."""

MAX_URL = 2_000
"""Length limit of a URL, in characters. A longer one is refused, because its beginning leads elsewhere."""

_NEVER = re.compile(r"[\s\x00-\x1f\x7f-\x9f\\]")
"""Browsers skip some of these in a URL, and take a backslash for a slash."""

_PAGE = re.compile(r"/(?!/)")
_WEB = re.compile(r"https?://[^/]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """Something to read that an answer can cite. A tool returns one, or a list with any number of them.

    Args:
        title: what it is called, in one line; may be a lazy translation. If it is empty, the URL takes its place.
        url: an ``http`` or ``https`` URL, or the path of a page of this site, such as ``/manual/1/``.
        excerpt: what it says; may be a lazy translation.

    Raises:
        TypeError: an argument is not a text.
        ValueError: the URL is of another kind, or has more than ``MAX_URL`` characters.
    """

    title: str | Promise
    url: str | Promise
    excerpt: str | Promise = ""

    def __post_init__(self) -> None:
        for name in ("title", "url", "excerpt"):
            value = getattr(self, name)
            if not isinstance(value, str | Promise):
                raise TypeError(f"Source expects its {name} as text, got {value!r}.")
        object.__setattr__(self, "url", str(self.url))
        _check(str(self.url))

    def stored(self) -> dict[str, str]:
        """Return its form in a stored result, with lazy texts in the active language."""
        url = str(self.url)
        title = _cut(" ".join(str(self.title).split()), MAX_TITLE)
        return stored(title or url, url, _cut(str(self.excerpt).strip(), MAX_EXCERPT))


def _check(url: str) -> None:
    """Raise ``ValueError`` unless a URL is a web address or a path of this site."""
    if len(url) > MAX_URL:
        raise ValueError(f"Source expects a URL of at most {MAX_URL} characters, got {len(url)}.")
    if _NEVER.search(url) or not (_PAGE.match(url) or _is_web_address(url)):
        raise ValueError(
            "Source expects a URL that begins with http:// or https://, or the path of a page of this site that begins "
            f"with one slash, without spaces, control characters and backslashes, got {url[:100]!r}."
        )


def _is_web_address(url: str) -> bool:
    try:
        return bool(_WEB.match(url) and urlsplit(url).hostname)
    except ValueError:  # brackets without an address in them
        return False


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
