"""Searches an owner's conversations: on PostgreSQL by the beginnings of words, elsewhere by substrings."""

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, F, Func, Min, QuerySet, Value
from django.db.models.functions import Left

from ..managers import ConversationQuerySet
from ..models import Conversation, Message
from ..owners import Owner
from ..text import folded, storable
from .threads import add_function, vendor

LIMIT = 50
"""How many of the conversations that were found are shown."""

MAX_QUERY_LENGTH = 200
MAX_WORDS = 10

SEARCHED = 200_000
"""How much of a message PostgreSQL splits into words, in characters: it refuses more than 1 MB of words."""

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation that was found, and its first message with a word: its text and ``uid``.

    Both are empty if only the title has a word.
    """

    conversation: Conversation
    text: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search: its words, the newest conversations, and how many were found in all."""

    words: list[str]
    hits: list[Hit]
    count: int


def search(owner: Owner, query: str) -> Found:
    """Find the owner's conversations that have every word of a query in their title or in any of their messages.

    Each word is one query, and the results are combined here: with a single statement, SQLite took minutes for 6 MB of
    texts.
    """
    words = storable(query)[:MAX_QUERY_LENGTH].split()[:MAX_WORDS]
    if not words:
        return Found([], [], 0)
    mine = owner.conversations
    add_function(mine.db, _Contains.function, _contains)
    found = set(mine.values_list("pk", flat=True))
    first: dict[int, int] = {}
    for word in words:
        with_word = _first_messages(mine, word)
        found &= with_word.keys() | set(_having(mine, "title", word).values_list("pk", flat=True))
        first = with_word | {key: min(message, with_word.get(key, message)) for key, message in first.items()}
    order = mine.order_by("-updated_at", "-pk").values_list("pk", flat=True)
    newest = [key for key in order if key in found][:LIMIT]
    conversations = mine.in_bulk(newest)
    messages = Message.objects.only("text", "uid").in_bulk([first[key] for key in newest if key in first])
    hits = [_hit(conversations[key], messages.get(first.get(key, 0))) for key in newest if key in conversations]
    return Found(words, hits, len(found))


def _hit(conversation: Conversation, message: Message | None) -> Hit:
    return Hit(conversation, message.text, message.uid) if message else Hit(conversation)


class _Contains(Func):
    """Whether a text contains another, ignoring case. ``search`` adds this function to SQLite connections."""

    function = "llm_chat_contains"
    output_field = BooleanField()


def _contains(text: str, word: str) -> bool:
    return word in folded(text)


def _first_messages(conversations: ConversationQuerySet, word: str) -> dict[int, int]:
    """Return the key of the first message with a word, by the key of its conversation."""
    having = _having(Message.objects.filter(conversation__in=conversations), "text", word)
    return dict(having.values("conversation").annotate(first=Min("pk")).values_list("conversation", "first"))


def _having(rows: QuerySet[Any], field: str, word: str) -> QuerySet[Any]:
    """Filter rows by a word in one of their fields; on PostgreSQL it must be the beginning of a word there.

    Splitting a text into words is slow (25 ms for 200 kB), so PostgreSQL splits only those that contain the word
    somewhere. Anything but a single word, or a word in a script without spaces, is searched for as a substring.
    """
    kind = vendor(rows.db)
    if kind == "sqlite":
        return rows.filter(_Contains(F(field), Value(folded(word))))
    containing: QuerySet[Any] = rows.filter(**{f"{field}__icontains": word})
    if kind != "postgresql" or not _WORD.fullmatch(word) or _UNSPACED.search(word):
        return containing
    from django.contrib.postgres.search import SearchQuery, SearchVector  # needs psycopg

    words = SearchVector(Left(field, SEARCHED), config="simple")
    begins = SearchQuery(f"{word}:*", config="simple", search_type="raw")
    with_words: QuerySet[Any] = containing.alias(words=words).filter(words=begins)
    return with_words
