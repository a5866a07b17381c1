"""Formulas as MathML, or as their source where MathML would lose something of it."""

import re
from collections import Counter
from functools import lru_cache
from html import escape, unescape
from unicodedata import normalize
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import Converter

from .limits import MAX_FORMULA, MAX_FORMULA_DEPTH

# Macros can grow without end, comments vanish, and a reference in the source could not be told from the library's own.
_REFUSED = re.compile(r"(?<!\\)%|&#|\\(?:def|gdef|let|(?:re)?newcommand|newenvironment|DeclareMathOperator)\b")
_BRACE = re.compile("[{}]")
_ROW_SPACING = re.compile(r"\\\\\[\s*-?[\d.]+\s*[a-z]{2}\s*\]")
_NAMES = re.compile(
    r"\\begin\s*\{[a-zA-Z]+\*?\}(?:\{[lcr|\s]*\})?|\\end\s*\{[a-zA-Z]+\*?\}|\\(?:text)?color\{\w+\}|\\[hv]space\*?\{[^}]*\}"
    r"|\\[a-zA-Z]+"
)
_REFERENCE = re.compile(r"&amp;(#x[0-9A-Fa-f]{1,6};)")
# Formulas stay in their place: no attribute moves, stretches or shrinks anything by more than a few letters.
_VALUE = re.compile(r"[a-z-]+|(?:[+]?[0-9]?[0-9]?(?:\.[0-9]+)?|-0?\.[0-9]+)(?:em|ex|pt)?")


@lru_cache(maxsize=512)
def formula(source: str, display: str) -> str:
    """HTML of a TeX formula without its delimiters; ``display`` is ``inline`` or ``block``."""
    try:
        return _mathml(source, display)
    except Exception:  # the library raises whatever its parser stumbles over, down to IndexError and RecursionError
        delimiter = "$$" if display == "block" else "$"
        return f'<code class="llm-chat-math">{escape(f"{delimiter}{source}{delimiter}")}</code>'


def _mathml(source: str, display: str) -> str:
    if len(source) > MAX_FORMULA or _REFUSED.search(source):
        raise ValueError("This formula is shown as its source.")
    if source.count("{") > MAX_FORMULA_DEPTH and _nesting(source) > MAX_FORMULA_DEPTH:
        # Before the conversion: it calls itself for each, and overflows the small stacks that threads have with musl.
        raise ValueError("This formula is nested too deeply.")
    sparse = _ROW_SPACING.sub(r"\\\\ ", source)
    root = Converter(display=display).convert_to_element(sparse)
    if _depth(root) > MAX_FORMULA_DEPTH:
        raise ValueError("This formula is nested too deeply.")
    if _letters(_NAMES.sub(" ", sparse)) - _letters(_shown(root)):
        raise ValueError("MathML would hide a part of this formula.")
    for element in root.iter():
        element.attrib = {name: value for name, value in element.items() if _is_small(value)}
    if display == "inline":  # as MathML has it without the attribute
        root.attrib.pop("display", None)
    else:
        root.set("display", display)
    if len(root) == 1 and root[0].tag == "mrow" and not root[0].attrib:  # a <math> is a row by itself
        root[:] = root[0][:]
    root.set("alttext", source.strip())
    # The library writes characters as references and leaves them to be unescaped, with everything else: not here.
    return _REFERENCE.sub(r"&\1", tostring(root, encoding="unicode"))


def _nesting(source: str) -> int:
    """Return how many braces are open at once at most."""
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
    """The text of ``element`` that a browser shows."""
    if element.tag == "mphantom":
        return ""
    return unescape(element.text or "") + "".join(map(_shown, element))


def _letters(text: str) -> Counter[str]:
    """Letters and digits of ``text``; a letter of a mathematical alphabet counts as the plain one."""
    return Counter(filter(str.isalnum, normalize("NFKC", text)))
