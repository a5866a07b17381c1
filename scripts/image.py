"""Carries out the Dockerfile's steps in an empty folder, because not every machine has a Docker engine.

    python scripts/image.py    as .ci/run does: a virtual environment, the packages, the copied and collected files,
                               then a migration, and the server with requests for a page and a static file

Steps that create the system's users and folders are skipped; absolute paths are moved into the folder.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from groups import SITE_VARIABLES
from services import HOST, Service, free_port
from steps import ROOT, SetUpError, say

# Instructions without a meaning outside an image.
OF_THE_IMAGE = {"FROM", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL"}
OF_THE_SYSTEM = ("useradd ",)


class Instruction(NamedTuple):
    """One instruction of a Dockerfile, with its continuation lines joined."""

    name: str
    rest: str


def instructions(dockerfile: str) -> list[Instruction]:
    text = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def left_out(path: Path, ignored: list[str]) -> bool:
    """Return whether ``.dockerignore`` keeps a path of the project out of the image.

    Only two forms of patterns are supported: names at the top level, and names at any level with ``**/``.
    """
    for pattern in ignored:
        parts = path.parts if pattern.startswith("**/") else path.parts[:1]
        if any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in parts):
            return True
    return False


def copied() -> list[Path]:
    """Return the files that ``COPY . .`` takes from a clean checkout."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in map(Path, listed.splitlines()) if (ROOT / path).is_file() and not left_out(path, ignored)]


class Build:
    """A folder with the contents that the image would have."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root
        self.command: list[str] = []
        subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
        path = f"{root / 'venv' / 'bin'}:{os.environ['PATH']}"
        shell = {name: value for name, value in os.environ.items() if name not in SITE_VARIABLES}
        self.environment = {**shell, "PATH": path, "PIP_QUIET": "1"}

    def carry_out(self, step: Instruction) -> None:
        if step.name in OF_THE_IMAGE or (step.name == "RUN" and step.rest.startswith(OF_THE_SYSTEM)):
            return
        if not (method := getattr(self, f"_{step.name.lower()}", None)):
            raise SetUpError(f"scripts/image.py cannot carry out the Dockerfile's {step.name}.")
        say(f"{step.name} {step.rest}")
        method(step.rest)

    def _env(self, rest: str) -> None:
        given = dict(pair.split("=", 1) for pair in rest.split())
        given.pop("PIP_NO_CACHE_DIR", None)  # the cache saves a download here
        self.environment |= {name: self._inside(value) for name, value in given.items()}

    def _workdir(self, rest: str) -> None:
        self.folder = Path(self._inside(rest))
        self.folder.mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        what, _ = rest.split()
        for path in copied() if what == "." else [Path(what)]:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.folder / path)

    def _run(self, rest: str) -> None:
        code = subprocess.run(["sh", "-c", rest], cwd=self.folder, env=self.environment).returncode
        if code:
            raise SetUpError(f"The Dockerfile's step failed, with exit code {code}: RUN {rest}")

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _inside(self, value: str) -> str:
        return f"{self.root}{value}" if value.startswith("/") else value


def try_out(build: Build) -> None:
    """Migrate an empty database, start the server like the image does, and request a page and its style sheet."""
    Path(build.environment["DATA_DIR"]).mkdir()
    build.carry_out(Instruction("RUN", "python manage.py migrate --no-input -v 0"))
    port = free_port()
    command = [{"0.0.0.0": HOST, "8000": str(port)}.get(word, word) for word in build.command]  # noqa: S104
    command[0] = str(build.root / "venv" / "bin" / command[0])
    site = Service("site", command, build.root, port, build.folder, **build.environment)
    try:
        site.wait_until_it_listens()
        page = _get(port, "/accounts/login/")
        style = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
        if not style or not _get(port, style[1]):
            raise SetUpError("The page links to no collected style sheet.")
        say(f"The site answers, with {style[1]}.")
    finally:
        site.stop()


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}") as response:
        return str(response.read().decode())


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chat-image-") as folder:
        build = Build(Path(folder))
        for step in instructions((ROOT / "Dockerfile").read_text()):
            build.carry_out(step)
        try_out(build)
    say(f"The Dockerfile's steps work: {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    try:
        main()
    except SetUpError as error:
        sys.exit(str(error))
