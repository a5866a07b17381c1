"""Counts the functions of ``chat/`` that a question passes through between the socket's frame and the model.

Runs one question of a new visitor through the real consumer, database and engine, and records each function of
``chat/`` that is entered from the consumer's first one, which receives the frame, until the backend's ``stream`` is
called. Properties, dunder methods, lambdas and comprehensions are not counted. Prints the functions by module, and the
two totals:

    .venv/bin/python scripts/walks.py [--quiet]
"""

import argparse
import ast
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHAT = ROOT / "chat"
FIRST = {"ChatConsumer.websocket_receive", "ChatConsumer.receive"}
"""The methods that may receive a frame first."""
QUESTION = {
    "type": "send",
    "requestId": "r1",
    "headers": {},
    "body": {},
    "trigger": "submit-message",
    "id": "c1",
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "A question"}]}],
}


class Walk:
    """The functions of ``chat/`` that are entered, on any thread, from the consumer to the model."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()
        """Pairs of a module's path below ``chat/`` and a function's qualified name."""
        self.over = threading.Event()
        self._begun = False

    def record(self) -> None:
        """Watch this thread, and all that are started later."""
        threading.setprofile(self._enter)
        sys.setprofile(self._enter)

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event != "call" or self.over.is_set() or not code.co_filename.startswith(f"{CHAT}{os.sep}"):
            return
        self._begun = self._begun or code.co_qualname in FIRST
        if code.co_qualname == "ScriptedBackend.stream":
            self.over.set()
        elif self._begun:
            self.found.add((str(Path(code.co_filename).relative_to(CHAT)), code.co_qualname))


def walked() -> dict[str, list[str]]:
    """Return the names of the functions that one question passes through, by module."""
    walk = Walk()
    walk.record()
    asyncio.run(_ask(walk))
    modules: dict[str, list[str]] = {}
    for module, name in sorted(walk.found):
        last = name.rpartition(".")[2]
        if not (last.startswith(("__", "<")) or last in properties(module)):
            modules.setdefault(module, []).append(name)
    return modules


def properties(module: str) -> set[str]:
    """Return the names of a module's properties."""

    def decorators(function: ast.FunctionDef) -> Iterator[str]:
        for decorator in function.decorator_list:
            yield ast.unparse(decorator)

    functions = [node for node in ast.walk(ast.parse((CHAT / module).read_text())) if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions if any("property" in name for name in decorators(function))}


async def _ask(walk: Walk) -> None:
    """Ask over the socket, and wait until the answer has begun."""
    from channels.testing import WebsocketCommunicator
    from django.contrib.auth.models import AnonymousUser
    from django.db import connections

    from chat.consumers import ChatConsumer

    socket = WebsocketCommunicator(ChatConsumer.as_asgi(), "/ws/chat/")
    # The session holds what the page's own view would store there.
    socket.scope.update(user=AnonymousUser(), session={"llm_chat_visitor": "somebody"})
    await socket.connect()
    await socket.send_to(text_data=json.dumps(QUESTION))
    while not walk.over.is_set():
        await socket.receive_from(10)
    await socket.disconnect()
    connections.close_all()


def _set_up(folder: str) -> None:
    """Load the site with a separate database and a model that echoes."""
    os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="chatproject.settings")
    sys.path.insert(0, str(ROOT))
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.CHAT = {"BACKENDS": {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend"}}, "HEARTBEAT": 60.0}
    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    """Print the functions, and how many there are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quiet", action="store_true", help="print only the totals")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _set_up(folder)
        modules = walked()
    if not arguments.quiet:
        for module, names in modules.items():
            print(module, *names, sep="\n    ")
    print(f"{sum(map(len, modules.values()))} functions in {len(modules)} modules")


if __name__ == "__main__":
    main()
