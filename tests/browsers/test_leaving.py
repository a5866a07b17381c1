"""Leaving the page and coming back to it, by Back, in another tab, and with the clipboard."""

import pytest
from django.contrib.auth.models import User

from chat.models import Message
from tests.browsers.visitor import ANSWER, COMPOSER

TEXT = "Some *text* with `code`.\n\n```python\nprint(1)\n```\n"


def pasted(chat):
    """Return what the clipboard has, as the composer takes it."""
    chat.click(COMPOSER)
    chat.press("Control+v")
    return chat.wait("(selector) => document.querySelector(selector).value", COMPOSER)


def test_an_answer_is_copied_as_it_was_written(chat, script):
    chat.talk(script, "Text?", TEXT)
    chat.click(f"{ANSWER} [data-action=copy]")
    chat.shows(f"{ANSWER} [data-action=copy]", "Copied")
    assert pasted(chat).strip() == TEXT.strip()


def test_code_is_copied_without_what_is_around_it(chat, script):
    chat.talk(script, "Code?", TEXT)
    chat.hover(f"{ANSWER} pre")
    chat.click(f"{ANSWER} [data-bar] [value=copy]")
    chat.shows(f"{ANSWER} [data-bar] [value=copy]", "Copied")
    assert pasted(chat).strip() == "print(1)"


def test_back_returns_to_a_page_that_lives(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.answered("The beginning", status="running")
    chat.tab.go(f"{chat.url}/accounts/login/")
    reply.say(" and the end")
    reply.finish()
    chat.js("() => { setTimeout(() => history.back()); }")
    chat.connected()
    chat.answered("The beginning and the end")
    chat.talk(script, "More", "More of it")
    chat.answered("More of it")


@pytest.fixture
def signed_in(chat):
    User.objects.create_user("ann", password="secret of ann")
    chat.tab.go(f"{chat.url}/accounts/login/?next=/chat/")
    chat.fill("[name=username]", "ann")
    chat.fill("[name=password]", "secret of ann")
    chat.press("Enter")
    return chat.connected()


def test_a_page_sends_nothing_after_its_visitor_has_signed_out_in_another_tab(signed_in, open_tab):
    other = open_tab()
    other.sign_out()
    signed_in.fill(COMPOSER, "Not for the account")
    signed_in.press("Enter")
    signed_in.shows("[data-reason=session]")
    assert not Message.objects.exists()
