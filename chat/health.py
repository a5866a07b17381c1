"""What balancers and supervisors ask a process: is it alive and set up rightly, and may it be sent visitors?

A site routes them where it likes: ``path("healthz", health.alive)``, ``path("readyz", health.ready)``.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .db.threads import in_database, ping, without_transaction
from .engine.engine import engine

NO_ASGI = "This process serves the site by WSGI, where no answer can be made: serve it by ASGI."

View = TypeVar("View", bound=Callable[..., Any])


def probe(view: View) -> View:
    """Make a view answer whoever asks, whatever the site demands of its pages: no login, no transaction, no cache."""
    return without_transaction(login_not_required(never_cache(require_safe(view))))


@probe
async def alive(request: HttpRequest) -> HttpResponse:
    """200, or 503 with a line for each thing that is wrong with the set-up."""
    if not isinstance(request, ASGIRequest):
        return _answer([NO_ASGI])
    with suppress(DatabaseError):  # no fault of this process: it will be well when the database is
        await engine().start()
    return _answer(engine().problems)


@probe
async def ready(request: HttpRequest) -> HttpResponse:
    """200, or 503 while the process goes down or has no database."""
    if not isinstance(request, ASGIRequest):
        return _answer([NO_ASGI])
    if engine().draining:
        return _answer(["This process is going down."])
    try:
        await engine().start()
        await in_database(_ask)
    except DatabaseError:
        return _answer(["The database does not answer, or lacks the app's tables."])
    return _answer([])


def _ask() -> None:
    ping()


def _answer(problems: list[str]) -> HttpResponse:
    text = "\n".join(problems or ["ok"])
    return HttpResponse(f"{text}\n", status=503 if problems else 200, content_type="text/plain; charset=utf-8")
