"""The child process of the local backend: llama.cpp behind OpenAI's format, on a free loopback port.

``python -m llm_chat.backends.local.server`` reads one line of JSON from its stdin, ``{"weights", "api_key", "slots",
"context", "threads"}``, writes its address to its stdout, and exits when its stdin closes. The parent holds the other
end, so the child does not outlive it, even after a ``kill -9``.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

PROMPT_CACHE_SIZE = 256
"""Memory for the prompts of conversations without a slot, in MiB; llama.cpp's own default is 8 GiB."""


def main() -> None:
    """Serve until the parent closes stdin or dies."""
    # These signals reach the whole process group or service, but the parent decides when the last answer has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    options = json.loads(sys.stdin.buffer.readline())
    watch = threading.Thread(target=_end_with_parent, daemon=True)
    watch.start()
    report = _take_stdout()
    try:
        server = _serve(options)
    except RuntimeError as error:
        sys.exit(f"{error}")  # without a traceback, because the parent keeps only the end of the error output
    os.write(report, f"{server.listening_address}\n".encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    watch.join()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)  # at once: nobody reads the answers that are being generated any more


def _take_stdout() -> int:
    """Reserve stdout for the address: return a copy of it, and discard whatever else is printed."""
    report = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report


def _serve(options: dict[str, Any]) -> Any:
    """Load the model and start listening. Raises ``RuntimeError`` if llama.cpp fails."""
    import xllamacpp  # an optional dependency

    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["api_key"]]
    params.cors_origins = ""
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1  # errors only: they are the only place that says why a file cannot be loaded
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    params.cache_ram_mib = PROMPT_CACHE_SIZE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
