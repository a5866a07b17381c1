"""Puts marks into Markdown so that its rules hide nothing of the text.

Markdown drops link reference definitions, cells beyond a table's last column, links inside the description of an image
and, visually, entities such as ``&nbsp;``. The engine strikes out text between two single tildes (``20~30``), finds
formulas between prices, and extends an address over the Chinese sentence that follows it. A mark breaks up each of
these constructs, and ``marks.restore`` puts the original character back into the HTML.

The engine recurses for each e-mail address on a line: 2,343 characters of ``a@b.c `` overflow a thread's stack of
128 KB and end the process. So only the first ``MAX_ADDRESSES`` at signs of a line reach it.
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
# Includes spaces, because the engine ends an address at ASCII spaces only.
_AFTER_ADDRESS = (
    r"\u00a0\u00ab\u00bb\u0589\u060c\u061b\u061f\u06d4\u0964\u0965\u104a\u104b\u1362-\u1368\u1680\u17d4\u17d5"
    r"\u2000-\u200b\u2014\u2018-\u201f\u2026\u202f\u205f\u3000-\u3003\u3008-\u3011\u3014-\u301f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# The first three need no mark at their end: two are in angle brackets, the third is the address of a definition.
_ADDRESS = re.compile(
    rf"""<[a-z][a-z0-9.+-]{{1,31}}:[^\s<>]*> | \]\([ \n]?<[^<>\n]*>
    | ^[ \t>]*+\[[^\[\]\n]{{1,200}}\]{NOTHING}:[ \t]++https?://[^\s<>]++
    | (?<![0-9A-Za-z<])(?<!\]\()(?:https?://|www\.)[^ \t\n<{_AFTER_ADDRESS}]++(?P<end>(?=[{_AFTER_ADDRESS}]))?""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_PUNCTUATION = re.compile(f"[{_AFTER_ADDRESS}]")
_AT = re.compile("@|&(?:#0*64|#[xX]0*40|commat);")
_DELIMITER_ROW = re.compile(r"[ \t>]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$")
_AFTER_TABLE = re.compile(r"[ \t>]*+$| {0,3}#{1,6}[ \t]| {0,3}(?:```[^`]*$|~~~)")
_CONTAINERS = re.compile(r"(?:[ \t>]|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*+\|?")
_BAR = re.compile(r"(?<!\\)\|")


def guard(text: str, cited: int = 0) -> str:
    """Mark ``text`` so that Markdown hides nothing of it.

    Definitions of the numbers up to ``cited``, which are those of sources, do not work.

    Raises:
        TooLargeError: if the HTML of a table would be too large.
    """
    if "&" in text:
        text = _ENTITY.sub(_show_entity, text)
    if "![" in text:
        text = _NESTED_IMAGE.sub(f"!{NOTHING}", text)
    if "|" in text:
        text = _keep_cells(text)
    if "]:" in text:
        text = _keep_definitions(text, cited)
    if "~" in text:
        text = _TILDES.sub(_only_two_strike, text)
    if "$" in text:
        text = mark_dollars(text)
    if not text.isascii() and _has_punctuation_after_addresses(text):
        text = _ADDRESS.sub(_end_address, text)
    if text.count("@") + text.count("&") > MAX_ADDRESSES:
        text = "\n".join(map(_limit_addresses, text.split("\n")))
    return text


def _only_two_strike(tildes: re.Match[str]) -> str:
    return TILDE if tildes[0] == "~" else tildes[0]


def _has_punctuation_after_addresses(text: str) -> bool:
    """Tell whether punctuation may follow an address that the engine would take for a part of it."""
    return ("://" in text or "www." in text or "WWW." in text) and _PUNCTUATION.search(text) is not None


def _end_address(address: re.Match[str]) -> str:
    """End a bare address before the punctuation of a script that needs no space after it."""
    return address[0] if address["end"] is None else address[0] + END


def _limit_addresses(line: str) -> str:
    """Keep the first at signs of a line, including entities; mark the others, so that they make no address."""
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


def _keep_definitions(text: str, cited: int) -> str:
    """Show reference definitions as text; copies of those with a web address, at the top, make the references work."""
    numbers = set(map(str, range(1, cited + 1)))
    found = islice(_DEFINITION.finditer(text), MAX_DEFINITIONS)
    kept = (definition for definition in found if definition[1].strip() not in numbers)
    working = "".join(f"[{definition[1]}]: <{definition[2]}>\n" for definition in kept)
    shown = text.replace("]:", f"{NOTHING}]{NOTHING}:")
    return f"{working}\n{shown}" if working else shown


def _keep_cells(text: str) -> str:
    """Merge the cells of a table row beyond the table's last column into the last one."""
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
    """Find the bars between the cells of ``row``, without those at its ends and escaped ones."""
    containers = _CONTAINERS.match(row)
    start = containers.end() if containers else 0
    return [bar.start() for bar in _BAR.finditer(row.rstrip(), start) if bar.end() < len(row.rstrip())]


def _count(row: str) -> int:
    return len(_bars(row)) + 1


def _merge(row: str, bars: list[int]) -> str:
    for bar in bars:
        row = f"{row[:bar]}{PIPE}{row[bar + 1 :]}"
    return row
