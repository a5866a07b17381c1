"""What is shown of a long message: its first words, and of a question its first lines."""

from collections.abc import Iterable
from html import unescape

from django.utils.html import strip_tags
from django.utils.text import Truncator

from .markdown import is_blank

BEGINNING = 60
"""Characters of a message that name its buttons."""

LONGEST_MARKUP = 2_000
"""Characters of HTML in which they are looked for."""

MAX_LINES, MAX_LENGTH = 14, 1_000
"""The most lines and characters of a question that are shown at once: two more lines than are left if it is folded."""


def first_words(blocks: Iterable[str]) -> str:
    """Return the first words of a message as plain text; empty if it has none."""
    text = next((block for block in blocks if not is_blank(block)), "")
    words = " ".join(unescape(strip_tags(text[:LONGEST_MARKUP])).split())
    return Truncator(words).chars(BEGINNING)


def is_long(text: str) -> bool:
    """Tell whether a question is longer than what is shown at once (``isLong`` in messages.js does the same)."""
    return len(text) > MAX_LENGTH or text.count("\n") >= MAX_LINES
