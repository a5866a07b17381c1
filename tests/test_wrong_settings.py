"""A site with a wrong ``CHAT``, under real servers: it does not start, and prints the reason."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from scripts.lease import hold
from tests.support.processes import ROOT, WAIT, migrated_folder, site_environment

UVICORN = ["-m", "uvicorn", "chatproject.asgi:application"]
URL = 'CHAT["REDIS_URL"] must be a URL such as "redis://localhost:6379/0", "rediss://..." or "unix://...".'


def environment(folder, changes):
    shutil.copy(Path(migrated_folder().name) / "db.sqlite3", folder)
    module = "tests.support.changed_settings"
    return site_environment(folder, DJANGO_SETTINGS_MODULE=module, CHAT_CHANGES=json.dumps(changes))


def started(folder, changes, *command):
    """Run a server until it exits; return its exit status and the lines that it has printed."""
    port = ["0"] if command[0] == "manage.py" else ["--port", "0"]
    done = subprocess.run(
        [sys.executable, *command, *port],
        cwd=ROOT,
        env=environment(folder, changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("command", "changes", "sentence"),
    [
        (["scripts/serve.py"], {"REDIS_URL": "nonsense"}, URL),
        ([*UVICORN], {"SOCKET_PATH": 7}, 'CHAT["SOCKET_PATH"] must be a path that begins with "/", got 7.'),
    ],
    ids=["serve.py", "uvicorn"],
)
def test_under_uvicorn_the_sentence_is_the_last_thing_that_is_printed(tmp_path, command, changes, sentence):
    status, lines = started(tmp_path, changes, *command)
    assert (status, lines[-1]) == (3, sentence)
    assert not any("Traceback" in line or "unsupported" in line for line in lines)


def test_under_daphne_the_sentence_is_the_last_thing_that_is_printed(tmp_path):
    status, lines = started(tmp_path, {"TICK": 0}, "-m", "daphne", "chatproject.asgi:application")
    assert status == 1
    assert lines[-1].endswith('ImproperlyConfigured: CHAT["TICK"] must be a positive number of seconds, got 0.')


def test_under_runserver_the_check_has_the_sentence(tmp_path):
    status, lines = started(tmp_path, {"REDIS_URL": "nonsense"}, "manage.py", "runserver", "--noreload")
    assert (status, f"?: (llm_chat.E004) {URL}" in lines) == (1, True)


def test_several_workers_of_uvicorn_end_too(tmp_path):
    _, lines = started(tmp_path, {"REDIS_URL": "nonsense"}, *UVICORN, "--workers", "2")
    assert URL in lines
    assert lines[-1].startswith("INFO:     Stopping parent process")


def answer(url):
    """Request a URL, repeatedly until a server listens; return the status and the text."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=WAIT) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_healthz_of_a_server_without_lifespan_is_503_with_the_sentence(tmp_path):
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *UVICORN, "--lifespan", "off", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        env = environment(tmp_path, {"REDIS_URL": "nonsense"})
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    hold(server.pid)
    try:
        assert answer(f"http://127.0.0.1:{port}/healthz") == (503, f"{URL}\n")
        assert answer(f"http://127.0.0.1:{port}/readyz") == (503, f"{URL}\n")
    finally:
        server.terminate()
        server.wait(WAIT)
