"""The assistants that an empty chat offers, for those who hear the page and who use no pointer."""

import pytest
from playwright.sync_api import expect

from chat.assistants.discovery import registry
from tests.browser.test_accessibility import VIEWS, VISIBLE, violations
from tests.support.assistants import Sales, Support


@pytest.fixture(autouse=True)
def assistants():
    with registry.replaced(Support, Sales):
        yield


def row(chat):
    return chat.page.locator(".llm-chat-assistants")


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_the_row_of_assistants(script, site, visit, console, view):
    chat = visit(site.url, reduced_motion="reduce", **VIEWS[view]).open().settled()
    expect(row(chat).get_by_role("link")).to_have_count(2)
    assert violations(chat.page) == []
    assert console == []


def test_the_row_is_a_landmark_that_names_the_one_who_answers(chat):
    chat.open()
    expect(chat.page.get_by_role("navigation", name="Assistant").get_by_role("link")).to_have_text(
        ["Support", "Sales desk"]
    )
    expect(row(chat).locator("[aria-current=true]")).to_have_text("Support")
    for link in row(chat).get_by_role("link").all():
        box = link.bounding_box()
        assert min(box["width"], box["height"]) >= 24


def test_an_assistant_is_chosen_by_keys_and_the_focus_is_seen_on_the_way(chat, script):
    chat.open()
    keys = chat.page.keyboard
    chat.page.get_by_role("button", name="Menu", exact=True).focus()
    for name in ("Support", "Sales desk"):
        keys.press("Tab")
        expect(row(chat).get_by_role("link", name=name)).to_be_focused()
        assert chat.page.evaluate(VISIBLE), f"the focus does not show on {name}"
    keys.press("Enter")
    expect(row(chat).locator("[aria-current=true]")).to_have_text("Sales desk")
    chat.connected()
    expect(chat.composer).to_be_focused()
    keys.type("Which one fits me?")
    keys.press("Enter")
    expect(row(chat)).to_be_hidden()
    script.next_reply().finish()
    chat.idle()
