"""The Markdown engine behind one function."""

import re

import comrak

from .guards import guard
from .limits import MAX_EXTRA, MAX_FORMULAS, MAX_GROWTH, MAX_SCANNED, MAX_TEXT, TooLargeError
from .marks import restore

_EXTENSIONS = comrak.ExtensionOptions()
_EXTENSIONS.table = True
_EXTENSIONS.strikethrough = True
_EXTENSIONS.autolink = True
_EXTENSIONS.tasklist = True
_EXTENSIONS.math_dollars = True
_EXTENSIONS.math_latex = True
_EXTENSIONS.cjk_friendly_emphasis = True

_PARSING = comrak.ParseOptions()

_RENDERING = comrak.RenderOptions()
_RENDERING.escape = True  # raw HTML is shown as the text it is
_RENDERING.unsafe_ = True  # keeps refused addresses in the HTML, so that ``elements`` can show them as text
_RENDERING.full_info_string = True

# The engine's time grows with the square of these: a quarter of a second at 50,000 characters.
_CLOSERS = re.compile(r"\)[)?!.,:;*_~'\"]{999}")
_MAX_OPENERS = 2_000
_UNBROKEN = re.compile(r"[^ \t\n]+")


class EngineError(Exception):
    """The engine panicked."""


def to_html(text: str) -> str:
    """HTML of Markdown, every tag of it the engine's own, no link or image vetted yet.

    Raises ``TooLargeError`` and ``EngineError``.
    """
    if len(text) > MAX_TEXT or _CLOSERS.search(text) or _openers(text) > _MAX_OPENERS:
        raise TooLargeError("the text")
    guarded = guard(text)
    if _scanned_at_most(guarded) > MAX_SCANNED and _scanned(guarded) > MAX_SCANNED:
        raise TooLargeError("the addresses")
    html = _run(guarded)
    if len(html) > MAX_GROWTH * len(text) + MAX_EXTRA or html.count("data-math-style=") > MAX_FORMULAS:
        raise TooLargeError("the HTML")
    return html if guarded is text else restore(html)


def _openers(text: str) -> int:
    return text.count("\\(") + text.count("\\[")


def _scanned_at_most(text: str) -> int:
    """Return a quick bound of what ``_scanned`` returns, which is enough for nearly every text."""
    brackets = text.count("<")
    return len(text) * min(text.count("://") + text.count("www."), brackets) if brackets else 0


def _scanned(text: str) -> int:
    """Return how many characters the engine reads to find the ends of addresses that an angle bracket ends."""
    runs = (run[0] for run in _UNBROKEN.finditer(text))
    return sum(len(run) * min(run.count("://") + run.count("www."), run.count("<")) for run in runs)


def _run(text: str) -> str:
    try:
        return comrak.render_markdown(text, _EXTENSIONS, _PARSING, _RENDERING)
    except BaseException as error:
        # A panic of a Rust extension is no ``Exception``, and its class cannot be imported.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise EngineError(str(error)) from error
