"""A real MariaDB, on a unix socket in a folder of its own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts.lease import hold
from tests.faults.services import wait_until

SETTINGS = """
import pymysql
pymysql.version_info = (2, 2, 7, "final", 0)  # what Django asks of mysqlclient
pymysql.install_as_MySQLdb()
DATABASES["default"] = {{
    "ENGINE": "django.db.backends.mysql",
    "NAME": "site",
    "USER": "root",
    "OPTIONS": {{"unix_socket": "{socket}", "charset": "utf8mb4"}},
}}
"""


@contextlib.contextmanager
def running(mariadbd: str, folder: Path) -> Iterator[str]:
    """Run a server with an empty database ``site``, and yield the lines of settings that name it."""
    data, socket = folder / "data", folder / "m.sock"
    own = ("--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking")
    user = ("--user=root",) if os.geteuid() == 0 else ()
    install = ("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal")
    subprocess.run([*install, *user, "--skip-test-db"], check=True, capture_output=True)
    with (folder / "mariadb.log").open("w") as log:
        command = [mariadbd, *own, *user, "--innodb-flush-log-at-trx-commit=0", f"--pid-file={folder / 'pid'}"]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    hold(server.pid)
    try:
        wait_until(socket.exists, "MariaDB did not start")
        client = ("mariadb", "--no-defaults", f"--socket={socket}", "-u", "root")
        create = "CREATE DATABASE site CHARACTER SET utf8mb4"
        wait_until(lambda: not subprocess.run([*client, "-e", create], capture_output=True).returncode, "no database")
        yield SETTINGS.format(socket=socket)
    finally:
        server.terminate()
        server.wait(30)
