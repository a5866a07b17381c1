"""Everything that a run has started ends when the run is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import services

ROOT = Path(__file__).parent.parent
WAIT = 30.0
"""Three times the 10 s that are promised."""

STUB = """
import subprocess, sys
from scripts.lease import hold
nested = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])"
program = subprocess.Popen([sys.executable, "-S", "-c", nested], start_new_session=True)
hold(program.pid)
import psutil
while not (children := psutil.Process(program.pid).children()): pass
print(program.pid, children[0].pid, flush=True)
sys.stdin.read()
"""
MAKE = "import subprocess, sys; subprocess.run(sys.argv[1:])"
TESTS = """
import signal, sys, tempfile
from pathlib import Path
from tests.faults.services import PostgresServer, RedisServer
from tests.support.processes import SiteProcess, site_environment
postgres, redis = PostgresServer(), RedisServer()
postgres.stop()
postgres.start()
postgres.pause()
folder = Path(tempfile.mkdtemp())
site = SiteProcess("uvicorn", site_environment(folder), folder / "log")
site.pause()
with redis.client() as client:
    print(postgres._server.get_pid(), client.info()["process_id"], site.process.pid, flush=True)
sys.stdin.read()
"""
POSTGRES = """
import sys
from tests.faults.services import PostgresServer
postgres = PostgresServer()
print(postgres._server.get_pid(), flush=True)
sys.stdin.read()
"""
CLUSTER = """
import sys, tempfile
from pathlib import Path
import psutil, services
folder = Path(tempfile.mkdtemp())
folder.chmod(0o755)
postgres, redis = services.Postgres(folder / "postgres"), services.redis(folder)
web = services.web("web", sys.executable, folder, {"DATA_DIR": str(folder)})
nginx = services.balancer(folder, services.free_port(), [web])
for service in (redis, web, nginx):
    service.wait_until_it_listens()
started = [service.process.pid for service in (redis, web, nginx)]
workers = [worker.pid for worker in psutil.Process(nginx.process.pid).children()]
print(postgres._server.get_pid(), *started, *workers, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder():
    """Provide a folder that other users may enter, unlike pytest's: PostgreSQL and nginx do not run as root."""
    with tempfile.TemporaryDirectory(prefix="lease-") as folder:
        Path(folder).chmod(0o755)
        yield folder


@contextlib.contextmanager
def started(script, *command, **environment):
    """Yield a program in a separate session, and the processes that it reports; ``command`` starts it."""
    inherited = {name: value for name, value in os.environ.items() if name != "MAKELEVEL"}
    environment = {**inherited, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}", **environment}
    command = [*command, sys.executable, "-W", "ignore", "-c", script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes) as parent:
        processes = []
        try:
            processes += [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
            assert processes, "nothing was started"
            yield parent, processes
        finally:
            parent.kill()
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def assert_gone(processes):
    deadline = time.monotonic() + WAIT
    while left := [process for process in processes if lives(process)]:
        assert time.monotonic() < deadline, f"after {WAIT} s there are still {left}"
        time.sleep(0.02)


def lives(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a15_programs_and_their_children_end_with_the_process_that_started_them(number):
    with started(STUB) as (parent, processes):
        os.killpg(parent.pid, number)  # as a closing terminal does
        assert_gone(processes)


def test_a15_programs_end_with_make_when_it_has_started_their_parent(folder):
    with started(POSTGRES, sys.executable, "-c", MAKE, MAKELEVEL="1", TMPDIR=folder) as (make, processes):
        processes += psutil.Process(make.pid).children(recursive=True)
        make.kill()
        assert_gone(processes)


def test_a15_a_parent_that_ends_normally_ends_at_once_and_so_do_its_forgotten_programs():
    with started(STUB) as (parent, processes):
        parent.stdin.close()
        assert parent.wait(WAIT) == 0
        assert_gone(processes)


def test_a15_programs_of_other_parents_keep_running():
    with started(STUB) as (_, others):
        with started(STUB) as (parent, processes):
            parent.kill()
            assert_gone(processes)
        assert all(map(lives, others))


@pytest.mark.parametrize(
    ("script", "number"), [(TESTS, signal.SIGHUP), (CLUSTER, signal.SIGKILL)], ids=["tests", "cluster"]
)
def test_a15_the_servers_are_gone_after_the_end_of_their_run(script, number, folder):
    if script is CLUSTER and not services.found_program("nginx"):
        pytest.skip("nginx is not installed here: `make cluster` installs it, or says how")
    with started(script, TMPDIR=folder) as (parent, processes):
        processes += [child for process in processes for child in process.children(recursive=True)]
        parent.send_signal(number)
        assert_gone(processes)
