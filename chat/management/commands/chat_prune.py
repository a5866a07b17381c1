"""``manage.py chat_prune``: removes the conversations that ``CHAT["RETENTION"]`` keeps no longer."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from ...conf import conf
from ...db.retention import removable, remove, unfinished
from ...retention import KINDS

PAUSE = 0.02
"""The shortest pause between two transactions, in seconds. After a longer one, the pause is as long as it took."""


class Command(BaseCommand):
    """Removes old conversations with all that belongs to them, beside live servers. Run it once a day."""

    help = (
        'Removes the conversations that were last used longer ago than CHAT["RETENTION"] says, with their messages, '
        "calls of tools, share links and ratings. Answers that run or wait for a decision are left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--dry-run``."""
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, dry_run: bool = False, **options: Any) -> None:
        """Remove or count the conversations, and print a line for each kind of owner."""
        if not conf.retention:
            self.stdout.write('CHAT["RETENTION"] has no entries: every conversation is kept.')
            return
        try:
            for kind in KINDS:
                self.stdout.write(_line(kind, dry_run=dry_run))
        except DatabaseError as error:
            raise CommandError(f"The database does not answer, or lacks the app's tables: {error}") from error


def _line(kind: str, *, dry_run: bool) -> str:
    age = conf.retention.get(kind)
    if age is None:
        return f"{kind}: kept forever."
    count = removable(kind).count() if dry_run else _remove(kind)
    done = "would be removed" if dry_run else "removed"
    line = f"{kind}, kept for {age.total_seconds() / 86_400:g} days: {_conversations(count)} {done}."
    left = unfinished(kind).count()
    return f"{line} {_conversations(left)} left, because an answer runs or waits for a decision." if left else line


def _remove(kind: str) -> int:
    """Remove the conversations of a kind of owner, with pauses in which others can write; return how many."""
    count, began = 0, time.monotonic()
    for removed in remove(kind):
        count += removed
        time.sleep(max(PAUSE, time.monotonic() - began))
        began = time.monotonic()
    return count


def _conversations(count: int) -> str:
    return f"{count} conversation{'' if count == 1 else 's'}"
