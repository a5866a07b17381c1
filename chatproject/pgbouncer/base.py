"""The deadlines of ``chatproject.postgres``, set in each transaction.

In transaction mode a connection to the server belongs to a client for only one transaction. Therefore pgbouncer refuses
or ignores the options of a client's connection, and a plain ``SET`` would affect the next client.
"""

from typing import Any

from django.db.backends.postgresql import base

from ..postgres import DEADLINES

_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in DEADLINES.items())


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that sets the deadlines at the start of each transaction, with one extra statement."""

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # not in the stubs
        if not autocommit:
            connection: Any = self.connection
            with self.wrap_database_errors:
                connection.execute(_SET)
