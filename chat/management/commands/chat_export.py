"""``manage.py chat_export``: writes everything that is stored about a user into one file."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.utils import timezone

from ...db.personal import everything
from ..documents import written
from ..owners import add_owner_arguments, owner_named

INSIDE = "chat.json"
"""The name of the document in a zip file."""


class Command(BaseCommand):
    """Writes an owner's conversations, with all branches, calls, ratings and share links, as JSON."""

    help = "Writes everything that the chat has stored about a user as one JSON document, which docs/data.md describes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the owner, the format and the file."""
        add_owner_arguments(parser)
        parser.add_argument("--format", choices=("json", "zip"), default="json", help="json, or the same in a zip file")
        parser.add_argument("--output", metavar="FILE", help="the file to write, which only its owner can read")

    def handle(
        self,
        *args: Any,
        user: str | None = None,
        pk: str | None = None,
        visitor: str | None = None,
        output: str | None = None,
        **options: Any,
    ) -> None:
        """Write the document, piece by piece. A file is replaced when the new one is complete."""
        try:
            named = owner_named(user, pk, visitor)
            pieces = written(everything(named.owner, named.about, timezone.now()))
            if output is not None:
                _write_file(Path(output), pieces, zipped=options["format"] == "zip")
            elif options["format"] == "zip":
                _write_zip(_standard_output(), pieces)
            else:
                for piece in pieces:
                    self.stdout.write(piece, ending="")
                self.stdout.write("")
        except DatabaseError as error:
            raise CommandError(f"The database does not answer, or lacks the app's tables: {error}") from error


def _write_file(path: Path, pieces: Iterator[str], *, zipped: bool) -> None:
    try:
        with _replacing(path) as file:
            if zipped:
                _write_zip(file, pieces)
            else:
                file.writelines(piece.encode() for piece in pieces)
                file.write(b"\n")
    except OSError as error:
        raise CommandError(f"The file {path} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file beside ``path``, readable only by its owner, and move it there when it is complete."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_zip(file: IO[bytes], pieces: Iterator[str]) -> None:
    with (
        ZipFile(file, "w", ZIP_DEFLATED) as archive,
        archive.open(INSIDE, "w", force_zip64=True) as inside,
        TextIOWrapper(inside, "utf-8", newline="\n") as text,
    ):
        text.writelines(pieces)


def _standard_output() -> IO[bytes]:
    if sys.stdout.isatty():
        raise CommandError("A zip file cannot be shown here: give --output FILE.")
    return sys.stdout.buffer
