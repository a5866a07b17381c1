"""Rules for the texts and ids that are accepted and stored: neither JSON nor a database can hold every character."""

import re
from typing import Any
from unicodedata import combining, normalize

from .errors import Refusal

CONVERSATION_ID = "[A-Za-z0-9_-]{1,64}"
"""The regular expression for a conversation's ``uid``, which the client makes."""

TITLE_LENGTH = 80
"""The longest title of a conversation, in characters."""

REPLACEMENT = "\ufffd"

MAX_DEPTH = 64
"""How deep a JSON value may be nested."""

_HALF = re.compile(
    r"\\u[dD](?:"
    r"[89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F][\da-fA-F]{2})"  # a first half without its second
    r"|(?<!\\u[dD][89abAB][\da-fA-F]{2}\\u[dD])[c-fC-F][\da-fA-F]{2}"  # a second half without its first
    r")"
)

MAX_ACCENTS = 30
"""Longest run of combining characters to sort, because the time grows with its square (see UAX #15, D3)."""

JOINER = "\u034f"
"""An invisible character that ends such a run."""

_SYMBOLS = re.compile(rf"[^\w\x00-\x7f]{{{MAX_ACCENTS + 1},}}")


def storable(text: str) -> str:
    """Replace each NUL and each lone surrogate with U+FFFD, and join surrogate pairs into one character."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable_value(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Make the texts in a JSON value storable, its keys too. Raises ``RecursionError`` if it is nested too deeply."""
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise RecursionError("The value is nested too deeply.")
    if isinstance(value, list):
        return [storable_value(item, depth - 1) for item in value]
    return {storable(key): storable_value(item, depth - 1) for key, item in value.items()}


def acceptable(text: str, max_length: int) -> str:
    """Return the text of a visitor's message as it is stored.

    Raises:
        Refusal: ``empty``, or ``too_long`` for more than ``max_length`` characters.
    """
    text = storable(text)
    if not text.strip():
        raise Refusal("empty")
    if len(text) > max_length:
        raise Refusal("too_long")
    return text


def title_of(text: str) -> str:
    """Make a conversation's title from its first question: the first non-blank line, cut to ``TITLE_LENGTH``."""
    line = next(line for line in text.splitlines() if line.strip()).strip()
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def storable_json(json: str) -> str:
    r"""Replace the lone surrogates in a JSON text, raw or escaped, with U+FFFD, because decoders refuse them.

    ``"\ud83d"`` contains one, but ``"\\ud83d"`` contains a backslash. So escaped backslashes are replaced with NUL
    characters, which valid JSON never contains, and put back at the end.
    """
    aside = storable(json).replace(r"\\", "\0")
    return _HALF.sub(r"\\ufffd", aside).replace("\0", r"\\")


def folded(text: str) -> str:
    """Normalise a text for comparison in a search: ignore case, and the ways to encode an accent.

    Treat every letter i alike, dotted or not, because the pairs of small and capital i depend on the language.
    """
    if text.isascii():
        return text.lower()
    text = _SYMBOLS.sub(_with_joiners, text)
    return normalize("NFC", normalize("NFC", text).casefold()).replace("i\u0307", "i").replace("\u0131", "i")


def _with_joiners(symbols: re.Match[str]) -> str:
    """Break up a long run of combining characters; leave other symbols, such as emoji, unchanged."""
    run = symbols[0]
    if not any(map(combining, run)):
        return run
    return JOINER.join(run[start : start + MAX_ACCENTS] for start in range(0, len(run), MAX_ACCENTS))
