"""The chat and the site's own application start and stop with the server."""

import asyncio
import contextlib
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler

from chat.engine.engine import engine
from chat.lifespan import check_under_daphne, lifespan
from chat.models import Process
from chat.routing import application
from tests.conftest import chat_settings


class Server:
    """Sends lifespan events to an application, and returns its answers."""

    def __init__(self, app):
        self._events = asyncio.Queue()
        self._said = asyncio.Queue()
        self._scope = {"type": "lifespan", "state": {}}
        self.task = asyncio.ensure_future(app(self._scope, self._events.get, self._said.put))

    async def ask(self, event):
        await self._events.put({"type": f"lifespan.{event}"})
        async with asyncio.timeout(5):
            return await self._said.get()


@contextlib.asynccontextmanager
async def serving(app):
    server = Server(app)
    try:
        yield server
        async with asyncio.timeout(5):
            await server.task
    finally:
        server.task.cancel()
        await engine().drain()


class SiteApp:
    """A site's own application: it gives the answers that the test sets, and counts the chat's registered processes."""

    def __init__(self, **answers):
        self.answers = {"startup": "complete", "shutdown": "complete"} | answers
        self.seen = []

    async def __call__(self, scope, receive, send):
        for _ in range(2):
            event = (await receive())["type"].removeprefix("lifespan.")
            self.seen.append((event, await Process.objects.acount()))
            answer = self.answers[event]
            if answer == "raise":
                raise RuntimeError("made up")
            if answer == "cancel":
                raise asyncio.CancelledError
            if answer == "http":
                await send({"type": "http.response.start", "status": 200})
            await send({"type": f"lifespan.{event}.{answer}", "message": "made up"})
            if answer == "failed":
                raise RuntimeError("as Starlette does then")


COMPLETE = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def test_e06_the_sites_application_starts_before_the_chat_and_ends_after_it(transactional_db, script):
    site_app = SiteApp()
    async with serving(application(site_app)) as server:
        assert [await server.ask("startup")] == COMPLETE[:1]
        assert await Process.objects.acount() == 1
        assert [await server.ask("shutdown")] == COMPLETE[1:]
    assert site_app.seen == [("startup", 0), ("shutdown", 0)]


async def test_e06_a_failed_start_of_the_sites_application_is_passed_on_without_starting_the_chat(
    transactional_db, script
):
    site_app = SiteApp(startup="failed")
    async with serving(application(site_app)) as server:
        assert await server.ask("startup") == {"type": "lifespan.startup.failed", "message": "made up"}
    assert await Process.objects.acount() == 0


async def test_e06_a_failed_shutdown_of_the_sites_application_is_passed_on_after_the_chat_has_drained(
    transactional_db, script
):
    site_app = SiteApp(shutdown="failed")
    async with serving(application(site_app)) as server:
        await server.ask("startup")
        assert await server.ask("shutdown") == {"type": "lifespan.shutdown.failed", "message": "made up"}
    assert site_app.seen[-1] == ("shutdown", 0)


@pytest.fixture
def at_exit(monkeypatch):
    """The lines to print when the process exits, collected because the process of the tests must not print them."""
    printed = []
    monkeypatch.setattr("chat.lifespan.atexit.register", lambda say, *lines, file: printed.extend(lines))
    return printed


async def test_a_wrong_setting_keeps_both_from_starting_and_is_the_last_thing_that_is_printed(
    transactional_db, settings, at_exit
):
    settings.CHAT = chat_settings(REDIS_URL=7, RETRIES=-1)
    sentences = (
        'CHAT["RETRIES"] must be a non-negative integer, got -1.\n'
        'CHAT["REDIS_URL"] must be a string, got a value of type int.'
    )
    site_app = SiteApp()
    async with serving(application(site_app)) as server:
        assert await server.ask("startup") == {"type": "lifespan.startup.failed", "message": sentences}
        settings.CHAT = chat_settings()
    assert (site_app.seen, at_exit) == ([], [sentences])
    assert await Process.objects.acount() == 0


async def test_a_wrong_django_setting_ends_the_start_and_shuts_the_sites_application_down(
    transactional_db, script, monkeypatch, at_exit
):
    def fail(*args, **more):
        raise ImproperlyConfigured("Please supply the ENGINE value.")

    site_app = SiteApp()
    with monkeypatch.context() as context:
        context.setattr("chat.engine.engine.register", fail)
        async with serving(application(site_app)) as server:
            failed = {"type": "lifespan.startup.failed", "message": "Please supply the ENGINE value."}
            assert await server.ask("startup") == failed
    assert [event for event, _ in site_app.seen] == ["startup", "shutdown"]
    assert at_exit == ["Please supply the ENGINE value."]


async def test_only_daphnes_own_command_is_checked_at_import(settings, monkeypatch):
    settings.CHAT = chat_settings(RETRIES=-1)
    monkeypatch.delitem(sys.modules, "daphne.cli", raising=False)
    check_under_daphne()
    monkeypatch.setitem(sys.modules, "daphne.cli", sys)
    with pytest.raises(ImproperlyConfigured, match="RETRIES"):
        check_under_daphne()


async def returns(scope, receive, send):
    pass


async def asserts(scope, receive, send):
    assert scope["type"] == "http"


@pytest.mark.parametrize("app", [ASGIHandler(), returns, asserts], ids=["django", "returns", "asserts"])
async def test_e06_an_application_without_a_lifespan_is_fine_and_quiet(transactional_db, script, caplog, app):
    async with serving(application(app)) as server:
        assert [await server.ask("startup"), await server.ask("shutdown")] == COMPLETE
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


@pytest.mark.parametrize("answer", ["raise", "cancel", "http"])
async def test_e06_an_application_that_breaks_in_its_start_is_logged_and_the_chat_starts(
    transactional_db, script, caplog, answer
):
    async with serving(application(SiteApp(startup=answer))) as server:
        assert [await server.ask("startup"), await server.ask("shutdown")] == COMPLETE
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "failed in its lifespan" in record.getMessage()


async def test_e06_the_sites_application_ends_with_the_servers_task(transactional_db, script):
    ended = asyncio.Event()

    async def site_app(scope, receive, send):
        try:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        finally:
            ended.set()

    server = Server(application(site_app))
    await server.ask("startup")
    server.task.cancel()
    await asyncio.wait([server.task])
    assert ended.is_set()
    await engine().drain()


async def test_e06_the_state_of_the_sites_application_reaches_the_server(transactional_db, script):
    async def site_app(scope, receive, send):
        await receive()
        scope["state"]["pool"] = "theirs"
        await send({"type": "lifespan.startup.complete"})

    async with serving(application(site_app)) as server:
        await server.ask("startup")
        assert server._scope["state"] == {"pool": "theirs"}
        await server.ask("shutdown")


async def test_e06_the_chats_lifespan_works_in_a_router_of_the_sites_own(transactional_db, script):
    from channels.routing import ProtocolTypeRouter

    async with serving(ProtocolTypeRouter({"lifespan": lifespan})) as server:
        assert [await server.ask("startup")] == COMPLETE[:1]
        assert await Process.objects.acount() == 1
        assert [await server.ask("shutdown")] == COMPLETE[1:]
    assert await Process.objects.acount() == 0
