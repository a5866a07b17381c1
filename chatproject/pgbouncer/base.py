"""The deadlines of ``chatproject.postgres``, set in each transaction.

In transaction mode a connection to the server belongs to a client for one transaction only. pgbouncer therefore refuses
or drops what a client asks for when it connects, and a plain ``SET`` would reach the next client.
"""

from typing import Any

from django.db.backends.postgresql import base

from ..postgres import DEADLINES

_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in DEADLINES.items())


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose transactions begin with their deadlines: one more statement for each, none outside of them."""

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # not in the stubs
        if not autocommit:
            connection: Any = self.connection
            with self.wrap_database_errors:
                connection.execute(_SET)
