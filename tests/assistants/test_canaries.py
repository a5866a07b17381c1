"""What never gets out: rows of the database, and the texts of exceptions, wherever the site's code lets them loose.

All of them have a canary in them. The model is told that a tool has failed, the log has the traceback, and no page has
the canary: neither live nor stored, exported, shared or in the admin.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.urls import reverse
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy

from chat.assistants import Assistant, Progress, Source, ToolError, tool
from chat.assistants.calling import FAILED
from chat.assistants.discovery import registry
from chat.models import Conversation, Message, Share, ToolCall
from chat.owners import VISITOR
from tests.support.templates import OwnTemplates

CANARY = "canary-7f3a"


class Bird:
    """Something whose text is a canary, and whose encoding fails with one."""

    def __str__(self):
        raise ValueError(CANARY)

    __repr__ = __str__


def row() -> User:
    return User.objects.get(username=CANARY)


class Leaking(Assistant):
    """Each of its tools lets something loose, in a way of its own."""

    name = "default"

    @tool
    def a_row(self):
        """Leak."""
        return row()

    @tool
    def a_row_in_a_dict(self):
        """Leak."""
        return {"user": {"deep": [row()]}}

    @tool
    def a_row_in_a_tuple(self):
        """Leak."""
        return (1, (row(),))

    @tool
    def a_row_as_a_key(self):
        """Leak."""
        return {row(): 1}

    @tool
    def rows(self):
        """Leak."""
        return [User.objects.all()]

    @tool
    def rows_of_a_generator(self):
        """Leak."""
        return {"rows": (user for user in User.objects.all())}

    @tool
    def a_row_that_is_yielded(self):
        """Leak."""
        yield Progress("Working")
        yield row()

    @tool
    async def a_row_that_is_yielded_on_the_loop(self):
        """Leak."""
        yield await sync_to_async(row)()

    @tool
    def a_row_as_progress(self):
        """Leak."""
        yield Progress(row())
        yield 1

    @tool
    def a_row_as_an_error(self):
        """Leak."""
        raise ToolError(row())

    @tool
    def an_exception_as_an_error(self):
        """Leak."""
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise ToolError(error) from error

    @tool
    def a_row_as_a_source(self):
        """Leak."""
        return [Source(row(), "/a/")]

    @tool
    def a_row_beside_a_source(self):
        """Leak."""
        return [Source("A", "/a/"), row()]

    @tool
    def a_row_with_a_source(self):
        """Leak."""
        return {"found": Source("A", "/a/", CANARY)}


class Crashing(Assistant):
    """Each of its tools crashes, in a way of its own."""

    name = "default"

    @tool
    def at_once(self):
        """Crash."""
        raise ValueError(CANARY)

    @tool
    async def on_the_loop(self):
        """Crash."""
        raise ValueError(CANARY)

    @tool
    def after_progress(self):
        """Crash."""
        yield Progress("Working")
        raise ValueError(CANARY)

    @tool
    async def after_progress_on_the_loop(self):
        """Crash."""
        yield Progress("Working")
        raise ValueError(CANARY)

    @tool
    def in_the_result(self):
        """Crash."""
        return {"bird": Bird()}

    @tool
    def in_a_lazy_text(self):
        """Crash."""
        return {"text": lazystr(Bird())}

    @tool
    def in_progress(self):
        """Crash."""
        yield Progress(lazystr(Bird()))

    @tool
    async def in_progress_on_the_loop(self):
        """Crash."""
        yield Progress(lazystr(Bird()))

    @tool
    def in_an_error(self):
        """Crash."""
        raise ToolError(lazystr(Bird()))

    @tool
    async def in_an_error_on_the_loop(self):
        """Crash."""
        raise ToolError(lazystr(Bird()))

    @tool
    def in_a_source(self):
        """Crash."""
        return Source(lazystr(Bird()), "/a/")

    @tool
    def asked(self):
        """Crash."""

    def confirm_asked(self):
        raise ValueError(CANARY)

    @tool
    def asked_with_a_row(self):
        """Crash."""

    def confirm_asked_with_a_row(self):
        return row()

    @tool
    def asked_with_a_lazy_text(self):
        """Crash."""

    async def confirm_asked_with_a_lazy_text(self):
        return lazystr(Bird())

    @tool(timeout=0.05)
    def asked_for_too_long(self):
        """Crash."""

    async def confirm_asked_for_too_long(self):
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError(CANARY)


def tools_of(assistant):
    return [name for name, found in vars(assistant).items() if hasattr(found, "_llm_chat_tool")]


async def browser(visitor="somebody", **options):
    store = SessionStore()
    store[VISITOR] = visitor
    await sync_to_async(store.save)()
    client = AsyncClient(headers={"accept": "text/html"}, **options)
    client.cookies["sessionid"] = store.session_key
    return client


async def pages() -> AsyncIterator[tuple[str, str]]:
    """Yield all that a visitor, a reader of a share and the staff can open, by its path."""
    own = await browser()
    assert (await own.post("/chat/c1/shares/new/")).status_code == 303
    link = (await Share.objects.aget()).uid
    paths = ["/chat/c1/", "/chat/?q=look", "/chat/c1/print/", "/chat/c1/export.md", "/chat/c1/export.json"]
    for path in [*paths, "/chat/c1/shares/", "/chat/c1/options/", f"/chat/~shared/{link}/"]:
        yield path, (await own.get(path)).content.decode()
    staff = AsyncClient()
    await staff.aforce_login(await User.objects.acreate_superuser("root"))
    key = (await Conversation.objects.aget()).pk
    admin = [reverse("admin:llm_chat_conversation_change", args=[key]), "/admin/llm_chat/conversation/?q=look"]
    for path in admin:
        yield path, (await staff.get(path)).content.decode()


async def assert_nowhere(script, *heard):
    """Check that the canary is in no frame, no call of the model, no row and no page."""
    found = {"frames": json.dumps(heard), "model": json.dumps([asked.messages for asked in script.requests])}
    for model in (Message, ToolCall):
        found[model.__name__] = str([values async for values in model.objects.values()])
    async for path, page in pages():
        assert "Look" in page or "look" in page or "export" in page, path
        found[path] = page
    assert [place for place, text in found.items() if CANARY in text] == []


@pytest.fixture(autouse=True)
def site(settings):
    settings.CHAT = {**settings.CHAT, "SHARING": True}


@pytest.fixture
async def bird(served, script, settings):
    settings.CHAT = {**settings.CHAT, "SHARING": True}
    return await User.objects.acreate(username=CANARY, first_name=CANARY, email=f"{CANARY}@example.com")


@pytest.mark.parametrize("view", ["text", "html"])
@pytest.mark.parametrize("assistant", [Leaking, Crashing])
async def test_what_a_tool_lets_loose_is_only_in_the_log(bird, connect, script, caplog, assistant, view):
    names = tools_of(assistant)
    with registry.replaced(assistant):
        socket = await connect()
        request = await socket.ask("Look", body={"view": view})
        reply = await script.anext_reply()
        reply.say("Look.")
        for name in names:
            reply.call(name)
        reply.finish("tool-calls")
        reply = await script.anext_reply()
        results = [message["content"] for message in reply.request.messages if message["role"] == "tool"]
        assert dict(zip(names, results, strict=True)) == dict.fromkeys(names, FAILED)
        reply.say("So.")
        reply.finish()
        heard = await socket.rest(request)
        again = await socket.rest(await socket.resume(body={"view": view}))
        later = await socket.ask("And now?", message="m2")
        (await script.anext_reply()).finish()
        await socket.chunks(later)
        await assert_nowhere(script, heard, again)
    assert {call.state async for call in ToolCall.objects.all()} == {"failed"}
    for name in names:
        assert f"The tool {name} failed." in caplog.text or f"allow the tool {name}" in caplog.text, name


class Working(Assistant):
    """Its tools end well."""

    name = "default"

    @tool
    def look(self):
        """Look."""
        return "look"

    @tool(confirm=True)
    def cancel(self):
        """Cancel."""


@contextmanager
def broken(hook: str, failure: object) -> Iterator[type[Assistant]]:
    """Let an assistant have a hook that fails, or that returns what it must not."""

    def sync(self, *_):
        if isinstance(failure, Exception):
            raise failure
        return row()

    with registry.replaced(type("Broken", (Working,), {hook: sync, "name": "default"})):
        yield Working


@pytest.mark.parametrize("view", ["text", "html"])
@pytest.mark.parametrize("hook", ["get_instructions", "has_permission"])
async def test_a_hook_that_fails_says_nothing(bird, connect, script, caplog, hook, view):
    socket = await connect()
    with registry.replaced(Working):
        request = await socket.ask("Look")
        reply = await script.anext_reply()
        reply.say("Look.")
        reply.finish()
        await socket.chunks(request)
    with broken(hook, ValueError(CANARY)):
        heard = await socket.rest(await socket.ask("Look", message="m2", body={"view": view}))
        refused = await (await browser()).post("/chat/c1/", {"id": "m3", "text": "Look"})
        assert CANARY not in refused.content.decode()
        await assert_nowhere(script, heard)
    assert CANARY in caplog.text


async def test_instructions_that_are_no_text_are_an_error_and_not_sent(bird, connect, script, caplog):
    with broken("get_instructions", None):
        socket = await connect()
        heard = await socket.rest(await socket.ask("Look"))
        assert heard[-2]["code"] == "internal"
        await assert_nowhere(script, heard)
    assert "get_instructions must return a text or None, got" in caplog.text
    assert script.waiting == 0


class BrokenBackend(ModelBackend):
    """Authentication that does not work at the moment."""

    broken = False

    def has_perm(self, user_obj, perm, obj=None):
        if self.broken:
            raise ValueError(CANARY)
        return True


class Guarded(Assistant):
    name = "default"

    @tool(permission="auth.view_user", confirm=True)
    def look(self):
        """Look."""


async def test_a_permission_that_cannot_be_checked_refuses_and_says_nothing(
    connect, served, script, settings, monkeypatch, caplog
):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.BrokenBackend", "django.contrib.auth.backends.ModelBackend"]
    user = await User.objects.acreate_user("ann")
    with registry.replaced(Guarded):
        socket = await connect(user=user)
        request = await socket.ask("Look")
        reply = await script.anext_reply()
        reply.call("look")
        reply.finish("tool-calls")
        await socket.chunks(request)
        monkeypatch.setattr(BrokenBackend, "broken", True)
        call = await ToolCall.objects.aget()
        heard = await socket.rest(await socket.decide(call.uid))
        assert heard[-1]["code"] == "internal"
        assert (await ToolCall.objects.aget()).state == "asked"
        heard += await socket.rest(await socket.ask("Look", message="m2"))
        assert heard[-2]["code"] == "internal"
    assert CANARY not in json.dumps(heard)
    assert CANARY in caplog.text
    assert script.waiting == 0


@pytest.mark.parametrize("content", ["{% url 'canary-7f3a' %}", "{% include 'canary-7f3a' %}", "{% canary-7f3a %}"])
async def test_what_is_wrong_with_a_template_is_only_in_the_log(
    bird, connect, script, settings, tmp_path, caplog, content
):
    OwnTemplates(settings, tmp_path).tool("look.html", content)
    with registry.replaced(Working):
        socket = await connect()
        request = await socket.ask("Look", body={"view": "html"})
        reply = await script.anext_reply()
        reply.call("look")
        reply.finish("tool-calls")
        (await script.anext_reply()).finish()
        heard = await socket.rest(request)
        await assert_nowhere(script, heard)
    assert CANARY in caplog.text


async def test_why_a_tool_cannot_is_said_in_the_language_of_the_page(connect, script):
    class Default(Assistant):
        @tool
        def sync(self):
            """Look."""
            raise ToolError(gettext_lazy("Yes"))

        @tool
        async def on_the_loop(self):
            """Look."""
            raise ToolError(gettext_lazy("Yes"))

    with registry.replaced(Default):
        socket = await connect()
        await socket.ask("Look", body={"language": "de"})
        reply = await script.anext_reply()
        reply.call("sync")
        reply.call("on_the_loop")
        reply.finish("tool-calls")
        reply = await script.anext_reply()
        assert [message["content"] for message in reply.request.messages[-2:]] == ["Ja", "Ja"]
        reply.finish()
