"""A long conversation shows its end at first, and what is before it as one scrolls up, without a jump."""

import re

import pytest
from playwright.sync_api import expect

from chat.models import Conversation, Message

FIRST_ON_PAGE = "llm-chat-transcript > article:first-of-type"


def lengthen(turns, more="More. "):
    """Give the only conversation so many turns more."""
    conversation = Conversation.objects.get()
    parent = conversation.tip
    for turn in range(turns):
        for role, text in (("user", f"Question {turn}?"), ("assistant", f"Answer {turn}.\n\n{more * (turn % 60)}")):
            parent = Message.objects.create(
                conversation=conversation,
                parent=parent,
                uid=f"{role[0]}-{turn}",
                role=role,
                text=text,
                parts=[{"type": "text", "text": text}],
            )
    Conversation.objects.update(tip=parent)


@pytest.fixture
def long(chat, script):
    chat.talk(script)
    lengthen(150)
    chat.page.reload()
    chat.connected().settled()
    return chat


def articles(chat):
    return chat.page.locator("article").count()


def top(chat):
    return chat.page.locator(FIRST_ON_PAGE).get_attribute("data-message")


def test_scrolling_up_loads_earlier_messages(long):
    assert articles(long) == 60
    assert long.page.locator("llm-chat-scroll[pinned]").count() == 1
    box = long.log.bounding_box()
    long.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(400):
        if long.questions.filter(has_text="Tell me").count():
            break
        long.page.mouse.wheel(0, -1_500)
        long.page.wait_for_timeout(20)
    expect(long.questions.first).to_contain_text("Tell me")
    assert articles(long) == 302
    expect(long.page.get_by_role("link", name="Earlier messages")).to_be_hidden()
    texts = long.questions.locator("[data-blocks]").all_text_contents()
    assert texts == ["Tell me", *(f"Question {number}?" for number in range(150))]


FOLLOW = """log => {
  window.moves = [];
  const place = (one) => [one, one.getBoundingClientRect().top];
  const places = () => new Map([...log.querySelectorAll("article")].map(place));
  new MutationObserver(() => {
    // In a microtask behind the insertion: nothing has been drawn since `before`, unless a scroll was heard of.
    const { top, bottom } = log.getBoundingClientRect();
    for (const [one, place] of window.before) {
      if (place < top || place > bottom || !one.isConnected) continue;
      window.moves.push(one.getBoundingClientRect().top - place);
    }
  }).observe(log.querySelector("llm-chat-transcript"), { childList: true });
  document.querySelector("llm-chat").addEventListener("chat:keep", () => { window.before = places() }, true);
}"""


def test_nothing_that_is_in_view_moves_when_earlier_messages_come(long):
    """In the task that brings them, and in the frames after it but for what the wheel does."""
    long.log.evaluate(FOLLOW)
    box = long.log.bounding_box()
    long.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    first = top(long)
    for _ in range(200):
        if top(long) != first:
            break
        long.page.mouse.wheel(0, -700)
        long.page.wait_for_timeout(10)
    moves = long.page.evaluate("window.moves")
    assert moves
    assert max(abs(move) for move in moves) < 1


def test_at_rest_in_the_middle_not_a_pixel_moves(long):
    """The reader looks at something while what is before it comes."""
    long.page.evaluate("""() => {
      const seen = document.querySelectorAll("article")[4];
      window.seen = seen;
      seen.scrollIntoView();
      window.place = seen.getBoundingClientRect().top;
    }""")
    expect(long.page.locator("article")).to_have_count(120)
    long.drawn()
    assert abs(long.page.evaluate("window.seen.getBoundingClientRect().top - window.place")) < 1


def test_scrolling_to_the_very_top_keeps_the_first_shown_message_in_view(long):
    first = long.page.locator(f"[data-message={top(long)}]")
    long.log.evaluate("log => { log.scrollTop = 0 }")
    place = long.place(first)
    expect(long.page.locator("article")).to_have_count(120)
    assert abs(long.place(first) - place) < 1


def test_it_comes_by_a_click_too_and_from_the_keyboard(long):
    link = long.page.get_by_role("link", name="Earlier messages")
    link.focus()
    link.press("Enter")
    expect(long.page.locator("article")).not_to_have_count(60)
    assert "before" not in long.page.url


def test_a_page_that_is_at_the_end_stays_there(chat, script):
    """A window so high that what is before is near at once."""
    chat.talk(script)
    lengthen(40, more="")
    chat.page.set_viewport_size({"width": 1280, "height": 4_000})
    chat.page.reload()
    chat.connected()
    expect(chat.page.locator("article")).to_have_count(82)
    script_ = "log => log.scrollHeight - log.clientHeight - log.scrollTop"
    assert chat.log.evaluate(script_) < 1
    assert chat.page.locator("llm-chat-scroll[pinned]").count() == 1
    chat.talk(script, "The last", "of all")
    assert chat.log.evaluate(script_) < 1


def test_without_a_connection_it_waits_for_one(script, proxy, shaky):
    shaky.talk(script)
    lengthen(40)
    shaky.page.reload()
    shaky.connected().settled()
    shaky.stay_away()
    proxy.down()
    shaky.disconnected()
    shaky.log.evaluate("log => { log.scrollTop = 0 }")
    expect(shaky.page.get_by_role("link", name="Earlier messages")).to_be_visible()
    proxy.up()
    shaky.try_after(10)
    shaky.come_back()
    expect(shaky.page.locator("article")).to_have_count(82)


def test_an_edit_of_the_first_question_on_the_page_hides_all_that_follows(long, script):
    long.log.evaluate("log => log.querySelector('llm-chat-earlier').toggleAttribute('loading', true)")  # none come
    question = long.page.locator(FIRST_ON_PAGE)
    question.hover()
    long.click("Edit", question)
    question.get_by_role("textbox").fill("Another")
    question.get_by_role("textbox").press("Enter")
    reply = script.next_reply()
    reply.say("At last")
    reply.finish()
    long.expect_answer("At last")
    expect(long.questions).to_have_text([re.compile("Another")])
    expect(long.answers).to_have_count(1)
