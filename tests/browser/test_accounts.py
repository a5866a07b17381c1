"""Visitors who sign in and out, and users who lose rights, as their open pages show it."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.models import Conversation
from tests.browser.test_list import eventually

SIGNED_OUT = "You have been signed out. Reload the page"
SIGNED_IN = "You have signed in. Reload the page"


@pytest.fixture
def ann(site, transactional_db):
    return User.objects.create_user("ann", password="correct horse")


def sign_in(chat, path="/chat/"):
    """Sign in by Django's form, which leads to a page of the site."""
    chat.page.goto(f"{chat.url}/accounts/login/?next={path}")
    chat.page.get_by_label("Username").fill("ann")
    chat.page.get_by_label("Password").fill("correct horse")
    chat.page.get_by_role("button", name="Sign in").click()
    chat.page.wait_for_url(re.compile(re.escape(path) + "$"))


def sign_out(page, url):
    """Sign out in another tab of the browser."""
    tab = page.context.new_page()
    tab.goto(f"{url}/chat/")
    token = tab.locator("[name=csrfmiddlewaretoken]").first.get_attribute("value")
    tab.evaluate(
        """async token => await fetch("/accounts/logout/", {
            method: "post", body: new URLSearchParams({ csrfmiddlewaretoken: token }) })""",
        token,
    )
    tab.close()


def said(chat):
    return chat.page.locator("llm-chat-admission > :visible")


def kept(chat):
    """Return the keys of the drafts and messages that the browser keeps, without those of this tab's next owner."""
    script = "() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]"
    return [key for key in chat.page.evaluate(script) if re.match(r"llm-chat (draft )?[0-9a-f]{16} ", key)]


@pytest.fixture(autouse=True)
def patient(script, settings):
    """Signing in takes a while, during which the model says nothing."""
    settings.CHAT = {**settings.CHAT, "DELTA_TIMEOUT": 30.0}


def test_e14_a_visitor_who_signs_in_finds_the_conversation_and_the_answer_that_grows(site, visit, script, ann):
    here, there = visit(site.url, "ann"), visit(site.url, "ann")
    here.open("/chat/default/")
    here.ask("Why?")
    reply = script.next_reply()
    reply.say("Because")
    expect(here.answer).to_contain_text("Because")
    there.open("/chat/default/")
    expect(there.answer).to_contain_text("Because")
    here.open("/chat/other/")
    here.composer.fill("Half a thought")
    sign_in(here, "/chat/default/")
    here.connected()
    expect(here.questions).to_contain_text("Why?")
    expect(said(there)).to_have_text(SIGNED_IN)
    there.connected()
    reply.say(" of the sky")
    for chat in (here, there):
        expect(chat.answer).to_contain_text("Because of the sky")
    reply.finish()
    for chat in (here, there):
        chat.expect_answer("Because of the sky")
        chat.idle()
    there.ask("And then?")
    reply = script.next_reply()
    reply.say("Nothing")
    reply.finish()
    for chat in (there, here):
        chat.expect_answer("Nothing")
    assert {(found.uid, found.user_id) for found in Conversation.objects.all()} == {("default", ann.pk)}
    here.open("/chat/other/")
    expect(here.composer).to_have_value("Half a thought")


def test_e14_what_was_not_sent_when_the_visitor_signed_in_elsewhere_is_sent_once(site, visit, script, ann):
    here, there = visit(site.url, "ann"), visit(site.url, "ann")
    here.open("/chat/default/").talk(script)
    here.ask("Second?")
    reply = script.next_reply()
    reply.say("First")
    here.composer.fill("Queued")
    here.composer.press("Enter")
    there.open("/chat/other/")
    sign_in(there, "/chat/other/")
    expect(said(here)).to_have_text(SIGNED_IN)
    here.connected()
    reply.finish()
    last = script.next_reply()
    assert last.request.messages[-1]["content"] == "Queued"
    last.finish()
    here.idle()
    expect(here.questions).to_have_count(3)
    assert kept(here) == []


def test_e14_a_page_of_the_account_keeps_its_conversation_under_another_id(site, visit, script, ann):
    phone, desk = visit(site.url, "phone"), visit(site.url, "desk")
    sign_in(phone, "/chat/default/")
    phone.connected().talk(script, "On the phone", "Hello phone")
    desk.open("/chat/default/").talk(script, "At the desk", "Hello desk")
    sign_in(desk, "/chat/default/")
    desk.connected()
    phone.page.wait_for_selector("llm-chat:not([conversation=default])", state="attached")
    assert phone.conversation.startswith("m-")
    lines = phone.page.locator("llm-chat-sidebar li[data-conversation]")
    expect(lines).to_have_count(2)
    expect(phone.page.locator(f"[data-conversation='{phone.conversation}'] a").first).to_have_text("On the phone")
    phone.talk(script, "Still here?", "Yes")
    phone.reload()
    expect(phone.questions.first).to_contain_text("On the phone")
    expect(phone.questions).to_have_count(2)
    expect(desk.questions).to_have_count(1)
    desk.page.locator(f"[data-conversation='{phone.conversation}'] a").first.click()
    desk.connected().expect_answer("Yes")


def test_e14_on_a_page_of_the_site_the_socket_sets_the_cookie(site, visit, script, ann, settings):
    settings.ROOT_URLCONF = "tests.support.foreign"
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": None}}
    chat = visit(site.url, "ann")
    chat.open("/wine/").talk(script)
    (cookie,) = [found for found in chat.page.context.cookies() if found["name"].startswith("sessionid_chat_")]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    sign_in(chat, "/wine/")
    chat.connected().expect_answer("Here")
    assert Conversation.objects.get().user == ann


def test_s17_a_planted_session_hands_over_nothing(site, visit, script, ann):
    attacker, victim = visit(site.url, "attacker"), visit(site.url, "victim")
    attacker.open("/chat/planted/").talk(script, "The attacker's")
    (session,) = [found for found in attacker.page.context.cookies() if found["name"] == "sessionid"]
    victim.page.context.add_cookies([session])
    victim.open("/chat/secret/").talk(script, "The victim's")
    sign_in(attacker, "/chat/")
    attacker.connected().settled()
    expect(attacker.page.get_by_text("The attacker's").first).to_be_visible()
    expect(attacker.page.get_by_text("The victim's")).to_have_count(0)
    assert [found.uid for found in Conversation.objects.filter(user=ann)] == ["planted"]


def test_e18_signing_out_clears_what_the_browser_keeps_and_the_open_page_sends_nothing(site, visit, script, ann):
    chat = visit(site.url, "ann")
    sign_in(chat, "/chat/default/")
    chat.connected().settled()
    chat.composer.fill("Private")
    chat.open("/chat/other/").settled()
    chat.composer.fill("On this page")
    assert len(kept(chat)) == 2
    sign_out(chat.page, site.url)
    expect(said(chat)).to_have_text(SIGNED_OUT)
    eventually(lambda: kept(chat) == [])
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("On this page")
    assert script.waiting == 0
    said(chat).get_by_role("link").click()
    chat.connected()
    expect(chat.composer).to_have_value("On this page")
    chat.open("/chat/default/")
    expect(chat.composer).to_have_value("")


def test_e18_a_message_that_was_not_sent_returns_to_its_field_when_the_session_is_gone(site, visit, script, ann):
    chat = visit(site.url, "ann")
    sign_in(chat, "/chat/default/")
    chat.connected().settled()
    chat.try_after(300)
    site.stop()
    chat.disconnected()
    chat.ask("Not lost")
    Session.objects.all().delete()
    site.start()
    expect(said(chat)).to_have_text(SIGNED_OUT)
    expect(chat.composer).to_have_value("Not lost")
    expect(chat.questions).to_have_count(0)
    assert kept(chat) == []


def test_s05_the_page_of_a_deactivated_user_says_so_and_does_not_try_for_ever(site, visit, script, ann):
    chat = visit(site.url, "ann")
    sign_in(chat, "/chat/default/")
    chat.connected().settled()
    chat.try_after(20)
    chat.composer.fill("Half a thought")
    User.objects.update(is_active=False)
    expect(said(chat)).to_have_text(SIGNED_OUT)
    sockets = chat.sockets
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("Half a thought")
    assert chat.sockets == sockets == 2
    assert script.waiting == 0


class Staff(Assistant):
    """Permits itself to superusers."""

    name = "default"

    def has_permission(self):
        return self.user is not None and self.user.is_superuser


def test_s05_a_lost_permission_shows_on_the_open_page_which_does_not_try_again(site, visit, script, ann):
    User.objects.update(is_superuser=True)
    with registry.replaced(Staff):
        chat = visit(site.url, "ann")
        sign_in(chat, "/chat/default/")
        chat.connected().settled()
        chat.composer.fill("Half a thought")
        User.objects.update(is_superuser=False)
        expect(chat.page.get_by_text("You may not use this chat.")).to_be_visible()
        expect(chat.composer).to_be_hidden()
        expect(chat.page.locator("llm-chat-connection[closed]")).to_be_attached()
        assert chat.sockets == 1
        User.objects.update(is_superuser=True)
        chat.reload()
        expect(chat.composer).to_have_value("Half a thought")
        assert script.waiting == 0


def test_s05_a_stale_list_renames_nothing_after_its_user_has_signed_out(site, visit, script, ann):
    chat = visit(site.url, "ann")
    sign_in(chat, "/chat/default/")
    chat.connected().talk(script)
    sign_out(chat.page, site.url)
    expect(said(chat)).to_have_text(SIGNED_OUT)
    script_ = """async () => {
        const element = document.querySelector("llm-chat-menu");
        const { done, html } = await element.post("/chat/default/rename/", { title: "Renamed" });
        return [done, html];
    }"""
    done, html = chat.page.evaluate(script_)
    assert not done
    assert "You have signed in or out" in html
    assert Conversation.objects.get().title == "Tell me"
