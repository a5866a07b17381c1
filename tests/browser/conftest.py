"""Browser tests in verbs. Run apart from the others: Playwright and pytest-asyncio both want the main thread's loop."""

import os
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.proxy import Proxy
from tests.servers import running

ANSWER = "article[data-role=assistant]"
QUESTION = "article[data-role=user]"


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(autouse=True)
def unsafe(monkeypatch):
    """Playwright's loop runs in the test's thread, which Django would take for a coroutine."""
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def site(transactional_db):
    with running() as site:
        yield site


@pytest.fixture
def proxy(site):
    proxy = Proxy(site.port)
    yield proxy
    proxy.close()


class Chat:
    """A visitor in front of the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.composer = page.get_by_label("Message", exact=True)
        self.send = page.get_by_role("button", name="Send", exact=True)
        self.stop = page.get_by_role("button", name="Stop", exact=True)
        self.answers = page.locator(ANSWER)
        self.questions = page.locator(QUESTION)

    def open(self, path: str = "/chat/") -> "Chat":
        self.page.goto(self.url + path)
        return self.connected()

    def connected(self) -> "Chat":
        self.page.wait_for_selector("llm-chat-connection[connected]", state="attached")
        return self

    def reload(self) -> None:
        self.page.reload()
        self.connected()

    def ask(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    @property
    def answer(self) -> Locator:
        return self.answers.last

    def expect_answer(self, text: str, status: str = "complete") -> None:
        expect(self.answer.locator("[data-parts]")).to_have_text(re.compile(r"^\s*" + re.escape(text) + r"\s*$"))
        expect(self.answer).to_have_attribute("data-status", status)


@pytest.fixture
def console():
    """What the browser's console said. It must say nothing: a violation of the security policy stands there too."""
    return []


@pytest.fixture
def visit(new_context, console):
    """Open a page as a visitor; each call with another name is another visitor, with cookies of their own."""
    contexts = {}

    def visit(url: str, visitor: str = "somebody", **options) -> Chat:
        if visitor not in contexts:
            contexts[visitor] = new_context(**options)
        page = contexts[visitor].new_page()
        page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: console.append(f"error: {error}"))
        return Chat(page, url)

    return visit


@pytest.fixture
def chat(script, site, visit, console, caplog):
    """A new chat on the page, with a model that the test plays; nothing may be said in the console or the log."""
    yield visit(site.url).open()
    assert console == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
