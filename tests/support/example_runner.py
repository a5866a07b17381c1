"""Runs examples in a site with ``python example_runner.py examples.json``, and prints the error of each as JSON.

It runs in an environment without the tests' packages. A block of code may use what the site's files already define.
For one with a line ``...``, which the developer has to fill in, only the imports are run. One that begins with
``# Django 6.0`` runs there and later. Celery, which the chat does not need, is played if it is not installed.
"""

import ast
import asyncio
import contextlib
import io
import json
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
django.setup()

from channels.layers import get_channel_layer  # noqa: E402 - what these import needs the apps
from django.core.checks import run_checks  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import override_settings  # noqa: E402
from llm_chat.backends.base import Backend, Finished, Request  # noqa: E402

SITE = """
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import WebsocketConsumer as StockConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path
from mysite.asgi import application
from mysite.settings import BASE_DIR, INSTALLED_APPS, MIDDLEWARE
from mysite.urls import urlpatterns
"""


OTHERS = {"llm_chat.W003", "security.W027"}
"""Warnings that most examples are not about: models are not installed here; nonces in the site's own templates."""


if find_spec("celery") is None:
    celery = ModuleType("celery")
    celery.shared_task = lambda **options: lambda task: task  # type: ignore[attr-defined]
    sys.modules["celery"] = celery


def run(code: str) -> None:
    """Run a block as part of a site's file; load the settings it defines, and ask the backends in them."""
    if (needed := re.match(r"# Django (\d+)", code)) and django.VERSION[0] < int(needed[1]):
        return
    tree = ast.parse(code)
    if any(ast.unparse(node) == "..." for node in tree.body):
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(SITE, namespace)  # noqa: S102 - the project's own text, as is the next
    before = dict(namespace)
    with contextlib.redirect_stdout(io.StringIO()):  # an example may print
        exec(compile(tree, "example", "exec"), namespace)  # noqa: S102
    made = {name: value for name, value in namespace.items() if before.get(name) is not value}
    with override_settings(**{name: value for name, value in made.items() if name.isupper()}):
        problems = [problem for problem in run_checks() if problem.id not in OTHERS]
        assert not problems, problems
        get_channel_layer()
    for value in made.values():
        if isinstance(value, type) and issubclass(value, Backend) and value.__module__ == "example":
            asyncio.run(_ask(value()))


async def _ask(backend: Backend) -> None:
    deltas = [delta async for delta in backend.stream(Request([{"role": "user", "content": "Hello"}]))]
    assert isinstance(deltas[-1], Finished), deltas


def render(template: str) -> None:
    """Compile a template."""
    engines["django"].from_string(template)


def known(extra: str) -> None:
    """Check that the package has an extra."""
    extras = metadata.metadata("django-llm-chat").get_all("Provides-Extra")
    assert extra in extras, f"{extra} is not one of {extras}"


def outcome(action: Callable[[str], object], text: str) -> str:
    """Return the traceback of a failing action, or an empty string."""
    try:
        action(text)
    except Exception:
        return traceback.format_exc()
    return ""


ACTIONS = {"python": run, "django": render, "name": pkgutil.resolve_name, "extra": known}

if __name__ == "__main__":
    call_command("migrate", verbosity=0)  # some examples ask
    asked = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({name: outcome(ACTIONS[kind], text) for name, (kind, text) in asked.items()}))  # noqa: T201
