"""Adds words to the HTML of a growing text, where Markdown gives them no other meaning.

Most tokens of an answer are words in the middle of a line. They go behind the last word of the HTML, which takes a
hundredth of the time of rendering the whole text again. ``None`` stands for all other cases.
"""

import re

_WORDS = re.compile(r"(?:[^\W_]|[ .,;:!?%-])+")
"""Letters, digits and signs that mean nothing inside a line. A colon makes an address only with a slash."""

_LAST_WORD = re.compile(r"(?:\A|[ \n])(%?[^\W_](?:[^\W_]|[.,;:!?%-])*) *\Z")
_SETTLED = re.compile(r"[^\W\d_]|[0-9]{10}")
"""What the last word must have: ``1`` may become the marker of a list; a marker has no letter and at most 9 digits."""

_CLOSING = re.compile(r"(?:</[a-z0-9-]+>\s*)+\Z")
_REACH = 200
"""How far to look back for the last word, in characters."""


def extended(last: str, text: str, more: str) -> str | None:
    """Return the last block of a text to which ``more`` is added.

    Args:
        last: the safe HTML of the last block of ``text``.
        text: the Markdown so far.
        more: what follows it.

    Returns:
        the last block as a rendering of the whole text would give it; ``None`` if only a rendering can tell.
    """
    if "$" in text or not _WORDS.fullmatch(more):
        return None
    end = text[-_REACH:]
    word = _LAST_WORD.search(end)
    closing = _CLOSING.search(last, max(0, len(last) - _REACH))
    if word is None or closing is None or not _SETTLED.search(word[1]) or (word.start(1) == 0 and len(end) == _REACH):
        return None
    grown = end[word.start(1) :] + more
    if not last.endswith(word[1], 0, closing.start()) or "www" in grown.lower():
        return None
    return f"{last[: closing.start() - len(word[1])]}{grown.rstrip()}{closing[0]}"
