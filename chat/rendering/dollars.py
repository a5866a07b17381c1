"""Dollar signs that are no formula: prices, variables of a shell.

The engine takes ``$HOME/bin:$`` in ``PATH=$HOME/bin:$PATH`` for a formula. As on GitHub, a formula neither follows nor
is followed by a letter or digit; but ``$n$th`` is one, and so is what has a command of TeX in it: ``2$\\pi$r``.
"""

import re

from .marks import DOLLAR

_TOKEN = re.compile(r"\\.|\$+|\n[ \t>]*\n", re.DOTALL)
_WORD = re.compile(r"[0-9A-Za-z_\u00c0-\u024f]")
_NO_END = re.compile(r"[0-9A-Za-z_\u00c0-\u024f({]")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)\b")
_LETTER = re.compile(r"[A-Za-z]|[A-Za-z][_^][0-9A-Za-z]")


def mark_dollars(text: str) -> str:
    """Mark each single dollar sign that begins and ends no formula."""
    literal: list[int] = []
    begun: int | None = None
    for token in _TOKEN.finditer(text):
        if token[0][0] == "\\" or (len(token[0]) > 1 and token[0][0] == "$"):
            continue
        place = token.start()
        if begun is not None and token[0] == "$" and _ends(text, begun, place):
            begun = None
            continue
        if begun is not None:
            literal.append(begun)
        begun = place if token[0] == "$" else None
    if begun is not None:
        literal.append(begun)
    return _with_marks(text, literal)


def _ends(text: str, begun: int, place: int) -> bool:
    """Whether the dollar sign at ``place`` ends the formula that the one at ``begun`` would begin."""
    formula = text[begun + 1 : place]
    if formula[:1].isspace() or formula[-1:].isspace():
        return False
    if "\\" in formula:
        return True
    if begun and _WORD.match(text, begun - 1):
        return False
    if not _NO_END.match(text, place + 1):
        return True
    return bool(_LETTER.fullmatch(formula) and _ORDINAL.match(text, place + 1))


def _with_marks(text: str, places: list[int]) -> str:
    pieces: list[str] = []
    end = 0
    for place in places:
        pieces += (text[end:place], DOLLAR)
        end = place + 1
    return "".join((*pieces, text[end:])) if places else text
