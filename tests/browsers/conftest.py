"""The page in Chromium, Firefox and WebKit: the same tests in each, of what a browser may do in its own way."""

import os

import pytest
from django.conf import settings as site_settings
from django.test import override_settings

from tests.browsers.visitor import Visitor
from tests.support.browsers import firefox, webkit
from tests.support.browsers.chromium import Chromium
from tests.support.browsers.firefox import Firefox
from tests.support.browsers.webkit import WebKit
from tests.support.servers import left_in_mid_answer

MISSING = {
    "firefox": "Firefox is not installed: `apt-get install firefox-esr`.",
    "webkit": "WebKit is not installed: `apt-get install webkit2gtk-driver xvfb`.",
}


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/browsers/" in str(item.path):
            item.add_marker(pytest.mark.browsers)


@pytest.fixture(scope="session", autouse=True)
def unsafe():
    """Playwright's loop runs in the tests' thread, which Django would take for a coroutine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def watched():
    """Let every page note what it complains of."""
    with override_settings(MIDDLEWARE=[*site_settings.MIDDLEWARE, "tests.support.watching.Watching"]):
        yield


def started(name, request):
    if name == "chromium":
        return Chromium(request.getfixturevalue("browser"))
    found = (firefox if name == "firefox" else webkit).installed()
    if not found:
        pytest.skip(MISSING[name])
    return (Firefox if name == "firefox" else WebKit)(found)


@pytest.fixture(scope="session", params=["chromium", "firefox", "webkit"])
def engine(request):
    """A browser, started once for all tests."""
    engine = started(request.param, request)
    engine.name = request.param
    yield engine
    engine.close()


@pytest.fixture
def script(script, settings):
    """Have patience with the test that plays the model and undoes, because three browsers run side by side."""
    settings.CHAT = {**settings.CHAT, "FIRST_TOKEN_TIMEOUT": 60.0, "DELTA_TIMEOUT": 60.0, "UNDO_PERIOD": 10.0}
    return script


@pytest.fixture
def site(transactional_db):
    with left_in_mid_answer() as site:
        yield site


@pytest.fixture
def open_tab(engine, script, site):
    """Open a tab of the test's one visitor. At the end, no page may have complained of anything."""
    tabs = []

    def open_tab(path="/chat/", width=1280, height=800, url=site.url):
        tabs.append(Visitor(engine.tab(width, height), url))
        return tabs[-1].open(path)

    engine.complaints.clear()
    yield open_tab
    complaints = [*engine.complaints, *(complaint for tab in tabs for complaint in tab.complaints())]
    engine.forget()
    assert complaints == []


@pytest.fixture
def chat(open_tab):
    """A new chat, with a model that the test plays."""
    return open_tab()
