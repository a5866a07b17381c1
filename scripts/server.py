"""The site on this machine: its port, its database and its server."""

import errno
import os
import socket
import subprocess

from serve import SITE, serve
from steps import ROOT, SetUpError, say
from virtualenv import Virtualenv

HOST = "127.0.0.1"
EXAMPLE = "example.asgi:application"


def free_port(wanted: str) -> int:
    """Return the port as a number, checked before minutes are spent on an installation that could not be used."""
    if not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 65536):
        raise SetUpError(f'PORT must be a number from 1 to 65535, got "{wanted}".')
    with socket.socket() as probe:
        if os.name != "nt":  # where it would take the port from the program that uses it
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(wanted)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SetUpError(
                    f"Port {wanted} is taken: stop what uses it, or choose another: make run PORT=8123."
                ) from None
            raise SetUpError(
                f"Port {wanted} cannot be used ({error.strerror}): choose another: make run PORT=8123."
            ) from None
    return int(wanted)


def migrate(venv: Virtualenv) -> None:
    say("Bringing the database up to date ...")
    _manage(venv, "migrate", "--no-input", "--verbosity", "0")


def open_shop(venv: Virtualenv) -> None:
    """Make and fill the example's database, and print which model answers."""
    say("Opening the shop ...")
    _manage(venv, "open_shop", "--settings", "example.settings")


def _manage(venv: Virtualenv, *arguments: str) -> None:
    command = [venv.python, "manage.py", *arguments, "--no-color"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        kind, _, reason = done.stderr.strip().rpartition("\n")[2].partition(": ")
        refused = kind.endswith(".ImproperlyConfigured")
        raise SetUpError(reason if refused else f"The database could not be brought up to date: {reason or kind}")


def start(venv: Virtualenv, port: int, application: str = SITE) -> int:
    """Replace this process with the server, which prints its address once it listens."""
    say("Starting the server; Ctrl-C stops it.")
    return serve(str(venv.python), "--host", HOST, "--port", str(port), application=application)
