"""Adds words to the HTML of a growing text, where Markdown gives them no other meaning.

Most tokens of an answer are words in the middle of a line. They go behind the last word of the HTML, which takes a
hundredth of the time of rendering the whole text again. ``None`` stands for all other cases.
"""

import re

_WORDS = re.compile(r"(?:[^\W_]|[ .,;:!?%-])+")
"""Letters, digits and signs that mean nothing inside a line. A colon makes an address only with a slash."""

_WORD = re.compile(r"%?[^\W_](?:[^\W_]|[.,;:!?%-])*")
_SETTLED = re.compile(r"[^\W\d_]|[0-9]{10}")
"""What the last word must have: ``1`` may become the marker of a list; a marker has no letter and at most 9 digits."""

_CLOSING = re.compile(r"</[a-z0-9-]+>\s*")
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
    stop = len(text.rstrip(" "))
    begin = max(text.rfind(" ", 0, stop), text.rfind("\n", 0, stop)) + 1
    word = text[begin:stop]
    if len(text) - begin >= _REACH or not _WORD.fullmatch(word) or not _SETTLED.search(word):
        return None
    closing = _closing(last)
    grown = text[begin:] + more
    if closing == len(last) or not last.endswith(word, 0, closing) or "www" in grown.lower():
        return None
    return f"{last[: closing - len(word)]}{grown.rstrip()}{last[closing:]}"


def _closing(html: str) -> int:
    """Return where the closing tags begin that the HTML ends with."""
    begin = len(html)
    reach = max(0, begin - _REACH)
    while (tag := html.rfind("<", reach, begin)) >= 0 and _CLOSING.fullmatch(html, tag, begin):
        begin = tag
    return begin
