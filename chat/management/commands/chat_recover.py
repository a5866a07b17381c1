"""``manage.py chat_recover``: ends the answers of dead processes, as running processes do by themselves."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from ...conf import conf
from ...db.threads import close_pool
from ...engine.recovery import find_dead, recover
from ...streams.loading import make_streams


class Command(BaseCommand):
    """Ends the answers of dead processes, when the site is down or an operator does not want to wait."""

    help = (
        'Ends every running answer whose process writes no heartbeat for CHAT["PROCESS_TIMEOUT"] seconds, '
        "and keeps its text. This takes that long. Running processes do the same by themselves."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Watch the processes, recover once, and print how many answers were ended."""
        try:
            ended = asyncio.run(_recover())
        except DatabaseError as error:
            raise CommandError(f"The database does not answer, or lacks the app's tables: {error}") from error
        self.stdout.write(f"{ended} answers of processes silent for {conf.process_timeout:g} s were ended.")


async def _recover() -> int:
    streams = make_streams()
    await streams.start("chat_recover", lambda answer: None)
    try:
        return len(await recover(streams, await find_dead()))
    finally:
        await streams.finish()
        await asyncio.to_thread(close_pool)
