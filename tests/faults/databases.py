"""The database that a site's processes use, and how a test reads it."""

import contextlib
import itertools
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chatproject.postgres import DEADLINES
from tests.faults import pace
from tests.faults.services import PostgresServer
from tests.support.processes import migrate, site_environment

IDLE = f"{max(pace.seconds(30.0), 2.0):g}s"
"""How long PostgreSQL lets a suspended process hold its locks: ``chatproject``'s deadline, at the tests' scale."""

_names = (f"site{number}" for number in itertools.count())


class Database(ABC):
    """A migrated database for one site; ``url`` is its ``DATABASE_URL``."""

    url: str
    pool = 0
    """The number of idle connections, or of files, that a process may keep open."""

    @abstractmethod
    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds, with its ``values`` in place of each ``%s``."""

    @abstractmethod
    def connections(self) -> int:
        """Return how many connections the site has open; 0 where that is not known."""

    @abstractmethod
    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Block every write to a conversation until the context ends; writers wait."""

    @abstractmethod
    def drop(self) -> None:
        """Delete the database."""


class Sqlite(Database):
    """A database in a file."""

    pool = 3 * 8  # the database, its log and its index, for each of ``CHAT["DATABASE_THREADS"]``

    def __init__(self, folder: Path, template: Path) -> None:
        self.path = folder / "db.sqlite3"
        self.url = f"sqlite:///{self.path}"
        shutil.copy(template, self.path)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as connection:
            return connection.execute(query.replace("%s", "?"), values).fetchall()

    def connections(self) -> int:
        return 0

    def drop(self) -> None:
        for file in self.path.parent.glob("db.sqlite3*"):
            file.unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


class Postgres(Database):
    """A database on a PostgreSQL server."""

    pool = 16  # as chatproject.postgres has it

    def __init__(self, server: PostgresServer, template: str) -> None:
        self.server = server
        self.name = next(_names)
        deadlines = {**DEADLINES, "idle_in_transaction_session_timeout": IDLE}
        options = " ".join(f"-c {name}={value}" for name, value in deadlines.items())
        self.url = f"{server.url(self.name)}?{urlencode({'options': options})}"
        server.create(self.name, template)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.server.connect(self.name) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def connections(self) -> int:
        return self.server.connections(self.name) - 1

    def waits(self) -> bool:
        """Tell whether any transaction waits for a lock."""
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(self.rows(query))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with self.server.connect(self.name) as connection, connection.transaction():
            connection.execute("LOCK TABLE llm_chat_conversation IN EXCLUSIVE MODE")
            yield

    def drop(self) -> None:
        self.server.drop(self.name)


def sqlite_template(folder: Path) -> Path:
    """Create a migrated file to copy."""
    migrate(site_environment(folder))
    return folder / "db.sqlite3"


def postgres_template(server: PostgresServer, folder: Path) -> str:
    """Create a migrated database to copy, and return its name."""
    server.create("migrated")
    migrate(site_environment(folder, DATABASE_URL=server.url("migrated")))
    return "migrated"
