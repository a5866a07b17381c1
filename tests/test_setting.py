"""One setting; a new one needs nothing but its row and the README."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat.setting import COUNT, SECONDS, Setting

ROOT = Path(__file__).parent.parent

ROW = '    patience = Setting(SECONDS, 9.0, "How long a visitor is expected to wait")\n'
SITE = "from chatproject.settings import *\nCHAT = {**CHAT, 'PATIENCE': -1, 'PATIENC': 1}\n"


class Site:
    """An object with settings of its own."""

    def __init__(self, **values):
        self.values = values

    patience = Setting(SECONDS, 9.0, "How long to wait")
    places = Setting(COUNT, 3, "How many", secret=True)


def test_a_setting_is_read_at_each_access():
    site = Site()
    assert site.patience == 9.0
    site.values["PATIENCE"] = 2
    assert site.patience == 2.0


def test_a_secret_is_not_quoted():
    assert Site.places.complaint("1234") == 'CHAT["PLACES"] must be a positive integer, got a value of type str.'


@pytest.mark.parametrize("value", [True, 1.5, float("nan"), float("inf"), -1, 0, "1", None, [1]])
def test_a_value_that_is_not_a_positive_integer_is_refused(value):
    assert Site.places.complaint(value)


def test_integers_may_be_written_as_floats():
    assert Site.places.complaint(1e6) == ""


@pytest.fixture
def tree(tmp_path):
    """Copy the files of the project that its checks and the README's table need."""
    for name in ("chat", "chatproject", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "static", "locale"))
    for name in ("manage.py", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(tree, *arguments):
    environment = {**os.environ, "DATA_DIR": str(tree), "DJANGO_SETTINGS_MODULE": "site_with_patience"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=60)


def test_a_new_setting_is_one_row_and_the_readme(tree):
    conf = tree / "chat" / "conf.py"
    text = conf.read_text()
    before = "    tick = Setting("
    assert before in text
    conf.write_text(text.replace(before, ROW + before))
    (tree / "site_with_patience.py").write_text(SITE)
    checked = run(tree, "manage.py", "check")
    assert checked.returncode == 1
    assert 'CHAT["PATIENCE"] must be a positive number of seconds, got -1.' in checked.stderr
    assert 'CHAT["PATIENC"] is not a known setting. Did you mean "PATIENCE"?' in checked.stderr
    assert run(tree, "scripts/settings_table.py").returncode == 0
    assert (
        "| `PATIENCE` | `9.0` s | How long a visitor is expected to wait |\n| `TICK` |"
        in (tree / "README.md").read_text()
    )
