"""Converts plain text to HTML: questions, and answers that cannot be rendered as Markdown."""

import re
from html import escape

MAX_PLAIN_BLOCK = 4_000
"""Characters of one block of plain text. Blocks stay small because the last one is sent again whenever it grows."""

# Control characters, lone surrogates (which UTF-8 cannot encode) and the noncharacters that ``guards`` uses as marks.
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
    """Turn all line ends into line feeds, and each control character into a visible one."""
    return _UNPRINTABLE.sub(_picture, text.replace("\r\n", "\n").replace("\r", "\n"))


def is_blank(block: str) -> bool:
    """Tell whether a block is a paragraph of nothing but white space and invisible characters."""
    return _BLANK.fullmatch(block) is not None


def escape_text(text: str) -> str:
    """Escape plain text as HTML in which each character is visible; show it with ``white-space: pre-wrap``."""
    return escape(printable(text))


def plain_blocks(text: str) -> tuple[str, ...]:
    """Split ``text`` into blocks of plain text, at line ends if there are any. Growth changes the last block only."""
    blocks = []
    text = printable(text)
    while text:
        end = len(text)
        if end > MAX_PLAIN_BLOCK:
            end = text.rfind("\n", 1, MAX_PLAIN_BLOCK) + 1 or MAX_PLAIN_BLOCK
        blocks.append(f'<p class="llm-chat-plain">{escape(text[:end].rstrip())}</p>')
        text = text[end:]
    return tuple(blocks)
