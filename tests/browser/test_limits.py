"""A limit that is reached: the text is in the composer again, with the time at which it can be sent."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from chat.errors import Refusal
from chat.models import Counter

SENTENCE = "You have reached the limit. You can send again at "


@pytest.fixture
def limited(settings, chat):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"anonymous": {"answers": "1/day"}}}
    return chat


def answer(chat, script, question="Tell me"):
    chat.ask(question)
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    chat.idle()


def hint(chat):
    return chat.page.locator("llm-chat-composer [data-hint=refused]")


def test_a_refused_text_is_in_the_composer_again_with_the_time_at_which_it_can_be_sent(limited, script):
    answer(limited, script)
    limited.ask("And then?")
    expect(hint(limited)).to_be_visible()
    expect(hint(limited)).to_contain_text(SENTENCE)
    expect(limited.composer).to_have_value("And then?")
    expect(limited.composer).to_be_focused()
    expect(limited.questions).to_have_count(1)
    assert script.waiting == 0
    limited.composer.press("End")
    limited.composer.press("!")
    expect(hint(limited)).to_be_hidden()
    limited.reload()
    expect(limited.composer).to_have_value("And then?!")
    Counter.objects.all().delete()  # the next day
    limited.send.click()
    assert script.next_reply().request.messages[-1]["content"] == "And then?!"


TIME = r"\d?\d:\d\d\s[AP]M\.$"


@pytest.mark.parametrize(("days", "shown"), [(0, f"at {TIME}"), (2, rf"at \w+ \d?\d, \d{{4}}, {TIME}")])
def test_the_time_is_the_browsers_and_has_a_date_if_it_is_not_today(chat, script, monkeypatch, days, shown):
    answer(chat, script)
    later = datetime.now(UTC) + timedelta(days=days)

    def refuse(*_):
        raise Refusal("limit", retry_at=later)

    monkeypatch.setattr("chat.engine.start.ask", refuse)
    chat.ask("And then?")
    expect(hint(chat)).to_be_visible()
    expect(hint(chat)).to_have_text(re.compile(shown))


def test_questions_that_wait_come_back_with_the_one_that_is_refused(limited, script):
    limited.ask("One")
    reply = script.next_reply()
    reply.say("Uno")
    limited.ask("Two")
    limited.ask("Three")
    expect(limited.page.locator("[data-queued]")).to_have_count(2)
    reply.finish()
    expect(hint(limited)).to_be_visible()
    expect(hint(limited)).to_contain_text(SENTENCE)
    expect(limited.composer).to_have_value("Two\n\nThree")
    expect(limited.page.locator("[data-queued]")).to_have_count(0)
    expect(limited.questions).to_have_count(1)


def test_an_edit_that_is_refused_stays_in_its_field_with_the_reason(limited, script):
    answer(limited, script)
    limited.questions.first.hover()
    limited.page.get_by_role("button", name="Edit").first.click()
    field = limited.page.get_by_label("Edit the question")
    field.fill("Tell me more")
    field.press("Enter")
    expect(limited.page.locator("llm-chat-edit [data-error]")).to_be_visible()
    expect(limited.page.locator("llm-chat-edit [data-error]")).to_contain_text(SENTENCE)
    expect(field).to_have_value("Tell me more")
    assert script.waiting == 0
