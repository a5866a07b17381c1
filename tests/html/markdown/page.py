"""A model of the page in a browser: the elements and visible text of its HTML, and its blocks after patches."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import unquote

from chat.html.markdown import BlockPatch, diff, highlight, render_live
from chat.html.markdown.plain import printable

VOID = {"br", "hr", "input", "mspace"}
SHOWN_ATTRIBUTES = {"href", "title", "alttext", "data-language", "data-info"}


_TAGS = (
    "a blockquote br code del div em h3 h4 h5 h6 hr input label li llm-chat-box ol p pre span strong table tbody td th"
    " thead tr ul math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup"
    " mtable mtd mtext mtr munder munderover"
)
_ATTRIBUTES = (
    "accent accentunder align alttext checked class columnalign columnlines columnspacing data-file data-info"
    " data-language data-level depth dir disabled display displaystyle fence form height href linebreak"
    " linethickness lspace mathvariant maxsize minsize movablelimits notation rel rowlines rowspacing rspace"
    " scriptlevel separator start stretchy target title type voffset width"
)
TAGS, ATTRIBUTES = set(_TAGS.split()), set(_ATTRIBUTES.split())
CLASS = re.compile(r"llm-chat-(block|code|image|math|plain|table|task)|[a-z]{1,2}")
ADDRESS = re.compile(r"(https?://[^/]|mailto:.|/(?![/\\]))", re.IGNORECASE)

# Characters that are Markdown or TeX more often than not; every other one must be found on the page.
MARKUP = set("\\`*_[]()#+-.!|~$:=>&;^'\"{},")


class Page(HTMLParser):
    """The elements of ``html`` as ``(tag, attributes)``, its text, and how its tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.roots = 0
        self.odd: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.odd += self._open

    @property
    def shown(self) -> str:
        """Everything that a visitor can see: text, and the attributes that hold addresses, titles and sources."""
        values = [
            value or "" for _, given in self.elements for name, value in given.items() if name in SHOWN_ATTRIBUTES
        ]
        return " ".join([self.text, *values])

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.roots += not self._open
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.odd.append(f"/{tag}")

    def handle_data(self, data):
        self.text += data
        if not self._open and data.strip():
            self.odd.append(data)

    def handle_comment(self, data):
        self.odd.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


class Reader:
    """The page's side of the html format: it shows blocks and holds the strings of those that patches set."""

    def __init__(self, blocks: Sequence[str] = ()) -> None:
        self.blocks = list(blocks)
        self.strings: dict[int, str] = {}

    def apply(self, patches: Iterable[BlockPatch]) -> None:
        for patch in patches:
            before = self.blocks[patch.keep] if patch.keep < len(self.blocks) else ""
            if not patch.stay:
                del self.blocks[patch.keep + 1 :]
            if patch.html is None:
                after = append_to_code(before, patch.append)
            else:
                if patch.from_ or patch.then or patch.tail:
                    assert self.strings.get(patch.keep) == before, "spliced a block whose string the page does not have"
                after, place = cut(before, patch.from_) + patch.html, patch.from_
                for units, html in patch.then:
                    after += rest(cut(before, place + units), units) + html
                    place += units
                after += rest(before, patch.tail)
            self.blocks[patch.keep : patch.keep + 1] = [after]
            if patch.html is not None or patch.keep in self.strings:
                self.strings[patch.keep] = after


def cut(html: str, units: int) -> str:
    """Return the first UTF-16 units of ``html``, as JavaScript's ``slice`` does; a split pair does not decode."""
    return html.encode("utf-16-le")[: units * 2].decode("utf-16-le")


def rest(html: str, units: int) -> str:
    """Return the last UTF-16 units of ``html``."""
    encoded = html.encode("utf-16-le")
    return encoded[len(encoded) - units * 2 :].decode("utf-16-le")


def append_to_code(html: str, text: str) -> str:
    """Append text to the HTML of a code block, as a browser does in the document."""
    end = "</code></pre></llm-chat-box>"
    assert html.startswith("<llm-chat-box ") and html.endswith(end), "appended to something that is not a code block"
    return html.removesuffix(end) + escape(text, quote=False).replace("\xa0", "&nbsp;") + end


def show(blocks: Sequence[str]) -> Page:
    """Make the page that shows the blocks."""
    return Page("\n".join(f'<div class="llm-chat-block">{block}</div>' for block in blocks))


def needed(text: str) -> Counter[str]:
    """Count the characters of Markdown ``text`` that a visitor must be able to see."""
    text = re.sub(r"(?m)^([^\S\n]*(?:[-*+] |\d+[.)] ))\[[xX]\]", r"\1", printable(text))  # a task's mark
    text = re.sub(r"(?m)^([ >\t]*(?:[-*+] )*)[0-9]+[.)] ", r"\1", text)  # the number of a list item
    text = re.sub(r"\]\[[^\]]+\]", "]", text).replace("```math", "")  # a reference's label, a formula's fence
    text = re.sub(r"<(\w+:[^<>\s]*|[\w.]+@[\w.]+)>", r"\1", text)  # the brackets of an address
    text = re.sub(r"\]\(<([^<>\n]*)>", r"](\1", text)
    text = re.sub(r"&#?\w+;", _visible_entity, text)
    if "|" in text:
        text = re.sub(r"(?i)<br ?/?>", "", text)  # a line break, in a cell
    return Counter(c for c in unquote(text) if c.isprintable() and not c.isspace() and c not in MARKUP)


def _visible_entity(entity: re.Match[str]) -> str:
    character = unescape(entity[0])
    return character if character.isprintable() and character.strip() else entity[0]


def assert_allowed(elements: Iterable[tuple[str, dict[str, str | None]]]) -> None:
    """Check that only allowed tags, attributes, classes and kinds of addresses are there."""
    for tag, attributes in elements:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        assert all(CLASS.fullmatch(name) for name in (attributes.get("class") or "").split())
        if tag == "a":
            assert ADDRESS.match(attributes["href"] or "")
            assert (attributes["rel"], attributes["target"]) == ("noreferrer", "_blank")


def growth(text: str, ends: Iterable[int]) -> Iterator[tuple[BlockPatch, ...]]:
    """Yield the patches for a page on which ``text`` grows to each of the ends; code is highlighted when possible."""
    old: Sequence[str] = ()
    known = 0
    for end in ends:
        live = render_live(text[:end])
        for wanted in live.missing:
            highlight(*wanted)
        new = render_live(text[:end]).blocks if live.missing else live.blocks
        patches, known = diff(old, new, known)
        yield patches
        old = new
