"""The child process of the local backend: llama.cpp behind OpenAI's format, on a free loopback port.

``python -m llm_chat.backends.local.server`` reads a line of JSON from its stdin, ``{"weights", "api_key", "slots",
"context", "threads"}``, writes its address on its stdout, and ends when its stdin closes: the parent holds the other
end, so not even a ``kill -9`` of the parent leaves it behind.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

PROMPT_CACHE_SIZE = 256
"""Memory for the prompts of conversations that have lost their slot, in MiB; llama.cpp's own default is 8 GiB."""


def main() -> None:
    """Serve until the parent has gone."""
    # Both go to the whole process group or service; the parent decides when its last answer has ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    options = json.loads(sys.stdin.buffer.readline())
    watch = threading.Thread(target=_end_with_parent, daemon=True)
    watch.start()
    report = _take_stdout()
    try:
        server = _serve(options)
    except RuntimeError as error:
        sys.exit(f"{error}")  # without a traceback, for the parent keeps only the last words
    os.write(report, f"{server.listening_address}\n".encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    watch.join()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)  # at once: an answer in the making has no reader any more


def _take_stdout() -> int:
    """Keep stdout for the address alone; whatever else is printed goes nowhere."""
    report = os.dup(sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report


def _serve(options: dict[str, Any]) -> Any:
    """Load the model and begin to listen. Raises ``RuntimeError`` where llama.cpp cannot."""
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
    params.verbosity = 1  # errors only: why a file cannot be loaded is said nowhere else
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    params.cache_ram_mib = PROMPT_CACHE_SIZE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
