"""Renders Markdown as blocks of safe HTML, and computes the patches that update the blocks of a page.

One renderer serves growing, final and stored text::

    text --plain--> no control characters --guards--> nothing that Markdown would drop --engine--> HTML
         --blocks--> one string per top-level block --elements--> code, formulas, links
         --citations--> links to the answer's sources --sanitise--> safe block

A block is the inner HTML of one ``<div class="llm-chat-block">``. Nothing here needs Django, a database or an event
loop.
"""

from .blocks import Live, render, render_live
from .citations import Known, notes, with_footnotes
from .elements import Wanted
from .growth import extended
from .headline import headline
from .highlight import highlight
from .patches import BlockPatch, Diff, diff
from .plain import escape_text, is_blank

__all__ = [
    "BlockPatch",
    "Diff",
    "Known",
    "Live",
    "Wanted",
    "diff",
    "escape_text",
    "extended",
    "headline",
    "highlight",
    "is_blank",
    "notes",
    "render",
    "render_live",
    "with_footnotes",
]
