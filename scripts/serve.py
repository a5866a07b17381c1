"""Starts uvicorn with the options that the chat needs, the same wherever the site runs.

    python scripts/serve.py --host 0.0.0.0 --port 8000

Arguments are passed to uvicorn after the options below, and so override them. Standard library only.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = "chatproject.asgi:application"
OPTIONS = (
    *("--ws", "chat.uvicorn:GuardedProtocol"),
    # Do not serve a site whose lifespan cannot start, because it could not drain its answers either.
    *("--lifespan", "on"),
    # A frame from the browser is at most 8 MiB; compressing small ones costs more than it saves.
    *("--ws-max-size", str(8 * 1024 * 1024), "--ws-per-message-deflate", "false"),
    # Proxies between the browser and the server must allow a silence of this length, in seconds.
    *("--ws-ping-interval", "20", "--ws-ping-timeout", "20"),
    # How long a stop waits for connections that do not close by themselves; after that the answers get GRACE_PERIOD.
    *("--timeout-graceful-shutdown", "5"),
)


def serve(python: str, *arguments: str, application: str = SITE) -> int:
    """Replace this process with the server, so that it receives the signals and its exit code is returned."""
    os.chdir(ROOT)
    command = [python, "-m", "uvicorn", application, *OPTIONS, *arguments]
    if os.name == "nt":  # a process cannot be replaced there
        return subprocess.run(command).returncode
    os.execv(python, command)


if __name__ == "__main__":
    sys.exit(serve(sys.executable, *sys.argv[1:]))
