"""Becomes the server: uvicorn with the options that the chat needs, the same wherever the site runs.

    python scripts/serve.py --host 0.0.0.0 --port 8000

What is said here goes to uvicorn after the options below, and so before them. Standard library only.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = (
    *("--ws", "chat.uvicorn:GuardedProtocol"),
    # A site that cannot start its lifespan, or drain with it, is not served.
    *("--lifespan", "on"),
    # A frame of the browser is at most 8 MiB; compressing small ones costs more than it gains.
    *("--ws-max-size", str(8 * 1024 * 1024), "--ws-per-message-deflate", "false"),
    # What stands between the browser and the server must bear a silence of this length, in seconds.
    *("--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
    # A connection that does not close by itself holds a stop back for so long; then the answers have GRACE_PERIOD.
    *("--timeout-graceful-shutdown", "5"),
)


def serve(python: str, *arguments: str) -> int:
    """Become the server, so that signals reach it and its exit code is ours."""
    os.chdir(ROOT)
    command = [python, "-m", "uvicorn", "chatproject.asgi:application", *OPTIONS, *arguments]
    if os.name == "nt":  # where a program cannot be replaced by another
        return subprocess.run(command).returncode
    os.execv(python, command)


if __name__ == "__main__":
    sys.exit(serve(sys.executable, *sys.argv[1:]))
