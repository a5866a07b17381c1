"""Characters that ``guards`` puts into Markdown in place of others, and that are turned back in the HTML.

They are noncharacters, of which ``printable`` leaves none in a text.
"""

from urllib.parse import quote

AMPERSAND, NOTHING, PIPE, AT, TILDE, DOLLAR = map(chr, range(0xFDD0, 0xFDD6))

END = "<\ufdd6"
"""Ends an address: the engine lets none have an angle bracket in it, and this one begins no tag."""

_ORIGINALS = {AMPERSAND: "&amp;", NOTHING: "", PIPE: "|", AT: "@", TILDE: "~", DOLLAR: "$"}
_IN_TEXT = {"&lt;\ufdd6": "", END: "", **_ORIGINALS}
_IN_ADDRESSES = {quote(mark): original for mark, original in {END: "", **_ORIGINALS}.items()}
_ENCODED = quote(AMPERSAND)[:-1]
"""How all of them begin in an address."""


def restore(html: str) -> str:
    """Turn the marks in ``html`` back into what they stand for, wherever they are: in text, code or addresses."""
    for mark, original in _IN_TEXT.items():
        html = html.replace(mark, original)
    if _ENCODED in html:
        for mark, original in _IN_ADDRESSES.items():
            html = html.replace(mark, original)
    return html
