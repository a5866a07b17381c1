"""The size limit for requests to the chat's pages."""

import itertools

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path
from django.utils.translation import get_language

from chat.asgi import bounded
from chat.conf import conf

urlpatterns = i18n_patterns(path("chat/", include("chat.urls")))

LONG = 300_000_000


class Browser:
    """Posts an endless body, and counts the bytes that were read of it."""

    def __init__(self, app, path, method="POST", **headers):
        found = [(name.replace("_", "-").encode(), str(value).encode()) for name, value in headers.items()]
        self.scope = {"type": "http", "method": method, "path": path, "headers": found}
        self.read = 0
        self.sent = []
        self._app = app

    async def post(self):
        await bounded(self._app)(self.scope, self._receive, self._send)
        return [event["status"] for event in self.sent if "status" in event]

    async def _receive(self):
        self.read += 65536
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    async def _send(self, event):
        self.sent.append(event)


async def django(scope, receive, send):
    """Read ten megabytes before answering, as Django reads a whole body."""
    for _ in itertools.repeat(None, 160):
        if (await receive())["type"] == "http.disconnect":
            return
    await send({"type": "http.response.start", "status": 403})


@pytest.mark.parametrize("path", ["/chat/", "/chat/c1/", "/chat/c1/stop/", "/chat/~delete/"])
async def test_a14_a_long_body_for_a_page_of_the_chat_is_refused_before_it_is_read(path):
    browser = Browser(django, path, content_length=LONG)
    assert await browser.post() == [413]
    assert browser.read == 0


async def test_a14_a_body_without_a_length_is_refused_as_soon_as_it_is_too_long():
    browser = Browser(django, "/chat/c1/", transfer_encoding="chunked")
    assert await browser.post() == [413]
    assert browser.read <= conf.max_form_size + 2 * 65536


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/accounts/login/", {"content_length": LONG}),
        ("/none/", {"content_length": LONG}),
        ("/none/", {"transfer_encoding": "chunked"}),
        ("/chat/c1/", {"content_length": 400_000}),
        ("/chat/c1/", {"content_length": "nonsense"}),
        ("/chat/c1/", {}),
    ],
)
async def test_a14_everything_else_is_left_to_the_site(path, headers):
    browser = Browser(django, path, **headers)
    assert await browser.post() == [403]


async def test_a14_the_prefix_of_the_site_counts(settings):
    settings.FORCE_SCRIPT_NAME = "/app"
    assert await Browser(django, "/app/chat/c1/", content_length=LONG).post() == [413]
    assert await Browser(django, "/chat/c1/", content_length=LONG).post() == [413]
    assert await Browser(django, "/app/admin/", content_length=LONG).post() == [403]


async def test_a14_a_body_of_http_2_needs_no_length_to_be_counted():
    browser = Browser(django, "/chat/c1/")
    browser.scope["http_version"] = "2"
    assert await browser.post() == [413]


async def early(scope, receive, send):
    """Answer before reading everything, as a site's own middleware may."""
    await send({"type": "http.response.start", "status": 403})
    await django(scope, receive, send)


async def raising(scope, receive, send):
    """Raise when the client has disconnected, as Starlette does."""
    await django(scope, receive, send)
    raise RuntimeError


@pytest.mark.parametrize(("app", "answers"), [(early, [403]), (raising, [413])])
async def test_a14_a_body_that_gets_too_long_is_answered_once_whatever_the_site_does(app, answers):
    assert await Browser(app, "/chat/c1/", transfer_encoding="chunked").post() == answers


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("path", ["/en/chat/c1/", "/de/chat/c1/"])
async def test_a14_the_language_in_an_address_makes_no_difference(path):
    before = get_language()
    assert await Browser(django, path, content_length=LONG).post() == [413]
    assert get_language() == before
