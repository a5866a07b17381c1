"""Wraps the Markdown engine, comrak, in one function."""

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
_RENDERING.escape = True  # shows raw HTML as text
_RENDERING.unsafe_ = True  # keeps refused addresses in the HTML, so that ``elements`` can show them as text
_RENDERING.full_info_string = True

# The engine's time grows with the square of these: a quarter of a second at 50,000 characters.
_CLOSERS = re.compile(r"\)[)?!.,:;*_~'\"]{999}")
_MAX_OPENERS = 2_000
_UNBROKEN = re.compile(r"[^ \t\n]+")


class EngineError(Exception):
    """The engine panicked."""


def to_html(text: str, cited: int = 0) -> str:
    """Convert Markdown to HTML that has only tags of the engine's own; links and images are not checked yet.

    The numbers up to ``cited`` are those of sources: what the text defines under them makes no links.

    Raises:
        TooLargeError: if the text, its addresses or its HTML are beyond the limits.
        EngineError: if the engine panics.
    """
    if len(text) > MAX_TEXT or _CLOSERS.search(text) or _openers(text) > _MAX_OPENERS:
        raise TooLargeError("the text")
    guarded = guard(text, cited)
    if _scanned_at_most(guarded) > MAX_SCANNED and _scanned(guarded) > MAX_SCANNED:
        raise TooLargeError("the addresses")
    html = _run(guarded)
    if len(html) > MAX_GROWTH * len(text) + MAX_EXTRA or html.count("data-math-style=") > MAX_FORMULAS:
        raise TooLargeError("the HTML")
    return html if guarded is text else restore(html)


def _openers(text: str) -> int:
    return text.count("\\(") + text.count("\\[")


def _scanned_at_most(text: str) -> int:
    """Return a quick upper bound of ``_scanned``, which suffices for nearly every text."""
    brackets = text.count("<")
    return len(text) * min(text.count("://") + text.count("www."), brackets) if brackets else 0


def _scanned(text: str) -> int:
    """Count the characters that the engine reads to find the angle brackets at which addresses end."""
    runs = (run[0] for run in _UNBROKEN.finditer(text))
    return sum(len(run) * min(run.count("://") + run.count("www."), run.count("<")) for run in runs)


def _run(text: str) -> str:
    try:
        return comrak.render_markdown(text, _EXTENSIONS, _PARSING, _RENDERING)
    except BaseException as error:
        # A panic of a Rust extension is not an ``Exception``, and its class cannot be imported.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise EngineError(str(error)) from error
