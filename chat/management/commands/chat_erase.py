"""``manage.py chat_erase``: deletes everything that is stored about a user, except the account."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from ...conf import conf
from ...db.erasure import counted, erase, remaining, running, stop_all
from ...owners import Owner
from ..owners import Named, add_owner_arguments, owner_named

HEARTBEATS = 5
"""How many heartbeats to wait for running answers to stop. Those that do not are given up by their processes later."""


class Command(BaseCommand):
    """Erases an owner's conversations, running ones too, with all that belongs to them."""

    help = (
        "Deletes everything that the chat has stored about a user: all conversations, also deleted ones that could be "
        "brought back, with their messages, calls of tools, ratings and share links. The account itself stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the owner, ``--dry-run`` and ``--no-input``."""
        add_owner_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="only count what would be erased")
        parser.add_argument("--no-input", action="store_false", dest="interactive", help="do not ask before")

    def handle(
        self,
        *args: Any,
        user: str | None = None,
        pk: str | None = None,
        visitor: str | None = None,
        dry_run: bool = False,
        interactive: bool = True,
        **options: Any,
    ) -> None:
        """Count, ask, stop the running answers, erase, and say what was erased."""
        try:
            named = owner_named(user, pk, visitor)
            counts = ", ".join(f"{count} {name}" for name, count in counted(named.owner).items())
            self.stdout.write(f"The chat has stored about {named.name}: {counts}.")
            if dry_run:
                return
            if interactive and not _agreed(named):
                raise CommandError("Nothing was erased.")
            _erase(named.owner)
        except DatabaseError as error:
            raise CommandError(f"The database refused it; run the command again: {error}") from error
        if remaining(named.owner):
            raise CommandError(f"Something was stored about {named.name} meanwhile: run the command again.")
        self.stdout.write("It is erased. The account itself was not changed.")


def _agreed(named: Named) -> bool:
    question = f'This cannot be undone. Type "yes" to erase everything about {named.name}: '
    try:
        return input(question) == "yes"
    except EOFError:
        raise CommandError("Nothing was erased: there is nobody to ask. Give --no-input to erase at once.") from None


def _erase(owner: Owner) -> None:
    """Stop the answers that run, wait until their processes have ended them, but not for long, and erase everything."""
    deadline = time.monotonic() + HEARTBEATS * conf.heartbeat
    stop_all(owner)
    while running(owner).exists() and time.monotonic() < deadline:
        time.sleep(conf.heartbeat / 10)
    erase(owner)
