"""What is shown of a long message: its first words, and of a question its first lines."""

from collections.abc import Iterable
from html import unescape
from math import ceil

from django.utils.html import strip_tags
from django.utils.text import Truncator

from .markdown import is_blank

BEGINNING = 60
"""Characters of a message that name its buttons."""

LONGEST_MARKUP = 2_000
"""Characters of HTML in which they are looked for."""

LINE, FOLDED = 70, 14
"""Characters in a line of a question, about, and the most lines that are shown at once."""


def first_words(blocks: Iterable[str]) -> str:
    """Return the first words of a message as plain text; empty if it has none."""
    text = next((block for block in blocks if not is_blank(block)), "")
    words = " ".join(unescape(strip_tags(text[:LONGEST_MARKUP])).split())
    return Truncator(words).chars(BEGINNING)


def is_long(text: str) -> bool:
    """Tell whether a question takes more lines than are shown at once (``isLong`` in pending.js does the same)."""
    return sum(max(1, ceil(len(line) / LINE)) for line in text.split("\n")) > FOLDED
