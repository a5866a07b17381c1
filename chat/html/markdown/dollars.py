r"""Finds dollar signs that do not delimit a formula: prices and shell variables.

The engine takes ``$HOME/bin:$`` in ``PATH=$HOME/bin:$PATH`` for a formula. As on GitHub, a formula neither follows a
letter or digit nor is followed by one; exceptions are ordinals (``$n$th``) and formulas with a TeX command
(``2$\pi$r``).
"""

import re

from .marks import DOLLAR

# The beginning of another block, or a whole table row: no formula extends across it.
_EDGE = re.compile(
    r"(^[ \t>]*+(?:\n|[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t].*|```|~~~|\|.*\|[ \t]*$))", re.MULTILINE
)
_BAR = re.compile(r"(?<!\\)(\|)")
_TOKEN = re.compile(r"\\.|\$+", re.DOTALL)
_WORD = re.compile(r"[0-9A-Za-z\u00c0-\u024f]")
_FOLLOWER = re.compile(r"_*[0-9A-Za-z\u00c0-\u024f]|[({]")
_NO_LAST = re.compile(r"[\s\u3001-\u3003\uff08\uff0c\uff1a\uff1b]")
_ORDINAL = re.compile(r"(?:th|st|nd|rd|s)\b")
_LETTER = re.compile(r"[A-Za-z]|[A-Za-z][_^][0-9A-Za-z]")
# A formula that may be followed by an opening parenthesis, unlike ``$HOME`` and ``$(date)``.
_NO_SHELL = re.compile(r"(?![({])(?!\w+\Z)(?!.*[A-Za-z]{3}).*[\w)\]]", re.DOTALL)


def mark_dollars(text: str) -> str:
    """Mark each single dollar sign that does not begin or end a formula."""
    return "\n\n".join(_in_paragraph(part) if "$" in part else part for part in text.split("\n\n"))


def _in_paragraph(text: str) -> str:
    return "".join([_in_piece(piece) if "$" in piece else piece for piece in _EDGE.split(text)])


def _in_piece(piece: str) -> str:
    """Mark a piece, or each cell of a table row; the engine cannot mistake a dollar sign that is alone in its cell."""
    cells = _cells(piece)
    alone = 1 if len(cells) > 1 else 0
    return "".join([_marked(cell) if cell.count("$") > alone else cell for cell in cells])


def _cells(piece: str) -> list[str]:
    return _BAR.split(piece) if piece.rstrip().endswith("|") and piece.lstrip(" \t>").startswith("|") else [piece]


def _marked(text: str) -> str:
    literal: list[int] = []
    opening: int | None = None
    for token in _TOKEN.finditer(text):
        place = token.start()
        if token[0] != "$":
            continue
        if opening is not None and _ends(text, opening, place):
            opening = None
            continue
        if opening is not None:
            literal.append(opening)
        opening = place
    if opening is not None:
        literal.append(opening)
    return _with_marks(text, literal)


def _ends(text: str, opening: int, place: int) -> bool:
    """Tell whether the dollar sign at ``place`` ends a formula that begins with the one at ``opening``."""
    formula = text[opening + 1 : place]
    if formula[:1].isspace() or _NO_LAST.match(formula[-1:]) or formula.count("`") % 2:  # one dollar sign is in code
        return False
    follower = _FOLLOWER.match(text, place + 1)
    if "\\" in formula:
        return follower is None or not formula.endswith((":", ";", "/"))
    if opening and _WORD.match(text, opening - 1):
        return False
    return follower is None or _may_be_followed_by(formula, follower[0], text, place + 1)


def _may_be_followed_by(formula: str, follower: str, text: str, place: int) -> bool:
    """Tell whether a formula may be followed by this letter, digit or bracket, as in ``$n$th`` and ``$f$(x)``."""
    if follower == "(":
        return bool(_LETTER.fullmatch(formula) or _NO_SHELL.fullmatch(formula))
    return bool(_LETTER.fullmatch(formula) and _ORDINAL.match(text, place))


def _with_marks(text: str, places: list[int]) -> str:
    pieces: list[str] = []
    end = 0
    for place in places:
        pieces += (text[end:place], DOLLAR)
        end = place + 1
    return "".join((*pieces, text[end:])) if places else text
