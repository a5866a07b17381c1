"""The version of the page, by which a server recognises pages made by another version of the app."""

import hashlib
from pathlib import Path

APP = Path(__file__).parent.parent
FOLDERS = ["static/llm_chat", "templates/llm_chat"]


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for folder in FOLDERS for path in APP.joinpath(folder).rglob("*") if path.is_file()):
        digest.update(path.relative_to(APP).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


PAGE_VERSION = _digest()
"""Digest of the page's scripts, styles and templates as they were when the process started."""
