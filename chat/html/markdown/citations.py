"""Finds citations: ``[2]`` cites source 2 of the answer, if it has one, but not in code, formulas or links."""

import re
from collections.abc import Sequence
from html import escape

from ...sources import AnswerSource
from .dollars import mark_dollars
from .limits import MAX_CITATIONS
from .sanitise import is_address

Known = tuple[AnswerSource, ...]
"""The sources that a text can cite: those numbered 1, 2, ... when it began."""

_NUMBER = r"\[(?P<number>[1-9][0-9]{0,2})\]"
_IN_HTML = re.compile(
    rf"""<(?P<element>a|code|math)\b.*?</(?P=element)> | <span[ ]class="llm-chat-image">.*?</span>
    | <(?:[^>"]|"[^"]*")*+> | {_NUMBER}""",
    re.DOTALL | re.VERBOSE,
)
_SPAN = r"(?:(?!\n[ \t]*\n).){0,500}?"
"""What lies between two delimiters of one paragraph. The limit bounds the time of those that are never closed."""

_IN_MARKDOWN = re.compile(
    rf"""^(?:[ \t>]|(?:[-*+]|[0-9]{{1,9}}[.)])[ \t])*+(?P<fence>`{{3,}}+(?![^\n]*`)|~{{3,}}+)
      .*?(?:^[ \t>]*+(?P=fence)|\Z)
    | (?P<ticks>`++){_SPAN}(?<!`)(?P=ticks)(?!`) | `++
    | (?P<dollars>\$\$?)[^$]+(?P=dollars) | \\\({_SPAN}\\\) | \\\[{_SPAN}\\\] | \\[^\[]
    | \[(?:[^\[\]]|\[[^\[\]]*\]){{0,500}}\]\([^()\s]*+(?:\s[^()]*+)?\)
    | (?:https?://|www\.|<[a-z]+:)\S++ | \\?{_NUMBER}(?P<colon>:?)""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


def can_cite(html: str, sources: Known) -> bool:
    """Tell whether a whole text may cite sources. One with too many citations stays as it is."""
    if not sources or "[" not in html:
        return False
    return html.count("[") <= MAX_CITATIONS or len(_cited(html, len(sources))) <= MAX_CITATIONS


def _cited(html: str, count: int) -> list[str]:
    numbers = (found["number"] for found in _IN_HTML.finditer(html))
    return [number for number in numbers if number and int(number) <= count]


def link(html: str, sources: Known) -> str:
    """Make links of the citations in a block of HTML, whose title is that of the source."""

    def linked(found: re.Match[str]) -> str:
        if not found["number"] or int(found["number"]) > len(sources):
            return found[0]
        source = sources[int(found["number"]) - 1]
        url = escape(source.url)
        if not is_address(url):
            return found[0]
        return f'<a class="llm-chat-cite" href="{url}" title="{escape(source.title)}">{found[0]}</a>'

    return _IN_HTML.sub(linked, html)


def with_footnotes(text: str, count: int, before: int = 0) -> str:
    """Make references to footnotes of the citations in Markdown: ``[^2]`` of ``[2]``.

    Args:
        text: the Markdown.
        count: how many sources it can cite.
        before: how many footnotes the file has before those of this answer.
    """
    if not count:
        return text
    pieces: list[str] = []
    end = 0
    for found in _IN_MARKDOWN.finditer(mark_dollars(text)):  # each mark has the place of a dollar sign
        if found["number"] and int(found["number"]) <= count:
            colon = "\\:" if found["colon"] else ""  # without a backslash it would be a footnote, not a reference
            pieces += (text[end : found.start()], f"[^{int(found['number']) + before}]{colon}")
            end = found.end()
    return "".join([*pieces, text[end:]])


def notes(sources: Sequence[AnswerSource], before: int = 0) -> str:
    """Write the footnotes of an answer in Markdown: a link for each of its sources."""
    return "\n".join(
        f"[^{source.number + before}]: [{_plain(source.title)}]({_address(source.url)})" for source in sources
    )


def _address(url: str) -> str:
    return f"<{url.replace('<', '%3C').replace('>', '%3E')}>"


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup in a line of text."""
    return re.sub(r"[\\`*_\[\]<>&$~|!#]", r"\\\g<0>", text)
