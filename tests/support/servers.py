"""The site on a real ASGI server, in a thread of the test's process, so that a scripted model can answer."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from chat.endings import INTERRUPTED
from chat.engine.engine import Engine, engines

WAIT = 15.0


class Site:
    """``chatproject`` on uvicorn, on a free loopback port; ``restart`` keeps the port."""

    def __init__(self) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = uvicorn.Config(
            "chatproject.asgi:application",
            port=self.port,
            ws="chat.uvicorn:GuardedProtocol",
            ws_max_size=8 * 1024 * 1024,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="site", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + WAIT
        while not self._server.started:
            assert self._thread.is_alive(), "the site did not start"
            assert time.monotonic() < deadline, "the site took too long to start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(WAIT)
            assert not self._thread.is_alive(), "the site did not stop"
            self._server = None

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def running() -> Iterator[Site]:
    """Run the site until the context ends, and stop it cleanly."""
    site = Site()
    site.start()
    try:
        yield site
    finally:
        site.stop()


@contextlib.contextmanager
def left_in_mid_answer() -> Iterator[Site]:
    """Run the site for a test that may leave its model in mid-answer: nothing waits for the end of that."""
    with running() as site:
        yield site
        for loop, process in engines():
            loop.call_soon_threadsafe(_end_answers, process)


def _end_answers(process: Engine) -> None:
    for run in list(process.runs.values()):
        run.end(INTERRUPTED)
