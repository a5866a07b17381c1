"""Messages that the site itself posts, as the open pages of their user show them."""

from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import expect

from chat import post
from tests.browser.conftest import ANSWER
from tests.browser.test_accounts import sign_in


def posted(*arguments, **options):
    """Post on another thread, because Playwright's loop runs in that of the test."""

    def work():
        try:
            return post(*arguments, **options)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_a_message_is_on_every_open_page_and_in_the_list_and_is_followed_by_a_question(site, chat, script):
    ann = User.objects.create_user("ann", password="correct horse")
    sign_in(chat, "/chat/default/")
    other = chat.page.context.new_page()
    other.goto(f"{chat.url}/chat/default/")
    elsewhere = chat.page.context.new_page()
    elsewhere.goto(f"{chat.url}/chat/c1/")
    posted("default", "Your order **1042** has been sent.", user=ann)
    for page in (chat.page, other):
        expect(page.locator(f"{ANSWER} strong")).to_have_text("1042")
        expect(page.locator("[data-action=rate]").first).to_be_attached()
        expect(page.locator("[data-action=retry]")).to_have_count(0)
    line = elsewhere.locator("llm-chat-list li", has_text="Your order")
    expect(line).to_have_count(1)
    expect(line).not_to_have_attribute("data-running", "")
    script.will_say("Tomorrow.")
    chat.composer.fill("When does it arrive?")
    chat.send.click()
    for page in (chat.page, other):
        expect(page.locator(ANSWER)).to_contain_text(["Your order 1042 has been sent.", "Tomorrow."])
    assert "has been sent" in script.requests[0].messages[1]["content"]
