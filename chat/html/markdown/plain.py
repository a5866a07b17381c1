"""Plain text as HTML: what people type, and what an answer falls back to when it cannot be rendered."""

import re
from html import escape

MAX_PLAIN_BLOCK = 4_000
"""Characters of one block of plain text: a growing text sends its last block again, so blocks stay small."""

# Controls, lone surrogates (UTF-8 cannot carry them) and the noncharacters that ``guards`` uses as its own marks.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]")

_BLANK = re.compile(
    r"(?:</?p(?: [^>]*)?>|\s|&nbsp;|[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])*+"
)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def printable(text: str) -> str:
    """``text`` with line feeds as its only line ends and a visible character for each control character."""
    return _UNPRINTABLE.sub(_picture, text.replace("\r\n", "\n").replace("\r", "\n"))


def is_blank(block: str) -> bool:
    """Return whether a reader sees nothing of a block: it is a paragraph of white space and invisible characters."""
    return _BLANK.fullmatch(block) is not None


def escape_text(text: str) -> str:
    """Safe HTML of plain text, each of its characters visible; show it with ``white-space: pre-wrap``."""
    return escape(printable(text))


def plain_blocks(text: str) -> tuple[str, ...]:
    """``text`` as blocks of plain text, cut at line ends where there are any. Growth changes the last block only."""
    blocks = []
    text = printable(text)
    while text:
        end = len(text)
        if end > MAX_PLAIN_BLOCK:
            end = text.rfind("\n", 1, MAX_PLAIN_BLOCK) + 1 or MAX_PLAIN_BLOCK
        blocks.append(f'<p class="llm-chat-plain">{escape(text[:end].rstrip())}</p>')
        text = text[end:]
    return tuple(blocks)
