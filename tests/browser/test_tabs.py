"""Two pages of one reader: what happens on one shows on the other, and each keeps what is its own."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from chat.models import Conversation
from tests.browser.test_list import List, eventually, hide


@pytest.fixture
def pages(request, site, visit, script):
    """Two pages of one reader: two tabs of a visitor, or two devices of a user who has signed in on both."""

    def pages(*paths):
        names = ["ann", "ann"] if request.param == "tabs" else ["ann", "ann's phone"]
        both = [visit(site.url, name) for name in names]
        if request.param == "devices":
            User.objects.create_user("ann", password="correct horse")
            for chat in both:
                sign_in(chat)
        return [chat.open(path).settled() for chat, path in zip(both, paths, strict=True)]

    return pages


def sign_in(chat):
    chat.page.goto(f"{chat.url}/accounts/login/")
    chat.page.get_by_label("Username").fill("ann")
    chat.page.get_by_label("Password").fill("correct horse")
    chat.page.get_by_role("button", name="Sign in").click()
    chat.page.wait_for_url(re.compile(r"/$"))


both = pytest.mark.parametrize("pages", ["tabs", "devices"], indirect=True)
tabs = pytest.mark.parametrize("pages", ["tabs"], indirect=True)


def answered(chat, script, question="Tell me", text="Here"):
    chat.ask(question)
    reply = script.next_reply()
    reply.say(text)
    reply.finish()
    chat.expect_answer(text)
    chat.idle()


@both
def test_a_question_and_its_answer_grow_on_both_pages(pages, script):
    here, there = pages("/chat/shared/", "/chat/shared/")
    here.ask("Asked here")
    reply = script.next_reply()
    reply.say("Here")
    expect(there.questions).to_have_text(re.compile("Asked here"))
    expect(there.answer).to_contain_text("Here")
    expect(there.stop).to_be_visible()
    there.stop.click()
    here.expect_answer("Here", status="stopped")
    there.expect_answer("Here", status="stopped")


@both
def test_a_conversation_that_begins_elsewhere_gets_a_line(pages, script):
    here, there = pages("/chat/", "/chat/other/")
    here.ask("Asked here")
    reply = script.next_reply()
    line = List(there).today.first
    expect(line.get_by_role("link").first).to_have_text("Asked here")
    expect(line.get_by_text("Answering")).to_be_visible()
    expect(line.get_by_role("link").first).not_to_have_attribute("aria-current", "page")
    expect(there.page).to_have_title("New chat")
    reply.say("Here")
    reply.finish()
    here.expect_answer("Here")
    expect(line.get_by_text("Answering")).to_be_hidden()
    line.get_by_role("link").first.click()
    there.connected().expect_answer("Here")


@both
def test_an_answer_that_is_seen_on_one_page_is_read_on_the_other(pages, script):
    here, there = pages("/chat/shared/", "/chat/other/")
    here.ask("Tell me")
    reply = script.next_reply()
    hide(here)
    reply.finish()
    unread = List(there).line("shared").get_by_text("Unread answer")
    expect(unread).to_be_visible()
    expect(here.page).to_have_title("● Tell me")
    hide(here, False)
    expect(unread).to_be_hidden()
    eventually(lambda: not Conversation.objects.get(uid="shared").unread)


@tabs
def test_an_answer_that_nobody_saw_is_unread_until_its_conversation_is_opened(pages, script):
    here, there = pages("/chat/shared/", "/chat/other/")
    here.ask("Tell me")
    reply = script.next_reply()
    here.page.close()
    reply.finish()
    line = List(there).line("shared")
    expect(line.get_by_text("Unread answer")).to_be_visible()
    there.reload()
    expect(line.get_by_text("Unread answer")).to_be_visible()
    line.get_by_role("link").first.click()
    there.connected()
    expect(line.get_by_text("Unread answer")).to_be_hidden()


@both
def test_a_new_title_is_shown_on_both_pages(pages, script):
    here, there = pages("/chat/shared/", "/chat/shared/")
    answered(here, script)
    expect(there.page).to_have_title("Tell me")
    listed = List(here)
    listed.rename("shared", "Renamed")
    for chat in (here, there):
        expect(chat.page).to_have_title("Renamed")
        expect(chat.page.locator("h1").last).to_have_text("Renamed")
        expect(List(chat).line("shared").get_by_role("link").first).to_have_text("Renamed")


@both
def test_a_conversation_that_is_deleted_goes_from_both_pages(pages, script):
    here, there = pages("/chat/other/", "/chat/shared/")
    answered(there, script)
    listed = List(here)
    listed.choose("shared", "Delete")
    expect(listed.line("shared")).to_have_count(0)
    expect(there.questions).to_have_count(0)
    expect(List(there).line("shared")).to_have_count(0)
    expect(there.page).to_have_title("New chat")
    note = there.page.get_by_text("This conversation is no longer there.").first
    expect(note).to_be_visible()
    expect(there.page.locator("llm-chat-announcer[problem]")).to_have_count(0)
    eventually(lambda: not Conversation.objects.filter(uid="shared").exists())
    there.ask("Begin anew")
    expect(note).to_be_hidden()
    assert script.next_reply().request.messages == [{"role": "user", "content": "Begin anew"}]


@tabs
def test_a_draft_survives_changes_on_the_other_page(pages, script):
    here, there = pages("/chat/shared/", "/chat/shared/")
    there.composer.fill("Half a question")
    answered(here, script)
    there.expect_answer("Here")
    expect(there.composer).to_have_value("Half a question")
    expect(there.composer).to_be_focused()


@both
def test_another_answer_replaces_the_old_one_on_both_pages(pages, script):
    here, there = pages("/chat/shared/", "/chat/shared/")
    here.ask("Tell me")
    script.next_reply().break_off()
    expect(there.answer).to_have_attribute("data-status", "interrupted")
    here.idle()
    here.answer.get_by_role("button", name="Try again").click()
    reply = script.next_reply()
    reply.say("The new one")
    reply.finish()
    for chat in (here, there):
        chat.expect_answer("The new one")
        expect(chat.answers).to_have_count(1)


@both
def test_a_branch_that_is_switched_to_is_shown_on_both_pages(pages, script):
    here, there = pages("/chat/shared/", "/chat/shared/")
    answered(here, script, text="One")
    there.expect_answer("One")
    here.answer.get_by_role("button", name="Try again").click()
    reply = script.next_reply()
    reply.say("Two")
    reply.finish()
    for chat in (here, there):
        chat.expect_answer("Two")
        chat.idle()
    here.answer.locator("[data-action=select]:enabled").click()
    for chat in (here, there):
        chat.expect_answer("One")
        expect(chat.answers).to_have_count(1)
    there.reload()
    there.expect_answer("One")


def test_a_tab_whose_browser_has_signed_out_elsewhere_sends_nothing_into_the_account(site, visit, script):
    User.objects.create_user("ann", password="correct horse")
    here, there = visit(site.url), visit(site.url)
    sign_in(here)
    here.open("/chat/shared/").settled()
    there.page.goto(f"{site.url}/chat/other/")
    there.page.get_by_role("button", name="Menu").click()
    there.page.get_by_role("button", name="Sign out").click()
    expect(here.page.get_by_text("You have been signed out.").first).to_be_visible()
    here.ask("Not into the account")
    expect(here.page.get_by_text("Reload the page first.")).to_be_visible()
    expect(here.composer).to_have_value("Not into the account")
    assert script.waiting == 0
    assert not Conversation.objects.exists()
