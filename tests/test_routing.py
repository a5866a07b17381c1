"""The ASGI application: which websockets it opens, and where it sends everything else."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIHandler
from django.urls import path as django_path

from chat.models import Process
from chat.owners import VISITOR
from chat.routing import _chat_routes, application, is_trusted, websocket_urlpatterns
from tests.support.sockets import Communicator, headers


def session_of_a_visitor():
    store = SessionStore()
    store[VISITOR] = "ann"
    store.save()
    return store.session_key


async def nothing(scope, receive, send):
    raise AssertionError("not for Django")


def handshake(*, scheme="ws", host="example.com", origin=None, extra=()):
    found = [(b"host", host.encode()), *extra]
    if origin is not None:
        found.append((b"origin", origin.encode()))
    return {"type": "websocket", "scheme": scheme, "path": "/ws/chat/", "headers": found, "query_string": b""}


@pytest.fixture(autouse=True)
def site(settings):
    settings.ALLOWED_HOSTS = ["example.com", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.org", "https://*.family.org", "http://dev.org:3000"]


@pytest.mark.parametrize(
    ("scope", "trusted"),
    [
        (handshake(origin="http://example.com"), True),
        (handshake(origin="https://example.com"), False),
        (handshake(origin="https://example.com", scheme="wss"), True),
        (handshake(origin="http://example.com:8000", host="example.com:8000"), True),
        (handshake(origin="http://example.com", host="example.com:8000"), False),
        (handshake(origin="http://example.com:8000"), False),
        (handshake(origin="http://[::1]:8000", host="[::1]:8000"), True),
        (handshake(), False),
        (handshake(origin=""), False),
        (handshake(origin="null"), False),
        (handshake(origin="http://example.com.evil.org"), False),
        (handshake(origin="http://notexample.com"), False),
        (handshake(origin="http://evil.org"), False),
        (handshake(origin="http://evil.org", host="evil.org"), False),
        (handshake(origin="https://trusted.org"), True),
        (handshake(origin="http://trusted.org"), False),
        (handshake(origin="https://sub.trusted.org"), False),
        (handshake(origin="https://a.b.family.org"), True),
        (handshake(origin="https://notfamily.org"), False),
        (handshake(origin="http://dev.org:3000"), True),
        (handshake(origin="http://dev.org"), False),
        (handshake(origin="http://[broken"), False),
    ],
)
def test_the_origin_rule_is_that_of_the_csrf_check(scope, trusted):
    assert is_trusted(scope) is trusted


def test_the_scheme_from_a_proxy_counts_if_the_site_trusts_it(settings):
    forwarded = handshake(origin="https://example.com", extra=[(b"x-forwarded-proto", b"https")])
    assert not is_trusted(forwarded)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_trusted(forwarded)


@pytest.mark.parametrize(
    ("path", "origin"),
    [("/ws/chat/", "http://evil.org"), ("/ws/other/", "http://localhost"), ("/ws/chat/x", "http://localhost")],
)
async def test_a_foreign_origin_and_an_unknown_path_are_refused_before_accepting(
    transactional_db, settings, path, origin
):
    settings.ALLOWED_HOSTS = ["localhost"]
    communicator = Communicator(application(nothing), path, headers("any", origin))
    assert (await communicator.connect())[0] is False


async def test_the_sites_own_websocket_routes_have_the_same_guard(settings, transactional_db):
    from channels.generic.websocket import AsyncWebsocketConsumer
    from django.urls import path

    settings.ALLOWED_HOSTS = ["localhost"]
    routes = [path("own/", AsyncWebsocketConsumer.as_asgi())]
    for origin, admitted in (("http://localhost", True), ("http://evil.org", False)):
        communicator = Communicator(application(nothing, routes), "/own/", headers(None, origin))
        assert (await communicator.connect())[0] is admitted
        await communicator.disconnect()


async def test_http_goes_to_django():
    seen = []

    async def django(scope, receive, send):
        seen.append(scope["type"])

    await application(django)({"type": "http"}, None, None)
    assert seen == ["http"]


async def test_lifespan_registers_the_process_and_drains_it(transactional_db):
    events, said = asyncio.Queue(), asyncio.Queue()
    life = asyncio.create_task(application(nothing)({"type": "lifespan"}, events.get, said.put))
    await events.put({"type": "lifespan.startup"})
    assert await said.get() == {"type": "lifespan.startup.complete"}
    assert await Process.objects.acount() == 1
    await events.put({"type": "lifespan.shutdown"})
    assert await said.get() == {"type": "lifespan.shutdown.complete"}
    await life
    assert await Process.objects.acount() == 0


async def refused(app, path, caplog, **scope):
    """Open a websocket that must be refused before it is accepted; return the lines that were logged."""
    caplog.clear()
    communicator = Communicator(app, path, headers("any", "http://localhost"))
    communicator.scope.update(scope)
    assert (await communicator.connect())[0] is False
    await communicator.wait()
    return [record.getMessage() for record in caplog.records]


async def accepting(scope, receive, send):
    """Accept every websocket and send its path and scope, as an application of the site itself."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{scope['path']} {sorted(scope)}"})


async def test_e06_an_unknown_path_reaches_the_sites_own_application_unchanged(settings, transactional_db):
    settings.ALLOWED_HOSTS = ["localhost"]
    communicator = Communicator(application(accepting), "/theirs/", headers(None, "http://elsewhere.example"))
    before = sorted(communicator.scope)
    assert (await communicator.connect())[0] is True
    assert await communicator.receive_from() == f"/theirs/ {before}"


async def test_e06_a_plain_django_application_refuses_an_unknown_path_with_one_line(settings, caplog):
    settings.ALLOWED_HOSTS = ["localhost"]
    (line,) = await refused(application(ASGIHandler()), "/theirs/", caplog)
    assert "handshake for '/theirs/' was refused: no websocket route of the site takes it" in line


async def test_e06_a_router_of_the_sites_own_refuses_an_unknown_path_with_one_line_too(
    settings, transactional_db, caplog
):
    settings.ALLOWED_HOSTS = ["localhost"]
    app = application(ProtocolTypeRouter({"websocket": URLRouter([django_path("theirs/", accepting)])}))
    (line,) = await refused(app, "/none/", caplog)
    assert "no websocket route of the site takes it" in line
    nested = application(nothing, [django_path("deep/", URLRouter([django_path("er/", accepting)]))])
    (line,) = await refused(nested, "/deep/none/", caplog)
    assert "no websocket route of the site takes it" in line


async def test_e06_an_error_of_an_application_after_its_answer_is_raised(settings):
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError("made up")

    communicator = Communicator(application(broken), "/theirs/", headers(None, None))
    assert (await communicator.connect())[0] is True
    with pytest.raises(ValueError, match="made up"):
        await communicator.wait()


@pytest.mark.parametrize("stack", [AuthMiddlewareStack, lambda router: router], ids=["with a stack", "bare"])
async def test_e06_the_route_works_in_a_router_of_the_sites_own(settings, connect, script, stack):
    settings.ALLOWED_HOSTS = ["localhost"]
    theirs = stack(URLRouter([*websocket_urlpatterns, django_path("theirs/", accepting)]))
    session = await sync_to_async(session_of_a_visitor)()
    for origin, admitted in (("http://localhost", True), ("http://evil.org", False)):
        communicator = Communicator(theirs, "/ws/chat/", headers(session, origin))
        assert (await communicator.connect())[0] is admitted
        if admitted:
            await communicator.send_to('{"type": "ping", "requestId": "p"}')
            assert json.loads(await communicator.receive_from(5))["type"] == "pong"
        await communicator.disconnect()


PREFIXES = [
    ({"path": "/ws/chat/"}, None),
    ({"path": "/app/ws/chat/"}, "/app"),
    ({"path": "/app/ws/chat/"}, "/app/"),
    ({"path": "/ws/chat/"}, "/app"),
    ({"path": "/app/ws/chat/", "root_path": "/app"}, None),
    ({"path": "/ws/chat/", "root_path": "/app"}, None),
    ({"path": "/a/b/ws/chat/", "root_path": "/elsewhere"}, "/a/b"),
]


@pytest.mark.parametrize(("scope", "forced"), PREFIXES)
async def test_b40_the_socket_is_found_wherever_django_finds_a_page(settings, connect, script, scope, forced):
    settings.ALLOWED_HOSTS, settings.FORCE_SCRIPT_NAME = ["localhost"], forced
    session = await sync_to_async(session_of_a_visitor)()
    communicator = Communicator(application(nothing), scope["path"], headers(session, "http://localhost"))
    communicator.scope.update(scope)
    assert (await communicator.connect(5))[0] is True
    await communicator.send_to('{"type": "ping", "requestId": "p"}')
    assert json.loads(await communicator.receive_from(5))["type"] == "pong"
    await communicator.disconnect()


async def test_b40_the_sites_own_routes_are_found_below_the_prefix_too(settings, transactional_db):
    settings.ALLOWED_HOSTS, settings.FORCE_SCRIPT_NAME = ["localhost"], "/app"
    for path in ("/app/own/7/", "/own/7/"):
        app = application(nothing, [django_path("own/<int:number>/", accepting)])
        communicator = Communicator(app, path, headers(None, "http://localhost"))
        assert (await communicator.connect())[0] is True
        assert (await communicator.receive_from()).startswith(path)


@pytest.mark.parametrize("path", ["/apple/ws/chat/", "/app/app/ws/chat/", "/other/ws/chat/"])
async def test_b40_another_prefix_leads_nowhere(settings, caplog, path):
    settings.ALLOWED_HOSTS, settings.FORCE_SCRIPT_NAME = ["localhost"], "/app"
    (line,) = await refused(application(ASGIHandler()), path, caplog)
    assert path in line


def test_b40_a_router_of_the_sites_own_finds_the_socket_below_the_prefix():
    routes = _chat_routes("", "/app")
    assert [any(route.pattern.match(path) for route in routes) for path in ("ws/chat/", "app/ws/chat/")] == [True, True]
    assert len(_chat_routes("", "")) == 1


async def test_e06_a_fault_of_the_sites_own_socket_is_not_taken_for_a_missing_route(settings, caplog):
    async def faulty(scope, receive, send):
        await receive()
        int("x")

    communicator = Communicator(application(URLRouter([django_path("own/", faulty)])), "/own/")
    with pytest.raises(ValueError, match="invalid literal"):
        await communicator.connect()
    assert "was refused" not in caplog.text
