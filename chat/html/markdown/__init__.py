"""Markdown to safe HTML in blocks, and the patches that turn what a reader has into what it should have.

One renderer for growing, final and stored text::

    text --plain--> no controls --guards--> nothing that Markdown swallows --markdown--> HTML
         --blocks--> one string per top-level block --elements--> code, formulas, links --clean--> safe block

A block is the inner HTML of one ``<div class="llm-chat-block">``. Nothing here needs Django, a database or a loop.
"""

from .blocks import Live, render, render_live
from .elements import Wanted
from .highlight import highlight
from .patches import BlockPatch, Diff, diff
from .plain import escape_text, is_blank

__all__ = [
    "BlockPatch",
    "Diff",
    "Live",
    "Wanted",
    "diff",
    "escape_text",
    "highlight",
    "is_blank",
    "render",
    "render_live",
]
