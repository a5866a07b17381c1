"""Ends the programs that a process has started when it dies without ending them, as on SIGKILL or a closed terminal.

A watcher holds one end of a pipe, and only the process holds the other: the pipe closes with the process, however it
ends. The watcher runs in a separate session, out of reach of the terminal's signals. It needs ``psutil``.
"""

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, cast

LOOK = 1.0
PATIENCE = 3.0
"""How long PostgreSQL may take to stop by itself, in seconds."""


class Lease:
    """The programs that this process has started. ``python`` runs the watcher, which starts with the first program."""

    def __init__(self, python: str | Path = sys.executable) -> None:
        self._python = python
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[bytes] | None = None

    def hold(self, pid: int) -> None:
        """End a program and its children when this process ends."""
        self._write(f"process {pid}")

    def hold_postgres(self, folder: Path) -> None:
        """End the PostgreSQL that runs on this folder when this process ends, even if it was restarted."""
        self._write(f"postgres {folder}")

    def _write(self, line: str) -> None:
        with self._lock:
            if self._watcher is None:
                self._watcher = self._start()
            with contextlib.suppress(OSError):  # do not fail because the watcher is gone
                os.write(cast(IO[bytes], self._watcher.stdin).fileno(), f"{line}\n".encode())

    def _start(self) -> "subprocess.Popen[bytes]":
        # Also follow `make` if it has started this process: killing only `make` is meant to end everything.
        parents = [os.getpid(), os.getppid()] if "MAKELEVEL" in os.environ else [os.getpid()]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [str(self._python), "-E", __file__, *map(str, parents)]
        watcher = subprocess.Popen(command, stdin=-1, env={}, start_new_session=True, **quiet)
        atexit.register(self._give_up, watcher)
        return watcher

    def _give_up(self, watcher: "subprocess.Popen[bytes]") -> None:
        cast(IO[bytes], watcher.stdin).close()
        watcher.wait()


_lease = Lease()
hold = _lease.hold
hold_postgres = _lease.hold_postgres


class Watcher:
    """The watching program. ``parents`` are the process that holds the lease and, under `make`, its parent."""

    def __init__(self, parents: list[int]) -> None:
        self._holder, *self._above = map(_process, parents)
        self._programs: list[psutil.Process] = []
        self._folders: list[Path] = []

    def watch(self) -> None:
        """Note what is started, until the pipe closes or a parent is gone; then end all of it."""
        rest = b""
        wait = LOOK if self._above else None
        while True:
            if select.select([0], [], [], wait)[0]:
                if not (read := os.read(0, 65536)):
                    break
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    self._note(*line.decode().split(" ", 1))
            elif any(parent is None or _gone(parent) for parent in self._above):
                if self._holder:
                    self._programs.append(self._holder)
                break
        self._end()

    def _note(self, kind: str, value: str) -> None:
        if kind == "postgres":
            self._folders.append(Path(value))
        elif found := _process(int(value)):
            self._programs.append(found)

    def _end(self) -> None:
        children = [child for program in self._programs for child in _children(program)]
        for program in (*self._programs, *children):
            if program.pid != os.getpid():  # this watcher is a child of the process, too
                _send(program, signal.SIGKILL)
        servers = [server for folder in self._folders if (server := _postmaster(folder))]
        for server in servers:
            _send(server, signal.SIGQUIT)  # it ends its own processes, and frees its shared memory
        deadline = time.monotonic() + PATIENCE
        while not all(map(_gone, servers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for server in servers:
            for process in (server, *_children(server)):
                _send(process, signal.SIGKILL)


def _process(pid: int) -> "psutil.Process | None":
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def _gone(process: "psutil.Process") -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _children(process: "psutil.Process") -> "list[psutil.Process]":
    with contextlib.suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def _postmaster(folder: Path) -> "psutil.Process | None":
    """Return the server that runs on a folder, by the process number in its lock file."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return _process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
    return None


def _send(process: "psutil.Process", number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):  # it is gone; psutil does not signal a reused number
        process.send_signal(number)


if __name__ == "__main__":
    import psutil

    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    Watcher([int(pid) for pid in sys.argv[1:]]).watch()
