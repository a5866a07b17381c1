"""Checks the page's scripts, styles and templates.

python scripts/lint_page.py    what `make lint` does after ruff: djade, then ESLint, tsc, stylelint and Prettier
                               where node is installed
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from node_packages import install_linters, npm
from steps import ROOT, SetUpError


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        code = lint_templates()
        if install_linters(Path(folder) / "install.log"):
            code = lint_scripts_and_styles() or code
    return code


def lint_templates() -> int:
    folders = ("chat/templates", "templates", "example/templates")
    templates = [path for folder in folders for path in (ROOT / folder).rglob("*.html")]
    return subprocess.run([ROOT / ".venv" / "bin" / "djade", "--check", *templates], cwd=ROOT).returncode


def lint_scripts_and_styles() -> int:
    return subprocess.run([npm() or "npm", "run", "--silent", "lint"], cwd=ROOT).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetUpError as error:
        sys.exit(str(error))
