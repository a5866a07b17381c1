"""Search over an owner's own conversations: by words on PostgreSQL, elsewhere by what a text contains."""

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import connections
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Left

from ..models import Conversation, Message
from ..owners import Owner

LIMIT = 50
"""How many conversations are shown of those that were found."""

MAX_QUERY_LENGTH = 200
MAX_WORDS = 10

SEARCHED = 200_000
"""How much of a message PostgreSQL takes apart: above 1 MB of words it refuses."""

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A conversation that was found, and the text of its first message that has one of the words, if any has."""

    conversation: Conversation
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: the newest conversations, and how many there are in all."""

    words: list[str]
    hits: list[Hit]
    count: int


def search(owner: Owner, query: str) -> Found:
    """The owner's conversations that have all words of a query, in their titles or in any of their messages."""
    words = query.replace("\0", " ")[:MAX_QUERY_LENGTH].split()[:MAX_WORDS]
    if not words:
        return Found([], [], 0)
    mine = Conversation.objects.of(owner)
    texts = Message.objects.filter(conversation__in=mine)
    found = mine
    for word in words:
        titled = Q(pk__in=_having(mine, "title", word).values("pk"))
        found = found.filter(titled | Q(pk__in=_having(texts, "text", word).values("conversation")))
    any_word = reduce(or_, (Q(pk__in=_having(texts, "text", word).values("pk")) for word in words))
    first = Message.objects.filter(any_word, conversation=OuterRef("pk")).order_by("pk").values("text")[:1]
    newest = found.annotate(hit=Subquery(first)).order_by("-updated_at", "-pk")[:LIMIT]
    hits = [Hit(conversation, getattr(conversation, "hit", None) or "") for conversation in newest]
    return Found(words, hits, found.count())


def _having(rows: QuerySet[Any], field: str, word: str) -> QuerySet[Any]:
    """Those of the rows whose text has a word.

    On PostgreSQL at the beginning of one of its words. To take a text apart takes long, 25 ms for 200 kB: only those
    that contain the word are. What is no single word, or whose script has no spaces, is looked for as it is.
    """
    containing: QuerySet[Any] = rows.filter(**{f"{field}__icontains": word})
    if connections[rows.db].vendor != "postgresql" or not _WORD.fullmatch(word) or _UNSPACED.search(word):
        return containing
    from django.contrib.postgres.search import SearchQuery, SearchVector  # needs psycopg

    words = SearchVector(Left(field, SEARCHED), config="simple")
    begins = SearchQuery(f"{word}:*", config="simple", search_type="raw")
    with_words: QuerySet[Any] = containing.alias(words=words).filter(words=begins)
    return with_words
