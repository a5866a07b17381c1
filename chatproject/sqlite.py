"""SQLite files that only their owner can read, as the secret key beside them."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE = 0o600


class PrivateFile(sqlite3.Connection):
    """A connection that creates a missing file for its owner alone; a file that exists keeps its mode.

    SQLite gives the mode of the file to its ``-wal`` and ``-shm``.
    """

    def __init__(self, database: Any, **options: Any) -> None:
        name = os.fspath(database)
        if name != ":memory:" and not name.startswith("file:"):
            with suppress(OSError):  # it exists, or SQLite will say what is wrong
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
        super().__init__(database, **options)


def take_from_others(file: Path) -> None:
    """Make a database private that an earlier version created for all to read."""
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        with suppress(OSError):  # it does not exist, or is somebody else's
            if path.stat().st_mode & 0o077:
                path.chmod(PRIVATE)
