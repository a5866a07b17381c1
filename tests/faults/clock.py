"""The time of day in a server process as a test sets it, both in Python and in what its database returns for now."""

import mmap
import struct
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

OFFSET = struct.Struct("d")


def set_offset(file: Path, seconds: float) -> None:
    """Set the clock of the process that follows ``file``, in seconds from the real time."""
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(OFFSET.pack(seconds))


def follow(file: Path) -> None:
    """Use the time given in ``file`` in this process from now on. Clocks that cannot be set stay real."""
    from django.db.models.functions import Now
    from django.utils import timezone

    with file.open("rb") as clock:
        shared = mmap.mmap(clock.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    real_time, real_now, on_sqlite, on_postgres = time.time, timezone.now, Now.as_sqlite, Now.as_postgresql

    def offset() -> float:
        return float(OFFSET.unpack(shared)[0])

    def as_sqlite(self: Any, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        sql, parameters = on_sqlite(self, *args, **kwargs)
        return sql.replace("'NOW'", f"'NOW', '{offset():+f} seconds'"), parameters

    def as_postgresql(self: Any, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        sql, parameters = on_postgres(self, *args, **kwargs)
        return f"({sql} + interval '{offset():f} seconds')", parameters

    time.time = lambda: real_time() + offset()
    timezone.now = lambda: real_now() + timedelta(seconds=offset())
    Now.as_sqlite, Now.as_postgresql = as_sqlite, as_postgresql  # type: ignore[method-assign]
