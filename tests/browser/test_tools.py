"""Calls of tools on the page: live, after a reload, without a script, and for those who hear it."""

import asyncio
import threading

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, Progress, ToolError, tool
from chat.assistants.discovery import registry
from tests.browser.test_accessibility import SPOKEN, VIEWS, VISIBLE, violations

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

    @tool(timeout=0.1)
    async def lose(self):
        """Do something for too long."""
        await asyncio.Event().wait()

    @tool
    def parcel(self):
        """Where a parcel is."""
        return {"place": "Lyon", "events": [{"at": "09:00"}]}

    @tool
    def sizes(self):
        """The sizes of a saddle."""
        return ["S", "M"] * 200

    @tool
    def deep(self):
        """Something deep."""
        return [[[1]]]


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
    expect(calls(chat).get_by_role("cell", name="B7")).to_be_visible()
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
    expect(calls(chat).get_by_text("It is <b>too late</b>.")).to_be_visible()


ENDS = {"orders": "done", "cancel": "failed", "lose": "unknown", "parcel": "done", "sizes": "done", "deep": "done"}
"""How the tools end, which return data of each kind."""


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_calls_in_any_state(script, site, visit, console, view):
    chat = visit(site.url, view, reduced_motion="reduce", **VIEWS[view]).open()
    page, field = chat.page, chat.page.locator(".llm-chat-composer textarea")
    field.fill("Where is my order?")
    field.press("Enter")
    reply = script.next_reply()
    for name in ENDS:
        reply.call(name, **({"status": "open"} if name == "orders" else {}))
    reply.finish("tool-calls")
    expect(calls(chat)).to_have_count(len(ENDS))
    for call, state in zip(calls(chat).all(), {**ENDS, "orders": "running"}.values(), strict=True):
        expect(call).to_have_attribute("data-call", state)
    assert violations(page) == []
    for call in calls(chat).all():
        call.locator("summary").click()
    assert violations(page) == []
    MAY_END.set()
    expect(calls(chat).first).to_have_attribute("data-call", "done")
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    assert violations(page) == []
    assert console == []


def test_a_call_is_read_by_keys_alone(chat, script):
    chat.open()
    MAY_END.set()
    called(chat, script, "orders")
    script.next_reply().finish()
    chat.idle()
    keys = chat.page.keyboard
    chat.log.focus()
    while not calls(chat).locator("summary").evaluate("one => one === document.activeElement"):
        keys.press("Tab")
        assert chat.page.evaluate(VISIBLE)
    keys.press("Enter")
    keys.press("Tab")
    expect(calls(chat).get_by_role("group", name="Result")).to_be_focused()
    assert chat.page.evaluate(VISIBLE)
    keys.press("Shift+Tab")
    keys.press("Space")
    expect(calls(chat).get_by_role("group", name="Result")).to_be_hidden()


def test_a_call_keeps_the_focus_when_it_ends(chat, script):
    chat.open()
    called(chat, script, "orders")
    expect(calls(chat)).to_contain_text("Asking the warehouse")
    summary = calls(chat).locator("summary")
    summary.focus()
    chat.page.keyboard.press("Enter")
    MAY_END.set()
    expect(calls(chat)).to_have_attribute("data-call", "done")
    expect(summary).to_be_focused()
    expect(calls(chat).get_by_role("cell", name="B7")).to_be_visible()
    chat.page.keyboard.press("Enter")
    expect(calls(chat).get_by_role("cell", name="B7")).to_be_hidden()
    script.next_reply().finish()
    chat.idle()


def test_the_focus_follows_the_name_of_what_it_was_on(chat, script):
    chat.open()
    called(chat, script, "cancel")
    expect(calls(chat)).to_have_attribute("data-call", "failed")
    answer = chat.answer.get_attribute("data-message")
    html = '<llm-chat-part data-part="1"><button name="b">{}</button><button name="a">{}</button></llm-chat-part>'
    for text in ("One", "Two"):
        part = {"message": answer, "part": 1, "html": html.format("Other", text)}
        chat.receive({"type": "data-part", "data": part})
        if text == "One":
            chat.answer.get_by_role("button", name="One").focus()
    expect(chat.answer.get_by_role("button", name="Two")).to_be_focused()
    part = {"message": answer, "part": 1, "html": '<llm-chat-part data-part="1">Gone</llm-chat-part>'}
    chat.receive({"type": "data-part", "data": part})
    expect(chat.composer).to_be_focused()
    script.next_reply().finish()
    chat.idle()


def test_a_call_that_was_opened_stays_open_when_the_connection_comes_back(script, proxy, shaky):
    called(shaky, script, "orders")
    expect(calls(shaky)).to_contain_text("Asking the warehouse")
    calls(shaky).locator("summary").click()
    proxy.down()
    shaky.disconnected()
    MAY_END.set()
    script.next_reply().finish()
    proxy.up()
    expect(calls(shaky)).to_have_attribute("data-call", "done")
    expect(calls(shaky).get_by_role("cell", name="B7")).to_be_visible()
    shaky.idle()


def test_there_is_a_sign_of_life_between_a_call_and_the_text_after_it(chat, script):
    chat.open()
    called(chat, script, "orders")
    dots = chat.answer.locator("[data-part] > .llm-chat-dots")
    expect(calls(chat).locator(".llm-chat-call-spinner")).to_be_visible()
    expect(dots).to_be_hidden()
    MAY_END.set()
    expect(dots).to_be_visible()
    reply = script.next_reply()
    reply.say("It is on its way.")
    expect(dots).to_be_hidden()
    reply.finish()
    chat.idle()


def test_an_answer_with_calls_is_announced_at_most_four_times_and_by_its_text_alone(chat, script):
    chat.open().settled()
    chat.page.evaluate(SPOKEN)
    chat.set("llm-chat-announcer", pause=20)
    called(chat, script, "orders", "cancel", "orders")
    chat.page.wait_for_function("() => window.spoken.length === 3")
    MAY_END.set()
    reply = script.next_reply()
    reply.say("It is on its way.")
    reply.finish()
    chat.page.wait_for_function("() => window.spoken.length === 4")
    chat.idle()
    still = "Still answering"
    assert chat.page.evaluate("window.spoken") == ["Answering", still, still, "Let me see.\nIt is on its way."]
