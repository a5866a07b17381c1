"""Counts what one turn does, in a process of its own: ``python -m tests.support.turn_costs`` prints it as JSON.

A visitor opens a socket and asks three questions of a model that echoes. The figures of the handshake, of the first
question and of the third one are printed: the statements that reach the database, the connections that are opened to
it, the tasks, the steps on other threads, and the bytes that the visitor gets.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK")


class Costs:
    """The figures so far."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.connections = self.tasks = self.hops = self.bytes = 0

    def taken(self) -> dict[str, Any]:
        """Return the figures, and begin again."""
        figures = {**vars(self)}
        self.__init__()  # type: ignore[misc]
        return figures

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count until the end of the block. Nothing else may run in the process."""
        from django.db.backends.signals import connection_created
        from django.db.backends.utils import CursorWrapper

        loop, execute = asyncio.get_running_loop(), CursorWrapper.execute
        run_in_executor, create_task = loop.run_in_executor, loop.create_task

        def counted_execute(cursor: Any, sql: str, params: Any = None) -> Any:
            if not sql.startswith(TRANSACTION):
                self.statements.append(sql)
            return execute(cursor, sql, params)

        def counted_hop(*arguments: Any) -> Any:
            self.hops += 1
            return run_in_executor(*arguments)

        def counted_task(*arguments: Any, **options: Any) -> Any:
            self.tasks += 1
            return create_task(*arguments, **options)

        def connected(**_: Any) -> None:
            self.connections += 1

        connection_created.connect(connected)
        CursorWrapper.execute = counted_execute  # type: ignore[method-assign]
        loop.run_in_executor, loop.create_task = counted_hop, counted_task  # type: ignore[method-assign]
        yield
        CursorWrapper.execute = execute  # type: ignore[method-assign]
        loop.run_in_executor, loop.create_task = run_in_executor, create_task  # type: ignore[method-assign]
        connection_created.disconnect(connected)


async def measured(view: str) -> dict[str, dict[str, Any]]:
    """Return the figures of each step, in steady state: another visitor has done the same before."""
    from chat.engine.engine import engine

    await _visit(Costs(), f"first in {view}", view)
    costs = Costs()
    with costs.counting():
        figures = await _visit(costs, f"second in {view}", view)
    await engine().drain()
    return figures


async def _visit(costs: Costs, visitor: str, view: str) -> dict[str, dict[str, Any]]:
    from asgiref.sync import sync_to_async
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connections

    from chat.owners import VISITOR
    from tests.support.sockets import Socket

    session = SessionStore()
    session[VISITOR] = visitor
    await sync_to_async(session.save)()
    costs.taken()
    figures: dict[str, dict[str, Any]] = {}
    async with Socket.opened(session.session_key) as socket:
        figures["handshake"] = costs.taken()
        for number, name in enumerate(("first", "second", "third")):
            await _turn(costs, socket, f"m{number}", view)
            figures[name] = costs.taken()
    await sync_to_async(connections.close_all)()
    return figures


async def _turn(costs: Costs, socket: Any, message: str, view: str) -> None:
    from chat.engine.engine import engine

    user = {"id": message, "role": "user", "parts": [{"type": "text", "text": "A question of some length"}]}
    frame = {"trigger": "submit-message", "id": "c1", "messages": [user], "body": {"view": view}}
    request = await socket.send(frame)
    frames = await socket.rest(request)
    costs.bytes = sum(len(json.dumps(frame, separators=(",", ":"))) for frame in frames)
    await engine().tasks.wait(10)


def main() -> None:
    """Set a site up, measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="chatproject.settings")
        import django
        from django.conf import settings
        from django.core.management import call_command

        settings.CHAT = {
            "BACKENDS": {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend"}},
            "HEARTBEAT": 3_600.0,
            "DATABASE_THREADS": 1,
        }
        # As in a site that has changed nothing.
        settings.DATABASES["default"].update(CONN_MAX_AGE=0, OPTIONS={})
        django.setup()
        call_command("migrate", verbosity=0)
        sys.stdout.write(json.dumps(asyncio.run(measured(sys.argv[1]))))


if __name__ == "__main__":
    main()
