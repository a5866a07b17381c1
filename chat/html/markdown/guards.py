"""Marks set into Markdown, so that nothing of it is swallowed by the rules of the language.

Markdown drops link reference definitions, cells beyond a table's last column, links inside the description of an image
and, to the eye, entities such as ``&nbsp;``. The engine strikes out what stands between two single tildes (``20~30``),
sees formulas between prices, and lets an address swallow the Chinese sentence behind it. Each is broken up by a mark,
and ``marks.restore`` puts the original character back into the HTML.

The engine calls itself once more for each e-mail address on a line, on the stack of the thread: 2,343 characters of
``a@b.c `` end a process whose threads have 128 KB. So only the first ``MAX_ADDRESSES`` at signs of a line reach it.
"""

import re
from html import unescape
from itertools import islice

from .dollars import mark_dollars
from .limits import MAX_ADDRESSES, MAX_CELLS, MAX_COLUMNS, MAX_DEFINITIONS, MAX_MISSING_CELLS, TooLargeError
from .marks import AMPERSAND, AT, END, NOTHING, PIPE, TILDE

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_NESTED_IMAGE = re.compile(r"!(?=\[[^\[\]]*\[)")
_DEFINITION = re.compile(
    r"""^[ \t>]*+\[((?=[^\]]*[^\s\]])[^\[\]\\\n]{1,200})\]:[ \t]++<?(https?://[^\s<>\\]{1,2000}+)>?[ \t]*+
    (?:"[^"\n]*"|'[^'\n]*'|\([^()\n]*\))?[ \t]*$""",
    re.MULTILINE | re.VERBOSE,
)
_TILDES = re.compile(r"\\.|~+", re.DOTALL)
# Spaces, too: the engine ends an address at those of ASCII only.
_BEHIND_ADDRESS = (
    r"\u00a0\u00ab\u00bb\u0589\u060c\u061b\u061f\u06d4\u0964\u0965\u104a\u104b\u1362-\u1368\u1680\u17d4\u17d5"
    r"\u2000-\u200b\u2014\u2018-\u201f\u2026\u202f\u205f\u3000-\u3003\u3008-\u3011\u3014-\u301f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# The first three say themselves where they end: what is in angle brackets, and the address of a definition.
_ADDRESS = re.compile(
    rf"""<[a-z][a-z0-9.+-]{{1,31}}:[^\s<>]*> | \]\([ \n]?<[^<>\n]*>
    | ^[ \t>]*+\[[^\[\]\n]{{1,200}}\]{NOTHING}:[ \t]++https?://[^\s<>]++
    | (?<![0-9A-Za-z<])(?<!\]\()(?:https?://|www\.)[^ \t\n<{_BEHIND_ADDRESS}]++(?P<end>(?=[{_BEHIND_ADDRESS}]))?""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_PUNCTUATION = re.compile(f"[{_BEHIND_ADDRESS}]")
_AT = re.compile("@|&(?:#0*64|#[xX]0*40|commat);")
_DELIMITER_ROW = re.compile(r"[ \t>]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$")
_AFTER_TABLE = re.compile(r"[ \t>]*+$| {0,3}#{1,6}[ \t]| {0,3}(?:```[^`]*$|~~~)")
_CONTAINERS = re.compile(r"(?:[ \t>]|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*+\|?")
_BAR = re.compile(r"(?<!\\)\|")


def guard(text: str) -> str:
    """``text`` as Markdown that hides nothing of it. Raises ``TooLargeError`` for a table that would explode."""
    if "&" in text:
        text = _ENTITY.sub(_show_entity, text)
    if "![" in text:
        text = _NESTED_IMAGE.sub(f"!{NOTHING}", text)
    if "|" in text:
        text = _keep_cells(text)
    if "]:" in text:
        text = _keep_definitions(text)
    if "~" in text:
        text = _TILDES.sub(_only_two_strike, text)
    if "$" in text:
        text = mark_dollars(text)
    if not text.isascii() and _has_late_ends(text):
        text = _ADDRESS.sub(_end_address, text)
    if text.count("@") + text.count("&") > MAX_ADDRESSES:
        text = "\n".join(map(_limit_addresses, text.split("\n")))
    return text


def _only_two_strike(tildes: re.Match[str]) -> str:
    return TILDE if tildes[0] == "~" else tildes[0]


def _has_late_ends(text: str) -> bool:
    """Return whether an address may be followed by punctuation that the engine would take for a part of it."""
    return ("://" in text or "www." in text or "WWW." in text) and _PUNCTUATION.search(text) is not None


def _end_address(address: re.Match[str]) -> str:
    """End a bare address before the punctuation of a script that needs no space behind it."""
    return address[0] if address["end"] is None else address[0] + END


def _limit_addresses(line: str) -> str:
    """Keep the first at signs of a line, entities included; the others are text, and make no address."""
    signs = list(_AT.finditer(line))
    if len(signs) <= MAX_ADDRESSES:
        return line
    start = signs[MAX_ADDRESSES].start()
    return line[:start] + _AT.sub(lambda sign: AT if sign[0] == "@" else AMPERSAND + sign[0][1:], line[start:])


def _show_entity(entity: re.Match[str]) -> str:
    character = unescape(entity[0])
    if character and character.isprintable() and not character.isspace():
        return entity[0]
    return AMPERSAND + entity[0][1:]


def _keep_definitions(text: str) -> str:
    """Show reference definitions where they stand, and let those with a web address work from the top of the text."""
    found = islice(_DEFINITION.finditer(text), MAX_DEFINITIONS)
    working = "".join(f"[{definition[1]}]: <{definition[2]}>\n" for definition in found)
    shown = text.replace("]:", f"{NOTHING}]{NOTHING}:")
    return f"{working}\n{shown}" if working else shown


def _keep_cells(text: str) -> str:
    """Let a table row with too many cells carry the rest of them in its last one."""
    lines = text.split("\n")
    rows = lines.copy()
    columns = missing = cells = 0
    for number, line in enumerate(lines[1:], 1):
        if not columns:
            if "-" in line and not line.strip("|:- \t>") and _begins_table(lines[number - 1], line):
                columns = _count(line)
        elif _AFTER_TABLE.match(line):
            columns = 0
        else:
            bars = _bars(line)
            rows[number] = _merge(line, bars[columns - 1 :])
            missing += max(0, columns - 1 - len(bars))
            cells += columns
        if columns > MAX_COLUMNS or missing > MAX_MISSING_CELLS or cells > MAX_CELLS:
            raise TooLargeError("a table")
    return "\n".join(rows)


def _begins_table(header: str, delimiters: str) -> bool:
    is_row = _DELIMITER_ROW.match(delimiters) and ("|" in delimiters or ":" in delimiters)
    return bool(is_row) and _count(header) == _count(delimiters)


def _bars(row: str) -> list[int]:
    """Where the bars between the cells of ``row`` stand: not those of its frame, and not an escaped one."""
    containers = _CONTAINERS.match(row)
    start = containers.end() if containers else 0
    return [bar.start() for bar in _BAR.finditer(row.rstrip(), start) if bar.end() < len(row.rstrip())]


def _count(row: str) -> int:
    return len(_bars(row)) + 1


def _merge(row: str, bars: list[int]) -> str:
    for bar in bars:
        row = f"{row[:bar]}{PIPE}{row[bar + 1 :]}"
    return row
