"""Takes the first words that a text in Markdown shows, for places that show plain text."""

from html import unescape

import nh3

from .blocks import render

MAX_LINES = 20
"""How many lines are looked at."""

MAX_LENGTH = 1_000
"""How many characters of a line are looked at."""


def headline(text: str) -> str:
    """Return the first line that shows words, without its markup; ``text`` itself if there is none.

    Lines are rendered one by one, so that a long text costs no more than its beginning. Code and formulas are skipped,
    because without their markup they cannot be read.
    """
    for line in text.lstrip().splitlines()[:MAX_LINES]:
        block = "".join(render(line[:MAX_LENGTH]))
        if "<pre" not in block and "<math" not in block:
            words = " ".join(unescape(nh3.clean(block, tags=set())).split())
            if words:
                return words
    return text
