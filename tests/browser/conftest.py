"""Browser tests in verbs. Run apart from the others: Playwright and pytest-asyncio both want the main thread's loop."""

import json
import os
import re
import time

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.support.servers import left_in_mid_answer

# Half as long again as a page waits before an attempt to connect again.
expect.set_options(timeout=15_000)

ANSWER = "article[data-role=assistant]"
QUESTION = "article[data-role=user]"
ANSWERED = """addEventListener("chat:answered", () => document.documentElement.setAttribute("data-answered", ""))"""
"""Tells when a request has come to its end, the first resume of a page above all."""


FIRST = {"test_local_model", "test_page", "test_sending"}
"""What ``make test`` tries of the page; the rest is for ``make test-browser``."""


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            if item.path.stem not in FIRST:
                item.add_marker(pytest.mark.thorough)


@pytest.fixture(autouse=True)
def unsafe(monkeypatch):
    """Playwright's loop runs in the test's thread, which Django would take for a coroutine."""
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def site(transactional_db):
    with left_in_mid_answer() as site:
        yield site


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
        self.status = page.locator("llm-chat-announcer [role=status]")
        self.log = page.get_by_role("log")
        self.sent: list[dict] = []
        """The frames that the page has sent, on any of its sockets."""
        self.sockets = 0
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        self.sockets += 1
        socket.on("framesent", lambda payload: self.sent.append(json.loads(payload)))

    def open(self, path: str = "/chat/") -> "Chat":
        self.page.goto(self.url + path)
        return self.connected()

    def settled(self) -> "Chat":
        """Wait until the first resume has come to its end: the page knows that it lacks nothing."""
        self.page.wait_for_selector("html[data-answered]", state="attached")
        return self

    def connected(self) -> "Chat":
        self.page.wait_for_selector("llm-chat-connection[connected]", state="attached")
        return self

    def reload(self) -> None:
        self.page.reload()
        self.connected()

    def ask(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def disconnected(self) -> None:
        self.page.wait_for_selector("llm-chat-connection:not([connected])", state="attached")

    def idle(self) -> None:
        """Nothing is under way any more, and nothing waits."""
        self.page.wait_for_selector("llm-chat:not([streaming])", state="attached")

    def set(self, element: str, **properties) -> None:
        """Give one of the page's elements other times than a real site's."""
        script = "([element, properties]) => Object.assign(document.querySelector(element), properties)"
        self.page.evaluate(script, [element, properties])

    def try_after(self, wait: float) -> None:
        """Once disconnected, the page tries again after so many milliseconds, the first time and ever after."""
        script = "wait => { document.querySelector('llm-chat-connection').backoff = () => wait }"
        self.page.evaluate(script, wait)

    def stay_away(self) -> None:
        """Once disconnected, the page does not try again."""
        self.try_after(1e9)

    def come_back(self) -> None:
        """The reader returns to the tab."""
        self.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")

    def hear(self, **frame) -> None:
        """A frame arrives that belongs to no request."""
        script = """detail => document.querySelector("llm-chat-connection").dispatchEvent(
            new CustomEvent("chat:frame", { bubbles: true, detail }))"""
        self.page.evaluate(script, frame)

    def receive(self, chunk: dict) -> None:
        """A chunk arrives in the answer that is under way."""
        script = (
            """detail => document.querySelector("llm-chat").dispatchEvent(new CustomEvent("chat:chunk", { detail }))"""
        )
        self.page.evaluate(script, chunk)

    def wait_for_frames(self, kind: str, count: int = 1) -> None:
        """Until the page has sent so many frames of a kind."""
        deadline = time.monotonic() + 15
        while sum(frame["type"] == kind for frame in self.sent) < count:
            assert time.monotonic() < deadline, f"the page sent no more frames of the kind {kind}"
            self.page.evaluate("1")  # lets Playwright hear of frames

    @property
    def conversation(self) -> str:
        return self.page.locator("llm-chat").get_attribute("conversation")

    @property
    def answer(self) -> Locator:
        return self.answers.last

    def talk(self, script, question: str = "Tell me", answer: str = "Here") -> None:
        """Ask, and be answered."""
        self.ask(question)
        reply = script.next_reply()
        reply.say(answer)
        reply.finish()
        expect(self.questions.last).to_contain_text(question)
        expect(self.answer).to_have_attribute("data-status", "complete")
        self.idle()

    def click(self, name: str, article: Locator | None = None) -> None:
        """One of the buttons under a message, the last answer where nothing is said."""
        (article or self.answer).get_by_role("button", name=name, exact=True).click()

    def clipboard(self) -> str:
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        return self.page.evaluate("navigator.clipboard.readText()")

    def drawn(self) -> None:
        """Wait until what has happened so far is on the screen: the page scrolls while a frame is made, not before."""
        frames = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
        self.page.evaluate(frames)

    def place(self, element: Locator) -> float:
        """Return where an element is on the screen, from above, in pixels."""
        self.drawn()
        return element.evaluate("element => element.getBoundingClientRect().top")

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
        page.add_init_script(ANSWERED)
        page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: console.append(f"error: {error}"))
        return Chat(page, url)

    return visit


@pytest.fixture
def shaky(script, proxy, visit):
    """A new chat on the page, behind a network that the test holds in its hand."""
    return visit(f"http://127.0.0.1:{proxy.port}").open().settled()


@pytest.fixture
def chat(script, site, visit, console, caplog):
    """A new chat on the page, with a model that the test plays; nothing may be said in the console or the log."""
    yield visit(site.url).open()
    assert console == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
