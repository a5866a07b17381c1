"""The difference between two states of a text's blocks, in the least that brings a reader from one to the other."""

import re
from collections.abc import Sequence
from html import unescape
from typing import NamedTuple

ANCHOR = 16
"""So many characters of the previous HTML, found again behind what is new, are not sent a second time."""

MAX_PIECES = 8
"""A change in more places than that is sent from the last of them on as a whole."""

_CODE_BLOCK = re.compile(r'(<pre(?: [a-z-]+="[^"]*")*><code(?: [a-z-]+="[^"]*")*>)([^<]*)</code></pre>')


class BlockPatch(NamedTuple):
    """Block number ``keep`` changes; the later ones go, unless they ``stay``.

    It becomes its previous HTML up to ``from_`` UTF-16 units, then ``html``; for each pair of ``then`` so many more
    units of its previous HTML and what is new behind them; and at last its previous HTML's last ``tail`` units. Or,
    where ``html`` is ``None``, the plain text ``append`` is added at the end of its ``code`` element, which may still
    be empty.
    """

    keep: int
    from_: int = 0
    html: str | None = None
    append: str | None = None
    tail: int = 0
    stay: bool = False
    then: tuple[tuple[int, str], ...] = ()


class Diff(NamedTuple):
    """The patches in the order in which they apply, and the argument ``known`` for the next ``diff``."""

    patches: tuple[BlockPatch, ...]
    known: int


def diff(old: Sequence[str], new: Sequence[str], known: int) -> Diff:
    """What to send to a reader that shows ``old`` so that it shows ``new``.

    From block number ``known`` on the reader holds the blocks' HTML as strings, for patches have set them: only those
    may be spliced. What stands behind a changed block stays: an address that comes with the end of a text changes a
    link far above it, and must not cost the whole text again at each tick.

    A patch always names a block of ``new``. Where blocks only go away, the last one that stays is therefore sent again,
    and where none stays the reader is left with a single empty one.
    """
    if not new:
        return Diff((BlockPatch(0, html=""),), 0) if old else Diff((), known)
    shared = min(len(old), len(new))
    changed = [index for index in range(shared) if old[index] != new[index]]
    if len(new) < len(old) and new[-1] == old[shared - 1]:
        changed.append(shared - 1)
    patches = [_change(index, old[index], new[index], known)._replace(stay=index < shared - 1) for index in changed]
    patches += [BlockPatch(index, html=str(new[index])) for index in range(shared, len(new))]
    return Diff(tuple(patches), _known(patches, min(known, len(new))))


def _known(patches: Sequence[BlockPatch], known: int) -> int:
    """``known`` after ``patches``: a block that was sent whole joins those behind it."""
    for patch in reversed(patches):
        if patch.html is not None and patch.keep == known - 1:
            known -= 1
    return known


def _change(keep: int, old: str, new: str, known: int) -> BlockPatch:
    if appended := _appended_code(old, new):
        return BlockPatch(keep, append=appended)
    if keep < known:
        return BlockPatch(keep, html=new)
    start = _common_prefix(old, new)
    end = len(new) - _common_prefix(old[start:][::-1], new[start:][::-1])
    tail = len(new) - end
    html, *then = _pieces(old[start : len(old) - tail], new[start:end])
    return BlockPatch(keep, _utf16_length(new[:start]), html[1], tail=_utf16_length(new[end:]), then=tuple(then))


def _pieces(old: str, new: str) -> list[tuple[int, str]]:
    """``new`` in pairs: how many units of ``old`` stay, none at first, and what is new behind them.

    An address that grows stands in its link twice, and one that many links refer to in each: what lies between them
    may be long, and stays.
    """
    pieces: list[tuple[int, str]] = []
    stays = 0
    while len(old) >= ANCHOR and len(pieces) < MAX_PIECES and (place := new.find(old[:ANCHOR])) >= 0:
        pieces.append((stays, new[:place]))
        same = _common_prefix(old, new[place:])
        stays = _utf16_length(old[:same])
        old, new = old[same:], new[place + same :]
    return [*pieces, (stays, new)]


def _appended_code(old: str, new: str) -> str:
    """The text at which the code block ``new`` is longer than ``old``; empty where they are something else."""
    before, after = _CODE_BLOCK.fullmatch(old), _CODE_BLOCK.fullmatch(new)
    if before is None or after is None or before[1] != after[1] or not after[2].startswith(before[2]):
        return ""
    return unescape(after[2][len(before[2]) :])


def _common_prefix(one: str, other: str) -> int:
    """How many characters two strings share at their beginning; halving compares in C, 100 times as fast as a loop."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
