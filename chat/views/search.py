"""Searches the visitor's own conversations."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import combining

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from ..db.search import Hit
from ..db.search import search as found_by
from ..html.messages import ConversationView, conversation_view
from ..text import folded
from ..visitors import visitor
from .base import field_of, framed

BEFORE, AFTER = 60, 140
"""Characters that a snippet has before the beginning of its first hit, and after it."""

STEP = 16
"""Precision, in characters, with which a hit is located in a text."""


@dataclass(frozen=True, slots=True)
class Result:
    """A conversation that was found: its entry, title and snippet with the words marked, and a link to the hit."""

    item: ConversationView
    title: SafeString
    snippet: SafeString
    url: str


def search(request: HttpRequest) -> HttpResponse:
    """Show the conversations that contain all words of the query ``q``."""
    query = field_of(request.GET, "q").strip()
    found = found_by(visitor(request), query)
    context = {
        "heading": gettext("Search"),
        "query": query,
        "count": found.count,
        "results": [_result(hit, found.words) for hit in found.hits],
    }
    return framed(request, "search", context)


def _result(hit: Hit, words: list[str]) -> Result:
    view = conversation_view(hit.conversation)
    # Without a script, the fragment leads to the message if it is on the page; a script finds it in any case.
    place = f"?{urlencode({'hit': hit.message})}#llm-chat-hit" if hit.message else ""
    rest = _beyond(view.title, hit.text)
    return Result(
        view,
        _marked(view.title or gettext("New chat"), any_of(words)),
        snippet(rest, words) if any_of(words).search(folded(rest)) else SafeString(),
        view.url + place,
    )


def _beyond(title: str, text: str) -> str:
    """Return the text without the title, if it begins with it, because the title is shown above the snippet."""
    return text.strip().removeprefix(title.removesuffix("…")) if title else text


def any_of(words: list[str]) -> re.Pattern[str]:
    """Make the pattern that finds any of the words in a folded text."""
    return re.compile("|".join(re.escape(folded(word)) for word in words))


def snippet(text: str, words: list[str]) -> SafeString:
    """Return the text around the first of the words, escaped, with each of the words marked."""
    any_word = any_of(words)
    first = any_word.search(folded(text))
    at = _unfolded(text, first.start()) if first else 0
    begin, end = max(0, at - BEFORE), at + AFTER
    shown = " ".join(text[begin:end].split())
    shown = ("…" if begin else "") + shown + ("…" if end < len(text) else "")
    return _marked(shown, any_word)


def _unfolded(text: str, place: int) -> int:
    """Convert a place in the folded text to one in the text, to ``STEP`` characters: folding ``ß`` adds a letter."""
    if text.isascii():
        return place
    for start in range(0, len(text), STEP):
        place -= len(folded(text[start : start + STEP]))
        if place < 0:
            return start
    return len(text)


def _marked(text: str, pattern: re.Pattern[str]) -> SafeString:
    """Mark what a pattern finds in the folded text, in whole letters with their accents."""
    letters = list(_letters(text))
    places = [letter for letter in letters for _ in folded(text[letter])]
    pieces: list[tuple[str, str]] = []
    done = 0
    for hit in pattern.finditer("".join(folded(text[letter]) for letter in letters)):
        start, end = max(places[hit.start()].start, done), places[hit.end() - 1].stop
        if start < end:
            pieces.append((text[done:start], text[start:end]))
            done = end
    return format_html_join("", "{}<mark>{}</mark>", pieces) + format_html_join("", "{}", [(text[done:],)])


def _letters(text: str) -> Iterator[slice]:
    """Find the letters of a text, each with the accents that combine with it."""
    starts = [place for place, letter in enumerate(text) if not (place and combining(letter))]
    return map(slice, starts, [*starts[1:], len(text)])
