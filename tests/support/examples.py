"""The examples in the README and the docs that a site's developer copies, and the names they use from the package."""

import re
from pathlib import Path

from tests.support.environments import ROOT

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?<![\w/.])llm_chat(?:\.(?![EW]\d)\w+)+(?::\w+)?")
PATH = re.compile(r"(?:# |\{# )([\w/]+\.(?:py|html))(?: #\})?\n")
"""The first line of a block that is a file of the shop that the docs build."""
EXTRA = re.compile(r"django-llm-chat\[([\w,]+)\]")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> dict[str, str]:
    """Return the blocks of code in a language, keyed by page and line, without those that are whole files."""
    return {
        f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}": found[2]
        for page, text in _texts()
        for found in FENCE.finditer(text)
        if found[1] == language and not PATH.match(found[2])
    }


def files() -> dict[str, str]:
    """Return the files of the shop that the docs build, in the order of the page, by their paths."""
    found = [block[2] for _, text in _texts() for block in FENCE.finditer(text)]
    named = [(match[1], block) for block in found if (match := PATH.match(block))]
    assert len(dict(named)) == len(named), "The docs show a file twice."
    return dict(named)


def names() -> list[str]:
    """Return the modules of the package, and the names in them, that the pages mention."""
    return sorted({name for _, text in _texts() for name in NAME.findall(text)})


def extras() -> set[str]:
    """Return the extras of the package that the pages tell people to install."""
    return {extra for _, text in _texts() for found in EXTRA.findall(text) for extra in found.split(",")}


def _texts() -> list[tuple[Path, str]]:
    return [(page, page.read_text()) for page in PAGES]
