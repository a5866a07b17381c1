"""Calls of tools on the page: live, after a reload, without a script, and for those who hear it."""

import threading

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, Progress, ToolError, tool
from chat.assistants.discovery import registry
from tests.browser.test_accessibility import VIEWS, violations

MAY_END = threading.Event()


class Default(Assistant):
    """Helps customers."""

    @tool
    def orders(self, status: str = "open"):
        """The customer's orders."""
        yield Progress("Asking the warehouse")
        MAY_END.wait(10)
        yield [{"number": "B7", "status": status}]

    @tool
    def cancel(self):
        """Cancel an order."""
        raise ToolError("It is <b>too late</b>.")


@pytest.fixture(autouse=True)
def assistant():
    MAY_END.clear()
    with registry.replaced(Default):
        yield
    MAY_END.set()


def called(chat, script, *names):
    """Ask, and let the model call tools; return its reply to come."""
    chat.ask("Where is my order?")
    reply = script.next_reply()
    reply.say("Let me see.")
    for name in names:
        reply.call(name)
    reply.finish("tool-calls")


def calls(chat):
    return chat.page.locator(".llm-chat-call")


def test_a_call_is_shown_while_it_runs_and_stays_open_when_it_ends(chat, script):
    chat.open()
    called(chat, script, "orders")
    expect(calls(chat)).to_contain_text("Asking the warehouse")
    calls(chat).locator("summary").click()
    MAY_END.set()
    expect(calls(chat)).to_have_attribute("data-call", "done")
    expect(calls(chat).locator("pre")).to_contain_text("B7")
    expect(calls(chat).locator("pre")).to_be_visible()
    reply = script.next_reply()
    reply.say("It is on its way.")
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    before = chat.answer.locator("[data-parts]").inner_text()
    chat.reload()
    calls(chat).locator("summary").click()
    assert chat.answer.locator("[data-parts]").inner_text() == before


def test_a_call_that_fails_says_why_as_text(chat, script):
    chat.open()
    called(chat, script, "cancel")
    script.next_reply().finish()
    expect(calls(chat)).to_have_attribute("data-call", "failed")
    calls(chat).locator("summary").click()
    expect(calls(chat)).to_contain_text("It is <b>too late</b>.")


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_calls_in_any_state(script, site, visit, view):
    page = visit(site.url, view, **VIEWS[view]).open().page
    field = page.locator(".llm-chat-composer textarea")
    field.fill("Where is my order?")
    field.press("Enter")
    reply = script.next_reply()
    reply.call("orders")
    reply.call("cancel")
    reply.finish("tool-calls")
    running, failed = page.locator(".llm-chat-call").nth(0), page.locator(".llm-chat-call").nth(1)
    expect(failed).to_have_attribute("data-call", "failed")
    for call in (running, failed):
        call.locator("summary").click()
    assert violations(page) == []
    MAY_END.set()
    expect(running).to_have_attribute("data-call", "done")
    script.next_reply().finish()
    expect(page.locator("article[data-role=assistant]")).to_have_attribute("data-status", "complete")
    assert violations(page) == []
