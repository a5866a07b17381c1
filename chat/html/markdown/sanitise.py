"""The sanitiser, the last step of each block, with the complete lists of what is allowed in one."""

import re
from functools import lru_cache

import nh3

from .highlight import TOKEN_CLASSES

_TEXT = "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre span strong table tbody td th thead tr ul"
_MATH = (
    "math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd"
    " mtext mtr munder munderover"
)
_SPACE = {"width", "height", "depth", "lspace", "voffset"}
_OPERATOR = "mathvariant stretchy fence form separator movablelimits minsize maxsize lspace rspace"

TAGS = frozenset(f"{_TEXT} {_MATH}".split())

ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "div": {"tabindex"},
    "code": {"dir"},
    "pre": {"dir", "tabindex", "data-language", "data-info"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
    "math": {"display", "alttext"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mtext": {"mathvariant"},
    "mo": set(_OPERATOR.split()),
    "mfrac": {"linethickness"},
    "mspace": {*_SPACE, "linebreak"},
    "mpadded": _SPACE,
    "menclose": {"notation"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "munderover": {"accent", "accentunder"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"columnalign", "columnlines", "columnspacing", "displaystyle", "rowlines", "rowspacing"},
    "mtd": {"columnalign"},
}

CLASSES: dict[str, set[str]] = {
    "code": {"llm-chat-math"},
    "div": {"llm-chat-table"},
    "p": {"llm-chat-plain"},
    "pre": {"llm-chat-code"},
    "span": {"llm-chat-image", "llm-chat-task", *TOKEN_CLASSES.values()},
}

SCHEMES = frozenset({"http", "https", "mailto"})

# A path from the root of this site is allowed. A relative one is not: no model means a path below the chat's own page.
_ADDRESS = re.compile(r"https?://[^/]|mailto:.|/(?![/\\])", re.IGNORECASE)

_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    allowed_classes=CLASSES,
    url_schemes=SCHEMES,
    clean_content_tags=set(),
    link_rel="noreferrer",
    # Links open beside the chat, not in its place: an answer may be running, or the chat may be in a small frame.
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def clean(html: str) -> str:
    """Remove everything from ``html`` that is not on the lists above."""
    return _cleaner.clean(html)


@lru_cache(maxsize=1024)
def is_address(href: str) -> bool:
    """Tell whether a link to ``href``, an escaped attribute value, is allowed and survives the sanitiser."""
    return bool(_ADDRESS.match(href)) and "href=" in clean(f'<a href="{href}"></a>')
