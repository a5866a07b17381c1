"""Marks: characters that ``guards`` puts into Markdown in place of others, and that are replaced in the HTML.

They are Unicode noncharacters, which ``printable`` has removed from the text before.
"""

from urllib.parse import quote

AMPERSAND, NOTHING, PIPE, AT, TILDE, DOLLAR = map(chr, range(0xFDD0, 0xFDD6))

END = "<\ufdd6"
"""Ends an address: for the engine an angle bracket cannot be part of one, and here it does not begin a tag."""

_ORIGINALS = {AMPERSAND: "&amp;", NOTHING: "", PIPE: "|", AT: "@", TILDE: "~", DOLLAR: "$"}
_IN_TEXT = {"&lt;\ufdd6": "", END: "", **_ORIGINALS}
_IN_ADDRESSES = {quote(mark): original for mark, original in {END: "", **_ORIGINALS}.items()}
_ENCODED = quote(AMPERSAND)[:-1]
"""Common beginning of the marks in an address, where they are percent-encoded."""


def restore(html: str) -> str:
    """Replace the marks in ``html`` by the original characters, in text, code and addresses."""
    for mark, original in _IN_TEXT.items():
        html = html.replace(mark, original)
    if _ENCODED in html:
        for mark, original in _IN_ADDRESSES.items():
            html = html.replace(mark, original)
    return html
