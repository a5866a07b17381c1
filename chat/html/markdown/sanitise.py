"""The sanitiser, the last step of each block, with the complete lists of what is allowed in one."""

import re
from functools import lru_cache

import nh3

from .highlight import TOKEN_CLASSES

# A box has no more than its class: its buttons are not in the HTML of a block. The page's script adds them, so that no
# text of a model's can bring a button.
_TEXT = (
    "a blockquote br code del div em h3 h4 h5 h6 hr input label li llm-chat-box ol p pre span strong table tbody td th"
    " thead tr ul"
)
_MATH = (
    "math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd"
    " mtext mtr munder munderover"
)
_SPACE = {"width", "height", "depth", "lspace", "voffset"}
_OPERATOR = "mathvariant stretchy fence form separator movablelimits minsize maxsize lspace rspace"

TAGS = frozenset(f"{_TEXT} {_MATH}".split())

ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "code": {"dir"},
    **{f"h{level}": {"data-level"} for level in range(3, 7)},
    "input": {"checked"},
    "llm-chat-box": {"data-file", "data-info", "data-language", "dir"},
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
    "a": {"llm-chat-cite"},
    "code": {"llm-chat-math"},
    "li": {"llm-chat-task"},
    "llm-chat-box": {"llm-chat-code", "llm-chat-table"},
    "p": {"llm-chat-plain"},
    "span": {"llm-chat-image", *TOKEN_CLASSES.values()},
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
    # An input can only be a check box that shows a state.
    set_tag_attribute_values={"a": {"target": "_blank"}, "input": {"type": "checkbox", "disabled": ""}},
)


def clean(html: str) -> str:
    """Remove everything from ``html`` that is not on the lists above."""
    return _cleaner.clean(html)


@lru_cache(maxsize=1024)
def is_address(href: str) -> bool:
    """Tell whether a link to ``href``, an escaped attribute value, is allowed and survives the sanitiser."""
    return bool(_ADDRESS.match(href)) and "href=" in clean(f'<a href="{href}"></a>')
