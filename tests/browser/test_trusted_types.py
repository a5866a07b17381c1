"""The page under Trusted Types: all HTML that scripts insert goes through the one policy that is documented."""

import copy

import pytest
from django.conf import settings as site_settings
from playwright.sync_api import Error, expect

ANSWER = "# Title\n\n```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | $x_1$ |\n\n- [x] done\n"
UNTRUSTED = "() => { document.createElement('p').innerHTML = '<b>text</b>' }"


@pytest.fixture
def strict(settings):
    """Send the two directives beside the site's own."""
    policy = copy.deepcopy(site_settings.CONTENT_SECURITY_POLICY)
    policy["DIRECTIVES"] |= {"require-trusted-types-for": ["'script'"], "trusted-types": ["llm-chat"]}
    settings.CONTENT_SECURITY_POLICY = policy


def test_no_script_inserts_html_that_the_server_has_not_rendered(strict, script, site, visit, console):
    chat = visit(site.url).open().settled()
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    stream(chat, script)
    copy_everything(chat)
    branch(chat, script)
    edit(chat, script)
    search_and_open_options(chat.page)
    chat.reload()
    assert console == []
    with pytest.raises(Error, match="TrustedHTML"):
        chat.page.evaluate(UNTRUSTED)


def stream(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    for place in range(0, len(ANSWER), 7):
        reply.say(ANSWER[place : place + 7])
    reply.finish()
    expect(chat.answer.locator("input")).to_be_visible()
    chat.idle()


def copy_everything(chat):
    for name in ("Copy the code", "Copy as CSV", "Copy"):
        chat.answer.get_by_role("button", name=name, exact=True).click()
        expect(chat.status).to_have_text("Copied")
    with chat.page.expect_download():
        chat.answer.get_by_role("button", name="Download the code").click()


def branch(chat, script):
    chat.answer.locator("[data-action=retry]").click()
    reply = script.next_reply()
    reply.say("Another")
    reply.finish()
    expect(chat.answer).to_contain_text("Another")
    chat.idle()
    chat.answer.locator("[data-action=select]:enabled").click()
    expect(chat.answer).to_contain_text("Title")


def edit(chat, script):
    question = chat.questions.first
    question.hover()
    question.locator("[data-action=edit]").click()
    question.locator("textarea").fill("Changed")
    question.locator("textarea").press("Enter")
    reply = script.next_reply()
    reply.say("Edited")
    reply.finish()
    expect(chat.answer).to_contain_text("Edited")
    chat.idle()


def search_and_open_options(page):
    page.locator("[name=q]").fill("Changed")
    expect(page.locator("[data-found] li")).to_have_count(1)
    page.locator("[name=q]").fill("")
    page.locator("llm-chat-list [data-action=options]").first.click()
    page.get_by_role("menuitem", name="Rename").click()
    expect(page.get_by_label("Title")).to_be_visible()
    page.keyboard.press("Escape")
