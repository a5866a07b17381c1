"""The packages of node: installed once for each lock file, and what is said where there is no node."""

import os
import stat

import node_packages
import pytest
from steps import SetUpError


@pytest.fixture
def folder(tmp_path):
    """A project of node's, with a lock file."""
    folder = tmp_path / "project"
    (folder / "node_modules").mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}")
    return folder


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Put a node and an npm on the PATH, which is otherwise empty; each run of npm adds a line to the file returned."""
    runs = tmp_path / "runs"
    for name in ("node", "npm"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$1" >> {runs}\necho "no such package"\nexit ${{NPM_CODE:-0}}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return runs


def test_packages_are_installed_once_for_each_lock_file(folder, npm, tmp_path):
    for lock in ("{}", "{}", '{"lockfileVersion": 3}'):
        (folder / "package-lock.json").write_text(lock)
        node_packages.install(folder, tmp_path / "log")
    assert npm.read_text() == "ci\nci\n"


def test_a_failed_installation_says_why_and_is_tried_again(folder, npm, tmp_path, monkeypatch):
    monkeypatch.setenv("NPM_CODE", "1")
    for _ in range(2):
        with pytest.raises(SetUpError, match=r"(?s)npm ci failed.*no such package"):
            node_packages.install(folder, tmp_path / "log")
    assert npm.read_text() == "ci\nci\n"


def test_without_node_the_linters_are_left_out_with_a_sentence(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    assert not node_packages.install_linters(tmp_path / "log")
    assert capsys.readouterr().out == f"The scripts and styles are not checked: {node_packages.MISSING}.\n"


def test_a_run_for_integration_does_not_pass_without_node(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SetUpError, match="cannot be checked: node"):
        node_packages.install_linters(tmp_path / "log")
