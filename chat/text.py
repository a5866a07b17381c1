"""Which texts and ids are accepted and stored: neither JSON nor a database holds every character."""

import re
from unicodedata import combining, normalize

from .errors import Refusal

CONVERSATION_ID = "[A-Za-z0-9_-]{1,64}"
"""The pattern of a conversation's ``uid``, which the client makes."""

TITLE_LENGTH = 80
"""The longest title of a conversation, in characters."""

REPLACEMENT = "\ufffd"

_HALF = re.compile(
    r"\\u[dD](?:"
    r"[89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F][\da-fA-F]{2})"  # a first half without its second
    r"|(?<!\\u[dD][89abAB][\da-fA-F]{2}\\u[dD])[c-fC-F][\da-fA-F]{2}"  # a second half without its first
    r")"
)

MAX_ACCENTS = 30
"""Combining characters in a row that are put in order; the time for that grows with the square (as UAX #15, D3)."""

JOINER = "\u034f"
"""Ends such a row, and is not seen."""

_SYMBOLS = re.compile(rf"[^\w\x00-\x7f]{{{MAX_ACCENTS + 1},}}")


def storable(text: str) -> str:
    """Return the text with U+FFFD in place of each NUL and each half of a surrogate pair; two halves become one."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def acceptable(text: str, max_length: int) -> str:
    """Return the text of a visitor's message as it is stored. Raises ``Refusal`` where it is empty or too long."""
    text = storable(text)
    if not text.strip():
        raise Refusal("empty")
    if len(text) > max_length:
        raise Refusal("too_long")
    return text


def title_of(text: str) -> str:
    """Return a conversation's title: the first line of its first question, cut to ``TITLE_LENGTH``."""
    line = next(line for line in text.splitlines() if line.strip()).strip()
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def storable_json(json: str) -> str:
    r"""Return a JSON text without halves of surrogate pairs, be they raw or escapes, which decoders refuse.

    In ``"\ud83d"`` there is one, in ``"\\ud83d"`` is a backslash: those that are escaped step aside, as NUL characters,
    of which no JSON text has any.
    """
    aside = storable(json).replace(r"\\", "\0")
    return _HALF.sub(r"\\ufffd", aside).replace("\0", r"\\")


def folded(text: str) -> str:
    """Return a text as it is compared in a search: without regard to case and to how accents are encoded.

    All letters i are one, dotted or not: which is the capital of which depends on the language.
    """
    if text.isascii():
        return text.lower()
    text = _SYMBOLS.sub(_with_joiners, text)
    return normalize("NFC", normalize("NFC", text).casefold()).replace("i\u0307", "i").replace("\u0131", "i")


def _with_joiners(symbols: re.Match[str]) -> str:
    """Break up a long row of combining characters; other symbols, such as emoji, stay as they are."""
    row = symbols[0]
    if not any(map(combining, row)):
        return row
    return JOINER.join(row[start : start + MAX_ACCENTS] for start in range(0, len(row), MAX_ACCENTS))
