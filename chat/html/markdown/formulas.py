"""Converts formulas to MathML, or shows their source where MathML would lose a part of it."""

import re
from collections import Counter
from functools import lru_cache
from html import escape, unescape
from unicodedata import normalize
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import Converter

from .limits import MAX_FORMULA, MAX_FORMULA_DEPTH

# Macros can expand without limit, comments vanish, and character references look like those that the library writes.
_REFUSED = re.compile(r"(?<!\\)%|&#|\\(?:def|gdef|let|(?:re)?newcommand|newenvironment|DeclareMathOperator)\b")
_BRACE = re.compile("[{}]")
_ROW_SPACING = re.compile(r"\\\\\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
_NAMES = re.compile(
    r"\\begin\s*\{[a-zA-Z]+\*?\}(?:\{[lcr|\s]*\})?|\\end\s*\{[a-zA-Z]+\*?\}|\\(?:text)?color\{\w+\}|\\[hv]space\*?\{[^}]*\}"
    r"|\\[a-zA-Z]+"
)
_REFERENCE = re.compile(r"&amp;(#x[0-9A-Fa-f]{1,6};)")
# Formulas stay in their place: no attribute may move or resize anything by more than the size of a few letters.
_VALUE = re.compile(r"[a-z-]+|(?:[+]?[0-9]?[0-9]?(?:\.[0-9]+)?|-0?\.[0-9]+)(?:em|ex|pt)?")


@lru_cache(maxsize=512)
def formula(source: str, display: str) -> str:
    """Convert a TeX formula to HTML.

    Args:
        source: the formula without its delimiters.
        display: ``inline`` or ``block``.
    """
    try:
        return _mathml(source, display)
    except Exception:  # the library raises all kinds of errors, including IndexError and RecursionError
        delimiter = "$$" if display == "block" else "$"
        return f'<code class="llm-chat-math">{escape(f"{delimiter}{source}{delimiter}")}</code>'


def _mathml(source: str, display: str) -> str:
    if len(source) > MAX_FORMULA or _REFUSED.search(source):
        raise ValueError("This formula is too long, or has a command that is not allowed.")
    if source.count("{") > MAX_FORMULA_DEPTH and _nesting(source) > MAX_FORMULA_DEPTH:
        # Checked before the conversion, whose recursion would overflow the small stacks that threads have with musl.
        raise ValueError("This formula is nested too deeply.")
    sparse = _ROW_SPACING.sub(r"\\\\ ", source)
    root = Converter(display=display).convert_to_element(sparse)
    _group_fences(root)
    if _depth(root) > MAX_FORMULA_DEPTH:
        raise ValueError("This formula is nested too deeply.")
    if _letters(_NAMES.sub(" ", sparse)) - _letters(_shown(root)):
        raise ValueError("MathML would hide a part of this formula.")
    for element in root.iter():
        element.attrib = {name: value for name, value in element.items() if _is_small(value)}
    if display == "inline":  # the default of MathML
        root.attrib.pop("display", None)
    else:
        root.set("display", display)
    if len(root) == 1 and root[0].tag == "mrow" and not root[0].attrib:  # <math> is itself a row
        root[:] = root[0][:]
    root.set("alttext", source.strip())
    # The library writes characters as references, which ``tostring`` has escaped; only these are unescaped.
    return _REFERENCE.sub(r"&\1", tostring(root, encoding="unicode"))


def _group_fences(root: Element) -> None:
    """Put each matrix and its fences into a row: only at the ends of one fences grow, and an exponent has one base."""
    for parent in list(root.iter()):
        for place in range(len(parent) - 3, -1, -1):
            fenced = parent[place : place + 3]
            if len(parent) > 3 and [element.tag for element in fenced] == ["mo", "mtable", "mo"]:
                row = Element("mrow")
                row[:] = fenced
                parent[place : place + 3] = [row]


def _nesting(source: str) -> int:
    """Count the braces that are open at the deepest place of a formula."""
    depth = deepest = 0
    for brace in _BRACE.findall(source):
        depth += 1 if brace == "{" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_small(value: str) -> bool:
    return all(_VALUE.fullmatch(word) for word in value.split())


def _depth(element: Element) -> int:
    return 1 + max(map(_depth, element), default=0)


def _shown(element: Element) -> str:
    """Collect the text of ``element`` that a browser shows."""
    if element.tag == "mphantom":
        return ""
    return unescape(element.text or "") + "".join(map(_shown, element))


def _letters(text: str) -> Counter[str]:
    """Count the letters and digits of ``text``; a letter of a mathematical alphabet counts as the plain one."""
    return Counter(filter(str.isalnum, normalize("NFKC", text)))
