"""Highlights code with Pygments: few classes, a cache, and a limit on the time that it takes."""

import logging
import re
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from itertools import groupby
from time import thread_time

from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType

from . import limits
from .cache import Cache

logger = logging.getLogger(__name__)

_LEXERS = [(aliases, patterns) for _, aliases, patterns, _ in get_all_lexers(plugins=False)]

LANGUAGES = frozenset(alias for aliases, _ in _LEXERS for alias in aliases)

_PATTERN = re.compile(r"\*\.(\w{1,12})")
_EXTENSIONS = {
    alias: _PATTERN.findall(" ".join(patterns).lower()) for aliases, patterns in _LEXERS for alias in aliases
}

# Named as in Pygments, so that its style sheets fit. A token type without an entry takes that of its parent. Types that
# no style colours (names, punctuation, white space: two thirds of all tokens) get no element.
TOKEN_CLASSES: dict[_TokenType, str] = {
    Comment: "c",
    Comment.Preproc: "cp",
    Generic.Deleted: "gd",
    Generic.Heading: "gh",
    Generic.Inserted: "gi",
    Generic.Output: "go",
    Generic.Prompt: "gp",
    Keyword: "k",
    Name.Attribute: "na",
    Name.Builtin: "nb",
    Name.Class: "nc",
    Name.Decorator: "nd",
    Name.Function: "nf",
    Name.Tag: "nt",
    Name.Variable: "nv",
    Number: "m",
    Operator.Word: "ow",
    String: "s",
}

_cache: Cache[tuple[str, str]] = Cache(4_000_000)


def extension(language: str) -> str:
    """Return the usual extension of a language's files, without the dot; empty if it has none."""
    known = _EXTENSIONS.get(language, [])
    return language if language in known and len(language) < 5 else next(iter(known), "")


def can_highlight(language: str, code: str) -> bool:
    """Tell whether ``highlight`` supports the language and the length of ``code``."""
    if language not in LANGUAGES or not 0 < len(code) <= limits.MAX_CODE:
        return False
    return max(map(len, code.split("\n"))) <= limits.MAX_CODE_LINE


def highlighted(language: str, code: str) -> str | None:
    """Return the cached result of ``highlight``, or ``None`` if there is none."""
    return _cache.get((language, code))


def highlight(language: str, code: str) -> str:
    """Convert code to HTML with its tokens marked.

    Call this off the event loop: without a cached result it takes up to 0.1 s, in the worst case ``MAX_LEXING``. Code
    stays plain if its lexer fails, or if its tokens do not add up to the code.
    """
    found = _cache.get((language, code))
    if found is None:
        found = _highlight(language, code) if can_highlight(language, code) else _plain(code)
        _cache.put((language, code), found, len(code) + len(found))
    return found


def _highlight(language: str, code: str) -> str:
    try:
        tokens = list(_tokens(language, code))
    except Exception:
        # There are hundreds of lexers by as many authors, and models write anything: no failure may cost an answer.
        logger.warning("The lexer for %s failed; the code is shown plain.", language, exc_info=True)
        return _plain(code)
    if "".join(value for _, value in tokens) != code:
        return _plain(code)
    return "".join(_spans(tokens))


def _tokens(language: str, code: str) -> Iterator[tuple[_TokenType, str]]:
    """Yield the tokens of ``code``. Between two of them a lexer that takes too long is stopped.

    That is often enough: the lexers whose time grows with the square of the length take small steps.
    """
    deadline = thread_time() + limits.MAX_LEXING
    for token in get_lexer_by_name(language, stripnl=False, ensurenl=False).get_tokens(code):
        if thread_time() > deadline:
            raise TimeoutError(f"The lexer takes too long, more than {limits.MAX_LEXING} s.")
        yield token


def _spans(tokens: Iterable[tuple[_TokenType, str]]) -> Iterator[str]:
    for name, run in groupby(tokens, lambda token: _class(token[0])):
        text = _plain("".join(value for _, value in run))
        yield f'<span class="{name}">{text}</span>' if name else text


@cache
def _class(token: _TokenType) -> str:
    ancestors = reversed(token.split())
    return next((TOKEN_CLASSES[ancestor] for ancestor in ancestors if ancestor in TOKEN_CLASSES), "")


def _plain(code: str) -> str:
    return escape(code, quote=False)
