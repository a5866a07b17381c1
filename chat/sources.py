"""The sources of an answer: how the results of tools hold them, and the numbers that they have in the answer.

A number is never stored. It follows from the order of the calls and of the sources in each result.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .chunks import Excerpt, SourceMetadata, SourceUrl

MAX_NUMBER = 200
"""How many sources one answer has. Later ones get no number, and are read by the model only."""

MARK, SOURCE = "llm_chat", "source"
"""The key and value by which a stored result tells a source from a dict of the site's own."""


class AnswerSource(msgspec.Struct, frozen=True):
    """A source of an answer. ``number`` counts from 1."""

    number: int
    title: str
    url: str
    excerpt: str = ""

    @property
    def host(self) -> str:
        """Return the host of its URL; empty for a page of this site."""
        return (urlsplit(self.url).hostname or "").removeprefix("www.")


class Sources:
    """Numbers the sources of one answer. A URL that comes again keeps its first number, title and excerpt."""

    def __init__(self) -> None:
        self.found: tuple[AnswerSource, ...] = ()
        self.numbers: dict[str, int] = {}
        """The number of each URL."""

    def add(self, output: Any) -> tuple[AnswerSource, ...]:
        """Take a stored result, the next one in the answer, and return the sources that are new in it."""
        known = len(self.found)
        for item in output if isinstance(output, list) else [output]:
            if is_stored(item) and item["url"] not in self.numbers and len(self.found) < MAX_NUMBER:
                self._add(AnswerSource(len(self.found) + 1, item["title"], item["url"], item.get("excerpt", "")))
        return self.found[known:]

    def _add(self, source: AnswerSource) -> None:
        self.found += (source,)
        self.numbers[source.url] = source.number


def stored(title: str, url: str, excerpt: str) -> dict[str, str]:
    """Make the stored form of a source in a result."""
    found = {MARK: SOURCE, "title": title, "url": url}
    return {**found, "excerpt": excerpt} if excerpt else found


def is_stored(item: Any) -> bool:
    """Tell whether an item of a stored result is a source."""
    return isinstance(item, dict) and item.get(MARK) == SOURCE


def without_marks(output: Any) -> Any:
    """Return a stored result as clients and templates see it."""
    return _replaced(output, lambda source: {name: value for name, value in source.items() if name != MARK})


def with_numbers(output: Any, numbers: Mapping[str, int]) -> Any:
    """Return a stored result as a model reads it: ``source`` is the number of a source, by its URL."""

    def numbered(source: dict[str, str]) -> dict[str, Any]:
        number = {"source": numbers[source["url"]]} if source["url"] in numbers else {}
        return {**number, **{name: value for name, value in source.items() if name != MARK}}

    return _replaced(output, numbered)


def _replaced(output: Any, change: Callable[[dict[str, str]], dict[str, Any]]) -> Any:
    if isinstance(output, list):
        return [change(item) if is_stored(item) else item for item in output]
    return change(output) if is_stored(output) else output


def source_chunk(source: AnswerSource) -> SourceUrl:
    """Make the chunk of a source."""
    excerpt = SourceMetadata(Excerpt(source.excerpt)) if source.excerpt else None
    return SourceUrl(str(source.number), source.url, source.title, excerpt)


def source_of(chunk: SourceUrl) -> AnswerSource:
    """Return the source that a chunk has brought."""
    excerpt = chunk.provider_metadata.llm_chat.excerpt if chunk.provider_metadata else ""
    return AnswerSource(int(chunk.source_id), chunk.title, chunk.url, excerpt)
