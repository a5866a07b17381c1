"""Turns the engine's HTML of a block into ours: code, formulas, links, images, tables, tasks; then sanitises it."""

import re
from html import unescape
from typing import NamedTuple

from .citations import Known, link
from .formulas import formula
from .highlight import can_highlight, extension, highlighted
from .limits import MAX_DEPTH, TooLargeError
from .sanitise import clean, is_address

_OPENING_OR_CLOSING = re.compile(r"<(/?)(?!br|hr|img|input)[a-z]")
_CODE = re.compile(r"<pre><code([^>]*)>(.*?)</code></pre>", re.DOTALL)
_LANGUAGE = re.compile(r' class="language-([^"]*)"')
_INFO = re.compile(r' data-meta="([^"]*)"')
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.[A-Za-z][A-Za-z0-9]{0,11}(?![^\s&])")
_FORMULA = re.compile(r'<span data-math-style="(inline|display)">(.*?)</span>', re.DOTALL)
_IMAGE = re.compile(r'<img src="(?P<src>[^"]*)" alt="(?P<alt>[^"]*)"(?: title="(?P<caption>[^"]*)")? />')
_LINK = re.compile(
    rf'<a href="(?P<href>[^"]*)"(?: title="(?P<title>[^"]*)")?>(?P<text>.*?)</a>|{_IMAGE.pattern}', re.DOTALL
)
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_TASK = re.compile(
    r'<li>(<input type="checkbox"(?: checked="")? disabled="" />)\s*(<p>)?(.*?)'
    r"(?=\s*(?:</(?:p|li)>|<(?:p|ul|ol|llm-chat-box|blockquote|table|h[1-6]|hr)\b))",
    re.DOTALL,
)
_LEADING_CODE = re.compile(
    r"(<(?:p|li|h[1-6]|t[dh])(?: [^>]*)?>(?:<(?:p|strong)>)?"
    r"(?:<label><input[^>]*> )?(?:<strong>)?)<code"
)
_CELL = re.compile(r"<(t[dh])(?: [^>]*)?>.*?</\1>", re.DOTALL)
_BREAK = re.compile(r"<(?:code|math)\b.*?</(?:code|math)>|&lt;br ?/?&gt;", re.DOTALL | re.IGNORECASE)

Wanted = tuple[str, str]
"""A language, and code in it to highlight."""


class Block(NamedTuple):
    """Safe HTML of one block, and the code in it that stays plain until it has been highlighted."""

    html: str
    missing: tuple[Wanted, ...]


def finish(raw: str, *, is_open: bool, sources: Known = ()) -> Block:
    """Turn the engine's HTML of a block into the safe HTML of the page.

    Args:
        raw: the engine's HTML.
        is_open: whether the block ends in an open fence, which is never highlighted: its colours would flicker with
            each token.
        sources: the sources that the block can cite.

    Raises:
        TooLargeError: if elements are nested too deeply.
    """
    if _depth(raw) > MAX_DEPTH:
        raise TooLargeError("the depth of a block")
    missing: list[Wanted] = []
    last = raw.rfind("<pre>") if is_open else -1
    html = _CODE.sub(lambda code: _code(code, missing, is_open=code.start() == last), raw)
    html = _FORMULA.sub(_formula, html)
    html = _LINK.sub(_link, html)
    html = _TASK.sub(_task, html)
    # Code at the beginning of a text must not decide the text's direction.
    html = _LEADING_CODE.sub(r'\1<code dir="ltr"', html)
    if "<table>" in html and "&lt;" in html:
        html = _CELL.sub(_break_lines, html)
    html = html.replace("<table>", '<llm-chat-box class="llm-chat-table"><div><table>')
    html = html.replace("</table>", "</table></div></llm-chat-box>")
    if sources:
        html = link(html, sources)
    return Block(clean(html), tuple(missing))


def outline(raw: str) -> str:
    """Put the headings of a whole text below that of its message, an ``h2``, without gaps; ``data-level`` is their own.

    A heading depends on those before it only, so that growth does not change what is on the page.
    """
    above: list[int] = []

    def heading(found: re.Match[str]) -> str:
        level = int(found[1])
        while above and above[-1] >= level:
            above.pop()
        above.append(level)
        name = f"h{min(6, 2 + len(above))}"
        return f'<{name} data-level="{level}">{found[2]}</{name}>'

    return _HEADING.sub(heading, raw) if "</h" in raw else raw


def _depth(raw: str) -> int:
    depth = deepest = 0
    for tag in _OPENING_OR_CLOSING.finditer(raw):
        depth += -1 if tag[1] else 1
        deepest = max(deepest, depth)
    return deepest


def _code(match: re.Match[str], missing: list[Wanted], *, is_open: bool) -> str:
    """Turn a code block into ours; without its last line end, growing code only gets longer at its end."""
    attributes, html = match[1], match[2].removesuffix("\n")
    name = _group(_LANGUAGE.search(attributes))
    language = unescape(name).lower()
    code = unescape(html)
    if language == "math" and not is_open:
        return f"<p>{formula(code, 'block')}</p>"
    if not is_open and can_highlight(language, code):
        found = highlighted(language, code)
        if found is None:
            missing.append((language, code))
        html = found or html
    info = _group(_INFO.search(attributes))
    labels = (("data-language", name), ("data-info", info), ("data-file", _file_name(language, info)))
    shown = "".join(f' {label}="{value}"' for label, value in labels if value)
    return f'<llm-chat-box class="llm-chat-code" dir="ltr"{shown}><pre><code>{html}</code></pre></llm-chat-box>'


def _file_name(language: str, info: str) -> str:
    """Name the file as which code is downloaded: the model often writes the name after the language."""
    if named := _FILE.search(info):
        return named[0]
    return f"code.{ending}" if (ending := extension(language)) else ""


def _group(match: re.Match[str] | None) -> str:
    return match[1] if match else ""


def _formula(match: re.Match[str]) -> str:
    return formula(unescape(match[2]), "block" if match[1] == "display" else "inline")


def _link(match: re.Match[str]) -> str:
    """Write a link; if its address is not allowed, write the text and the address as plain text."""
    if match["href"] is None:
        return _image(match)
    href, text = match["href"], _IMAGE.sub(_image_in_link, match["text"])
    if not text.strip():
        text = href or "[]()"
    title = f' title="{match["title"]}"' if match["title"] else ""
    if is_address(href):
        return f'<a href="{href}"{title}>{text}</a>'
    aside = " ".join(filter(None, ("" if text == href else href, match["title"])))
    return f"{text} ({aside})" if aside else text


def _image(match: re.Match[str]) -> str:
    """Write an image as its description and a link: loading it would reveal the visitor to the image's server."""
    src = match["src"]
    return _image_as_text(match, f'<a href="{src}">{src}</a>' if is_address(src) else src)


def _image_in_link(match: re.Match[str]) -> str:
    return _image_as_text(match, match["src"])


def _image_as_text(match: re.Match[str], address: str) -> str:
    aside = " ".join(filter(None, (address, match["caption"])))
    if not aside:
        return f"![{match['alt']}]()"
    return f'<span class="llm-chat-image">{match["alt"]} ({aside})</span>'


def _task(match: re.Match[str]) -> str:
    """Write a check box with its text as the label: screen readers tell its state in their own language."""
    return f'<li class="llm-chat-task">{match[2] or ""}<label>{match[1]} {match[3]}</label>'


def _break_lines(cell: re.Match[str]) -> str:
    """Turn ``<br>`` in a cell into line breaks; models write it because a table row has to be one line."""
    return _BREAK.sub(lambda found: found[0] if found[0].startswith("<") else "<br>", cell[0])


def plain(text: str) -> str:
    """Wrap text that the engine left without an element, which is HTML that the model wrote, as a block."""
    return f'<p class="llm-chat-plain">{text}</p>'
