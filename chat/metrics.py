"""Numbers about one process, for Prometheus. Without ``CHAT["METRICS"]``, there is no such page.

A site routes it where it likes: ``path("metrics", metrics.read)``.
"""

from collections.abc import Iterator

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from .conf import conf
from .db.threads import in_database
from .db.underway import count_waiting
from .engine.engine import Engine, engine
from .health import NO_ASGI, probe
from .prometheus import CONTENT_TYPE, COUNTED, gauge, text

SCHEME = "Bearer"


@probe
async def read(request: HttpRequest) -> HttpResponse:
    """Answer with the numbers of the process that serves the request, to staff and to whoever has the token.

    Others get 401 or 403.
    """
    if not conf.metrics:
        raise Http404('CHAT["METRICS"] is off.')
    if not isinstance(request, ASGIRequest):
        return HttpResponse(f"{NO_ASGI}\n", status=503, content_type="text/plain; charset=utf-8")
    if not _has_token(request) and not await _is_staff(request):
        return _refused(request)
    return HttpResponse(text(_lines(engine(), await _waiting())), content_type=CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = conf.metrics
    return isinstance(token, str) and scheme == SCHEME and constant_time_compare(given.strip(), token)


async def _is_staff(request: HttpRequest) -> bool:
    if not hasattr(request, "auser"):  # a site without AuthenticationMiddleware
        return False
    user = await request.auser()
    return bool(user.is_active and getattr(user, "is_staff", False))


def _refused(request: HttpRequest) -> HttpResponse:
    asks = isinstance(conf.metrics, str) and "Authorization" not in request.headers
    response = HttpResponse("For staff.\n", status=401 if asks else 403, content_type="text/plain; charset=utf-8")
    if asks:
        response["WWW-Authenticate"] = SCHEME
    return response


async def _waiting() -> int | None:
    """Count the answers that wait for a decision; ``None`` if the database cannot say so now, or not quickly."""
    try:
        return await in_database(count_waiting)
    except DatabaseError:
        return None  # the other numbers are needed most of all then


def _lines(process: Engine, waiting: int | None) -> Iterator[str]:
    yield from gauge("llm_chat_running_answers", "Answers that this process generates.", len(process.runs))
    yield from gauge("llm_chat_sockets", "Sockets that are open in this process.", process.sockets.count)
    alive = process.heartbeat.others + 1
    yield from gauge("llm_chat_processes", "Processes with a heartbeat on this database, as this one sees it.", alive)
    if waiting is not None:
        yield from gauge("llm_chat_waiting_answers", "Answers on this database that wait for a decision.", waiting)
    for counted in COUNTED:
        yield from counted.lines()
