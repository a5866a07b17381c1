"""Writes the README's table of settings from the rows of chat/conf.py.

    python scripts/settings_table.py

tests/test_docs.py compares both.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
HEAD = "| Setting | Default | Description |\n|---|---|---|\n"


def table() -> str:
    """Return the table of the settings, in Markdown."""
    sys.path.insert(0, str(ROOT))
    from chat.conf import SETTINGS

    return HEAD + "".join(f"{setting.row}\n" for setting in SETTINGS.values())


def written(text: str) -> str:
    """Return the README's text with the current table."""
    begin = text.index("\n## Settings\n")
    return text[:begin] + re.sub(r"(?:^\|.*\n)+", lambda _: table(), text[begin:], count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
