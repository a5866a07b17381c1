"""Renders Markdown, complete or still growing, as a sequence of safe blocks."""

import logging
import re
from functools import lru_cache
from typing import NamedTuple

from .cache import Cache
from .citations import Known, can_cite
from .elements import Block, Wanted, finish, outline, plain
from .engine import to_html
from .highlight import highlight
from .limits import TooLargeError
from .plain import plain_blocks, printable

logger = logging.getLogger(__name__)

_BLOCK_TAG = re.compile(r"<(/?)(?:blockquote|ul|ol|p|pre|table|h[1-6])\b[^>]*>|<hr />")
_LAST_CODE = re.compile(r"(\n?)</code></pre>(?:\s|</(?:li|ul|ol|blockquote)>)*\Z")
_TAIL = 1_000

_finished: Cache[str | tuple[str, Known]] = Cache(4_000_000)


class Live(NamedTuple):
    """The ``blocks`` that are available without blocking, and the code in them that is ``missing`` its colours.

    After ``highlight`` was called with each of ``missing``, ``render_live`` of the same text equals ``render``.
    """

    blocks: tuple[str, ...]
    missing: tuple[Wanted, ...]


def render(text: str, sources: Known = ()) -> tuple[str, ...]:
    """Render Markdown as safe HTML, one string per top-level block, with the code of closed fences highlighted.

    Citations of ``sources`` become links. A text that is beyond the limits, or on which a library fails, becomes plain
    text: nothing is raised.
    """
    live = _render_safely(text, sources, keep_last=True)
    if not live.missing:
        return live.blocks
    for language, code in live.missing:
        highlight(language, code)
    return _render_safely(text, sources, keep_last=True).blocks


def render_live(text: str, sources: Known = ()) -> Live:
    """Render as ``render`` does, but leave code plain that is not highlighted yet. Fast enough for an event loop.

    The missing colours are computed off the event loop, by ``highlight`` or by ``render``; the latter also sanitises
    there.
    """
    return _render_safely(text, sources, keep_last=False)


def _render_safely(text: str, sources: Known, *, keep_last: bool) -> Live:
    try:
        return _render(printable(text).rstrip(), sources, keep_last=keep_last)
    except TooLargeError:
        return Live(plain_blocks(text), ())
    except Exception as error:
        # The boundary around three libraries: whatever they raise, the reader still gets the text.
        _warn_once(type(error).__qualname__)
        return Live(plain_blocks(text), ())


def split(html: str) -> list[str]:
    """Split the engine's HTML into its top-level blocks; bare text between them becomes a block of its own."""
    blocks: list[str] = []
    depth = start = end = 0
    for tag in _BLOCK_TAG.finditer(html):
        if depth == 0:
            start = tag.start()
            _append_bare(blocks, html[end:start])
        if tag[1] is not None:
            depth += -1 if tag[1] else 1
        if depth == 0:
            end = tag.end()
            blocks.append(html[start:end])
    _append_bare(blocks, html[end:])
    return blocks


def _append_bare(blocks: list[str], text: str) -> None:
    if text := text.strip("\n"):
        blocks.append(plain(text))


def _render(text: str, sources: Known, *, keep_last: bool) -> Live:
    html = outline(to_html(text, len(sources)))
    cited = sources if can_cite(html, sources) else ()
    *settled, last = split(html) or [""]
    finished = [_finish(raw, cited) for raw in settled]
    if _ends_in_open_fence(text, html):
        finished.append(finish(last, is_open=True, sources=cited))
    elif last:
        # The last block is still growing: each of its states is seen once, so caching them is useless.
        finished.append(_finish(last, cited, keep=keep_last))
    missing = dict.fromkeys(wanted for block in finished for wanted in block.missing)
    return Live(tuple(block.html for block in finished), tuple(missing))


def _finish(raw: str, sources: Known, *, keep: bool = True) -> Block:
    cited = sources if sources and "[" in raw else ()
    key = (raw, cited) if cited else raw
    html = _finished.get(key)
    if html is not None:
        return Block(html, ())
    block = finish(raw, is_open=False, sources=cited)
    if keep and not block.missing:
        _finished.put(key, block.html, len(raw) + len(block.html))
    return block


def _ends_in_open_fence(text: str, html: str) -> bool:
    """Tell whether ``text``, which has no white space at its end, ends inside of a fence that is not closed.

    After a closed fence the code ends with a line feed, and the text with the fence; an open one never has both.
    """
    code = html.rfind("</code></pre>", max(0, len(html) - _TAIL))  # skips the search for most texts
    last = _LAST_CODE.search(html, max(0, code - 1)) if code >= 0 else None
    return last is not None and not (last[1] and text.endswith(("```", "~~~")))


@lru_cache(maxsize=64)
def _warn_once(error: str) -> None:
    logger.warning("The Markdown could not be rendered (%s); it is shown as plain text.", error, exc_info=True)
