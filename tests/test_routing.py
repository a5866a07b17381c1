"""Who may open a websocket, and what else the ASGI application answers."""

import asyncio

import pytest

from chat.models import Process
from chat.routing import application, is_trusted
from tests.sockets import Communicator, headers


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


def test_the_scheme_that_a_proxy_tells_counts_where_the_site_trusts_it(settings):
    told = handshake(origin="https://example.com", extra=[(b"x-forwarded-proto", b"https")])
    assert not is_trusted(told)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_trusted(told)


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


async def test_lifespan_enrols_the_process_and_drains_it(transactional_db):
    events, said = asyncio.Queue(), asyncio.Queue()
    life = asyncio.create_task(application(nothing)({"type": "lifespan"}, events.get, said.put))
    await events.put({"type": "lifespan.startup"})
    assert await said.get() == {"type": "lifespan.startup.complete"}
    assert await Process.objects.acount() == 1
    await events.put({"type": "lifespan.shutdown"})
    assert await said.get() == {"type": "lifespan.shutdown.complete"}
    await life
    assert await Process.objects.acount() == 0
