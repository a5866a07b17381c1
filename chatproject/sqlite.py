"""SQLite files that only their owner can read, like the secret key beside them."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE = 0o600


class PrivateFile(sqlite3.Connection):
    """A connection that creates a missing file readable only by its owner; an existing file keeps its mode.

    SQLite copies the mode of the file to its ``-wal`` and ``-shm``.
    """

    def __init__(self, database: Any, **options: Any) -> None:
        name = os.fspath(database)
        if name != ":memory:" and not name.startswith("file:"):
            with suppress(OSError):  # it exists, or SQLite will report what is wrong
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
        super().__init__(database, **options)


def take_from_others(file: Path) -> None:
    """Make a database private that an earlier version created readable for everybody."""
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        with suppress(OSError):  # it does not exist, or belongs to another user
            if path.stat().st_mode & 0o077:
                path.chmod(PRIVATE)
