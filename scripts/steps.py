"""What every step of the set-up does: print a line, run a program, and fail with a sentence."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class SetUpError(Exception):
    """A sentence for the person at the keyboard: what is wrong, and what to do."""


def say(sentence: str) -> None:
    print(sentence, flush=True)


def succeeds(command: Sequence[str | Path], log: Path, cwd: Path = ROOT) -> bool:
    """Run a program, and append its output, which is long and seldom read, to a log file."""
    with log.open("a") as output:
        output.write(f"$ {' '.join(map(str, command))}\n")
        output.flush()
        try:
            return (
                subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode == 0
            )
        except OSError as error:
            output.write(f"{error}\n")
            return False


def shown(path: Path) -> str:
    return os.path.relpath(path, ROOT)
