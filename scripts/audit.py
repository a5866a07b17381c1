"""Looks up known vulnerabilities of the packages in .venv, with pip-audit, and fails if there are any.

    .venv/bin/python scripts/audit.py

pip-audit asks PyPI, and if that does not help, OSV. Where neither can be reached, as behind a mirror that serves only
packages, nothing has been checked: the script says so, and passes, because that says nothing about the packages.
pip-audit itself would report "No known vulnerabilities found" if PyPI's API answered 404 for every package.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from steps import SetUpError, say

SERVICES = {"pypi": "PyPI", "osv": "OSV"}
UNREACHABLE = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "Max retries exceeded", "ServiceError", "HTTPError")
"""What a failure of pip-audit says if its service cannot be reached."""

IGNORED: dict[str, str] = {}
"""Vulnerabilities that do not matter here, by their ids, each with the reason."""


class Looked(NamedTuple):
    """What one service knew: each package with its vulnerabilities, and the packages that it did not know."""

    vulnerable: dict[str, list[str]]
    clean: int
    skipped: list[str]


def looked_up(output: str) -> Looked:
    """Read pip-audit's JSON."""
    vulnerable: dict[str, list[str]] = {}
    clean, skipped = 0, []
    for package in json.loads(output)["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
        elif package["vulns"]:
            vulnerable[f"{package['name']} {package['version']}"] = [_described(found) for found in package["vulns"]]
        else:
            clean += 1
    return Looked(vulnerable, clean, skipped)


def _described(found: dict[str, Any]) -> str:
    names = [found["id"], *found.get("aliases", [])]
    fixed = ", ".join(found.get("fix_versions", [])) or "no version yet"
    return f"{' = '.join(names)}, fixed in {fixed}"


def ask(service: str) -> Looked | None:
    """Ask a service about the packages of this environment; ``None`` if it cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--vulnerability-service", service]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    command += [f"--ignore-vuln={name}" for name in IGNORED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.stdout.strip():
        return looked_up(done.stdout)
    if any(word in done.stderr for word in UNREACHABLE):
        return None
    raise SetUpError(f"pip-audit failed:\n{done.stderr}")


def audit(ask: Callable[[str], Looked | None] = ask) -> int:
    """Look the packages up, print what is known, and return the exit status."""
    for service, name in SERVICES.items():
        found = ask(service)
        if found is not None and (found.vulnerable or found.clean):
            return report(found, name)
    names = " and ".join(SERVICES.values())
    say(f"NOTHING WAS CHECKED: {names} cannot be reached from here, so no vulnerability was looked up.")
    return 0


def report(found: Looked, name: str) -> int:
    """Print what a service knew, and return the exit status: 1 if a package has a vulnerability."""
    for package, known in found.vulnerable.items():
        for one in known:
            say(f"{package}: {one}")
    say(f"{name} knows vulnerabilities of {len(found.vulnerable)} packages, and none of {found.clean} others.")
    if found.skipped:
        say(f"It does not know these: {', '.join(found.skipped)}.")
    return 1 if found.vulnerable else 0


if __name__ == "__main__":
    try:
        sys.exit(audit())
    except SetUpError as error:
        sys.exit(str(error))
