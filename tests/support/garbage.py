"""Finds what turns leave to the garbage collector, in a process of its own.

``python -m tests.support.garbage html`` prints it as JSON: the kinds of objects of the app and of its server, with
their numbers. A visitor opens a socket to a real server, asks two questions of a real endpoint, and leaves.
"""

import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable

OURS = ("chat", "uvicorn", "httptools", "openai")
WAIT = 10.0


def left_by(visit: Callable[[], None], is_over: Callable[[], bool]) -> dict[str, int]:
    """Return what a visit leaves. Objects that are freed without the collector do not count."""
    gc.collect()
    gc.disable()
    visit()
    deadline = time.monotonic() + WAIT
    while not is_over():
        assert time.monotonic() < deadline, "the visit does not come to its end"
        time.sleep(0.01)
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.garbage)
    gc.garbage.clear()
    gc.enable()
    return {kind: count for kind, count in kinds.items() if kind.split(".")[0] in OURS}


def measured(view: str) -> dict[str, int]:
    """Return what the second of two visitors leaves."""
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore
    from websockets.sync.client import connect

    from chat.engine.engine import engines
    from chat.owners import VISITOR
    from tests.support.servers import running
    from tests.support.upstream import running_upstream

    def visit() -> None:
        session = SessionStore()
        session[VISITOR] = f"visitor {time.monotonic()}"
        session.save()
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}
        with connect(f"ws://127.0.0.1:{site.port}/ws/chat/", origin=site.url, additional_headers=headers) as socket:
            for number in range(2):
                user = {"id": f"m{number}", "role": "user", "parts": [{"type": "text", "text": "Tell me"}]}
                frame = {"type": "send", "requestId": f"r{number}", "trigger": "submit-message", "id": "c1"}
                socket.send(json.dumps({**frame, "messages": [user], "body": {"view": view}}))
                while (received := json.loads(socket.recv(WAIT)))["type"] != "end":
                    assert received["type"] != "error", received

    def is_over() -> bool:
        (_, engine), *_ = engines()
        state = site._server.server_state  # type: ignore[union-attr]
        return not (engine.runs or engine.streams._streams or state.connections or state.tasks)

    with running_upstream() as upstream, running() as site:
        options = {"base_url": upstream.url, "model": "ok", "api_key": "key"}
        backend = {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": options}
        settings.CHAT = {**settings.CHAT, "BACKENDS": {"default": backend}}
        visit()
        return left_by(visit, is_over)


def main() -> None:
    """Set a site up, measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="chatproject.settings")
        import django
        from django.conf import settings
        from django.core.management import call_command

        settings.CHAT = {"STREAM_RETENTION": 0.01, "GC_TUNING": False}
        settings.ALLOWED_HOSTS = ["127.0.0.1"]
        django.setup()
        call_command("migrate", verbosity=0)
        sys.stdout.write(json.dumps(measured(sys.argv[1])))


if __name__ == "__main__":
    main()
