"""Search over the visitor's own conversations."""

import re
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from ..owners import visitor
from ..presentation import ConversationView, conversation_view
from ..store.search import Hit
from ..store.search import search as found_by
from .frame import framed

BEFORE, BEHIND = 60, 140
"""How many characters a snippet has before its first hit, and from there on."""


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the results."""

    item: ConversationView
    snippet: SafeString


def search(request: HttpRequest) -> HttpResponse:
    """The conversations that have all words of the query ``q``."""
    query = request.GET.get("q", "").strip()
    found = found_by(visitor(request), query)
    context = {
        "heading": gettext("Search"),
        "query": query,
        "count": found.count,
        "results": [_result(hit, found.words) for hit in found.hits],
    }
    return framed(request, "search", context)


def _result(hit: Hit, words: list[str]) -> Result:
    return Result(conversation_view(hit.conversation), snippet(hit.text, words))


def snippet(text: str, words: list[str]) -> SafeString:
    """What stands around the first of the words in a text, escaped, the words marked."""
    any_word = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)
    first = any_word.search(text)
    at = first.start() if first else 0
    begin, end = max(0, at - BEFORE), at + BEHIND
    shown = " ".join(text[begin:end].split())
    shown = ("…" if begin else "") + shown + ("…" if end < len(text) else "")
    return _marked(shown, any_word)


def _marked(text: str, pattern: re.Pattern[str]) -> SafeString:
    pieces: list[tuple[str, str]] = []
    end = 0
    for hit in pattern.finditer(text):
        pieces.append((text[end : hit.start()], hit.group()))
        end = hit.end()
    return format_html_join("", "{}<mark>{}</mark>", pieces) + format_html_join("", "{}", [(text[end:],)])
