"""The site as several processes behind a balancer, with Redis and PostgreSQL: Docker Compose's topology without Docker.

    python scripts/cluster.py [port]    as `make cluster` does, once it has made .venv; Ctrl-C ends it all

Its data is in a temporary folder, which is deleted at the end. If it is killed, its parts end with it. The tests start
the same cluster and make parts of it fail.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from services import HOST, Postgres, Service, balancer, redis, web
from steps import ROOT, SetUpError, say

LOOK = 1.0


class Cluster:
    """A running cluster. ``webs`` are the site's processes, ``balancer`` is what visitors reach at ``url``."""

    def __init__(self, webs: list[Service], redis: Service, postgres: Postgres, balancer: Service) -> None:
        self.webs = webs
        self.redis = redis
        self.postgres = postgres
        self.balancer = balancer
        self.url = f"http://{HOST}:{balancer.port}"


@contextlib.contextmanager
def running(
    folder: Path, port: int, processes: int = 2, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Start the cluster's services in order, and stop them in the opposite order, whatever happens."""
    with contextlib.ExitStack() as stack:
        postgres = Postgres(folder / "postgres")
        stack.callback(postgres.stop)
        store = redis(folder)
        stack.callback(store.stop)
        store.wait_until_it_listens()
        own = {
            "DATA_DIR": str(folder),
            **(environment or {}),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": f"redis://{HOST}:{store.port}/0",
        }
        _migrate(own)
        webs = []
        for number in range(1, processes + 1):
            webs.append(web(f"web{number}", sys.executable, folder, own))
            stack.callback(webs[-1].stop)
        for process in webs:
            process.wait_until_it_listens()
        front = balancer(folder, port, webs)
        stack.callback(front.stop)
        front.wait_until_it_listens()
        yield Cluster(webs, store, postgres, front)


def _migrate(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SetUpError(f"The database could not be brought up to date: {done.stderr.strip().splitlines()[-1]}")


def main(arguments: list[str]) -> int:
    """Run the cluster until Ctrl-C, and report any part that ends meanwhile."""
    port = int(arguments[0]) if arguments else 8000
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="chat-cluster-") as folder:
        say("Starting PostgreSQL, Redis, two processes of the site and nginx ...")
        with running(Path(folder), port) as cluster:
            for process in cluster.webs:
                say(f"  {process.name} is process {process.process.pid}, its log is {process.log}")
            say(f"The site is at {cluster.url}/; Ctrl-C stops it all.")
            try:
                _watch([*cluster.webs, cluster.redis, cluster.balancer])
            except KeyboardInterrupt:
                say("\nStopping; answers that are being written may finish ...")
    return 0


def _watch(services: list[Service]) -> None:
    while True:
        for service in [service for service in services if not service.runs]:
            say(f"{service.name} has ended, with exit code {service.process.returncode}.")
            services.remove(service)
        time.sleep(LOOK)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetUpError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
