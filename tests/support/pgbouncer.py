"""A real pgbouncer in transaction mode, in front of a PostgreSQL of the tests."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from services import found_program

from tests.faults.services import PostgresServer, free_port, wait_until

CONFIGURATION = """
[databases]
* = host={socket} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
logfile = {folder}/pgbouncer.log
"""


@contextlib.contextmanager
def pgbouncer(server: PostgresServer, folder: Path, size: int = 1) -> Iterator[str]:
    """Yield the beginning of a ``DATABASE_URL``, without the database's name; skip the test without pgbouncer.

    It opens at most ``size`` connections to the server: with one, every transaction shares it.
    """
    program = found_program("pgbouncer") or pytest.skip("pgbouncer is not installed here")
    port = free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(socket=server.folder, port=port, size=size, folder=folder))
    as_somebody: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root, and only the server's user can open its socket
        as_somebody = ["-u", "pgserver"]
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        shutil.chown(folder, "pgserver")
    process = subprocess.Popen([program, "-q", *as_somebody, str(file)], stderr=subprocess.DEVNULL)
    log = folder / "pgbouncer.log"
    try:
        wait_until(lambda: "process up" in (log.read_text() if log.exists() else ""), "pgbouncer did not start")
        yield f"postgres://postgres@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
