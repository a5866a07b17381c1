"""Liveness and readiness of a process, for balancers and supervisors.

A site routes them where it likes: ``path("healthz", health.alive)``, ``path("readyz", health.ready)``.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .assistants.discovery import registry
from .checks import wrong_values
from .db.threads import in_database, ping, without_transaction
from .engine.engine import engine

NO_ASGI = "This process runs under WSGI, which cannot stream answers. Use an ASGI server."

View = TypeVar("View", bound=Callable[..., Any])


def probe(view: View) -> View:
    """Open a view to everyone, whatever the site requires of its pages: no login, no transaction, no cache."""
    return without_transaction(login_not_required(never_cache(require_safe(view))))


@probe
async def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200, or 503 with one line for each mistake in the configuration."""
    if not isinstance(request, ASGIRequest):
        return _answer([NO_ASGI])
    if wrong := wrong_values():
        return _answer(wrong)
    try:
        with suppress(DatabaseError):  # the process is healthy, and starts when the database is available
            await engine().start()
        for assistant in registry.offered:
            engine().backend_of(assistant)
    except ImproperlyConfigured as error:
        return _answer([str(error)])
    return _answer(engine().problems)


@probe
async def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200, or 503 with the reason while the process shuts down, has no database or is misconfigured."""
    if not isinstance(request, ASGIRequest):
        return _answer([NO_ASGI])
    if wrong := wrong_values():
        return _answer(wrong)
    try:
        if engine().draining:
            return _answer(["This process is shutting down."])
        await engine().start()
        await in_database(_ask)
    except ImproperlyConfigured as error:
        return _answer([str(error)])
    except DatabaseError:
        return _answer(["The database does not answer, or lacks the app's tables."])
    return _answer([])


def _ask() -> None:
    ping()


def _answer(problems: list[str]) -> HttpResponse:
    text = "\n".join(problems or ["ok"])
    return HttpResponse(f"{text}\n", status=503 if problems else 200, content_type="text/plain; charset=utf-8")
