"""Characters that ``guards`` puts into Markdown in place of others, and that are turned back in the HTML.

They are noncharacters, of which ``printable`` leaves none in a text.
"""

from urllib.parse import quote

AMPERSAND, NOTHING, PIPE, AT, TILDE, DOLLAR = map(chr, range(0xFDD0, 0xFDD6))

END = "<\ufdd6"
"""Ends an address: the engine lets none have an angle bracket in it, and this one begins no tag."""

_ORIGINALS = {AMPERSAND: "&amp;", NOTHING: "", PIPE: "|", AT: "@", TILDE: "~", DOLLAR: "$"}
_RESTORED = {"&lt;\ufdd6": "", END: "", quote(END): ""} | {
    mark: original for character, original in _ORIGINALS.items() for mark in (character, quote(character))
}


def restore(html: str) -> str:
    """Turn the marks in ``html`` back into what they stand for, wherever they are: in text, code or addresses."""
    for mark, original in _RESTORED.items():
        html = html.replace(mark, original)
    return html
