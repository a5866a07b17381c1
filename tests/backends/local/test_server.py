"""The child process itself: it reads one line, prints one line, and is silent."""

import json
import subprocess
import sys

import pytest

from chat.backends.local.child import SERVER, find_weights


@pytest.fixture
def server():
    options = {"weights": str(find_weights(None)), "api_key": "key", "slots": 1, "context": 256, "threads": 1}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", SERVER], **pipes) as process:
        process.stdin.write(json.dumps(options).encode() + b"\n")
        process.stdin.flush()
        yield process
        process.kill()


@pytest.mark.model
def test_it_prints_only_its_address_and_exits_at_the_end_of_its_input(server):
    address = server.stdout.readline()
    rest, errors = server.communicate(timeout=5)
    assert address.startswith(b"http://127.0.0.1:")
    assert (rest, errors, server.returncode) == (b"", b"", 0)


def test_it_exits_if_its_input_ends_before_the_options():
    process = subprocess.run([sys.executable, "-m", SERVER], input=b"", capture_output=True, check=False, timeout=10)
    assert process.stdout == b""
    assert process.returncode != 0
