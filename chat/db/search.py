"""Search over an owner's own conversations: by words on PostgreSQL, elsewhere by what a text contains."""

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
    """The owner's conversations that have all words of a query, in their titles or in any of their messages.

    One pass over the texts for each word, and sets in between: as one statement SQLite took minutes for 6 MB of texts.
    """
    words = storable(query)[:MAX_QUERY_LENGTH].split()[:MAX_WORDS]
    if not words:
        return Found([], [], 0)
    mine = Conversation.objects.of(owner)
    add_function(mine.db, _Contains.function, _contains)
    found = set(mine.values_list("pk", flat=True))
    first: dict[int, int] = {}
    for word in words:
        said = _first_messages(mine, word)
        found &= said.keys() | set(_having(mine, "title", word).values_list("pk", flat=True))
        first = said | {key: min(message, said.get(key, message)) for key, message in first.items()}
    order = mine.order_by("-updated_at", "-pk").values_list("pk", flat=True)
    newest = [key for key in order if key in found][:LIMIT]
    conversations = mine.in_bulk(newest)
    texts = dict(
        Message.objects.filter(pk__in=[first[key] for key in newest if key in first]).values_list("pk", "text")
    )
    hits = [Hit(conversations[key], texts.get(first.get(key, 0), "")) for key in newest if key in conversations]
    return Found(words, hits, len(found))


class _Contains(Func):
    """Whether a text contains another, apart from their case; a function that only our SQLite connections have."""

    function = "llm_chat_contains"
    output_field = BooleanField()


def _contains(text: str, word: str) -> bool:
    return word in folded(text)


def _first_messages(conversations: ConversationQuerySet, word: str) -> dict[int, int]:
    """The first message with a word in each of the conversations that have one."""
    having = _having(Message.objects.filter(conversation__in=conversations), "text", word)
    return dict(having.values("conversation").annotate(first=Min("pk")).values_list("conversation", "first"))


def _having(rows: QuerySet[Any], field: str, word: str) -> QuerySet[Any]:
    """Those of the rows whose text has a word.

    On PostgreSQL at the beginning of one of its words. To take a text apart takes long, 25 ms for 200 kB: only those
    that contain the word are. What is no single word, or whose script has no spaces, is looked for as it is.
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
