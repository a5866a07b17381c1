"""The newest line stays in view until the reader looks at something else, which then does not move by a pixel."""

import threading

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Chat

LINES = "\n\n".join(f"Paragraph {number} of a long text." for number in range(80))
IN_VIEW = """log => {
  const { top } = log.getBoundingClientRect();
  const all = [...log.querySelectorAll(".llm-chat-block > *")];
  return all.findIndex((one) => one.getBoundingClientRect().top > top + 20);
}"""


@pytest.fixture
def reading(script, site, visit):
    """A long conversation, whose last answer grows and goes on growing until the test has ended."""
    chat = visit(site.url).open()
    yield from growing(chat, script)


def growing(chat, script):
    chat.talk(script, "A **question**", f"[A link](https://example.com/) stands before.\n\n{LINES}")
    chat.ask("More")
    reply = script.next_reply()
    reply.say(LINES)
    expect(chat.answer).to_contain_text("Paragraph 79")
    over = threading.Event()

    def grow():
        number = 0
        while not over.wait(0.01):
            number += 1
            reply.say(f"\n\nOne more, number {number}.")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield chat
    finally:
        over.set()
        thread.join()
        reply.finish()
        chat.idle()


def at_the_end(chat):
    """Until the last line is in view, of all that has come before a frame."""
    script = "() => { const log = document.querySelector('[role=log]');"
    script += " return log.scrollHeight - log.clientHeight - log.scrollTop < 1 }"
    chat.page.wait_for_function(script)
    assert pinned(chat)


def pinned(chat):
    return chat.page.locator("llm-chat-scroll").get_attribute("pinned") is not None


def at_rest(chat):
    """Until nothing has scrolled for a while."""
    chat.log.evaluate("""log => new Promise((resolve) => {
      let [last, since] = [log.scrollTop, performance.now()];
      (function look(now) {
        if (log.scrollTop !== last) [last, since] = [log.scrollTop, now];
        if (now - since > 200) resolve();
        else requestAnimationFrame(look);
      })(since);
    })""")


def grown(chat, count=10):
    """Until the answer has grown by so many paragraphs."""
    blocks = chat.answer.locator(".llm-chat-block")
    wanted = blocks.count() + count
    chat.page.wait_for_function(
        "wanted => [...document.querySelectorAll('article:last-child .llm-chat-block')].length >= wanted", arg=wanted
    )


def over_the_log(chat):
    box = chat.log.bounding_box()
    chat.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def wheel(chat):
    over_the_log(chat)
    chat.page.mouse.wheel(0, -300)


def notch(chat):
    """As little as a touch pad says at first."""
    over_the_log(chat)
    chat.page.mouse.wheel(0, -2)


def key(name):
    def press(chat):
        chat.log.focus()
        chat.page.keyboard.press(name)

    return press


def touch(chat):
    box = chat.log.bounding_box()
    session = chat.page.context.new_cdp_session(chat.page)
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    for _ in range(10):
        place["y"] += 20
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def into_view(chat):
    """As a search in the page does."""
    chat.answers.first.get_by_text("Paragraph 12 of").last.evaluate("element => element.scrollIntoView()")


def focus(chat):
    chat.page.get_by_role("link", name="A link").focus()


WAYS = {
    "wheel": wheel,
    "notch": notch,
    "PageUp": key("PageUp"),
    "Home": key("Home"),
    "ArrowUp": key("ArrowUp"),
    "touch": touch,
    "scrollIntoView": into_view,
    "focus": focus,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_visitor_who_looks_elsewhere_is_left_there_while_the_answer_grows(reading, way):
    grown(reading)
    at_the_end(reading)
    WAYS[way](reading)
    stays(reading)


def stays(chat):
    jump = chat.page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_visible()
    at_rest(chat)
    seen = chat.page.locator(".llm-chat-block > *").nth(chat.log.evaluate(IN_VIEW))
    place = chat.place(seen)
    grown(chat, 30)
    assert chat.place(seen) == place
    assert not pinned(chat)
    jump.click()
    expect(jump).to_be_hidden()
    grown(chat)
    at_the_end(chat)


@pytest.mark.parametrize("above", [20, 200], ids=["thumb", "track"])
def test_using_the_scroll_bar_stops_following_the_end(
    site, script, visit, browser_type, browser_type_launch_args, above
):
    # Playwright hides what there is to drag.
    browser = browser_type.launch(**browser_type_launch_args, ignore_default_args=["--hide-scrollbars"])
    page = browser.new_context().new_page()
    for chat in growing(Chat(page, site.url).open(), script):
        grown(chat)
        box = chat.log.bounding_box()
        x, y = box["x"] + box["width"] - 3, box["y"] + box["height"] - above
        chat.page.mouse.move(x, y)
        chat.page.mouse.down()
        chat.page.mouse.move(x, y - 40, steps=5)
        chat.page.mouse.up()
        stays(chat)
    browser.close()


def test_a_notch_up_with_nothing_that_grows_unpins_and_the_end_pins_again(chat, script):
    chat.talk(script, answer=LINES)
    notch(chat)
    expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    at_rest(chat)
    chat.page.mouse.wheel(0, 500)
    expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_hidden()


def test_sending_scrolls_to_the_new_message(chat, script):
    chat.talk(script, answer=LINES)
    wheel(chat)
    expect(chat.page.get_by_role("button", name="Jump to latest")).to_be_visible()
    chat.ask("More")
    script.next_reply().say(LINES)
    expect(chat.answer).to_contain_text("Paragraph 79")
    at_the_end(chat)


def test_a_window_that_becomes_lower_or_higher_shows_the_end_all_the_time(chat, script):
    chat.talk(script, answer=LINES)
    for height in (400, 900, 300, 700):
        chat.page.set_viewport_size({"width": 800, "height": height})
        at_the_end(chat)


def test_content_that_opens_above_does_not_move_the_view(chat, script):
    chat.ask("Think")
    reply = script.next_reply()
    reply.think(LINES)
    reply.say(LINES)
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()
    into_view(chat)
    at_rest(chat)
    seen = chat.answers.first.locator("llm-chat-part").last.get_by_text("Paragraph 12 of")
    place = chat.place(seen)
    chat.answer.locator("details").evaluate("details => { details.open = true }")
    assert abs(chat.place(seen) - place) < 1  # a browser scrolls by whole pixels


def test_a_question_that_is_sent_comes_to_the_top_and_nothing_scrolls_before_its_answer_fills_the_view(chat, script):
    chat.talk(script, answer=LINES)
    chat.ask("More")
    reply = script.next_reply()
    reply.say("The first line.")
    expect(chat.answer).to_contain_text("The first line.")
    place = chat.place(chat.questions.last)
    assert 0 <= place - chat.place(chat.log) < 40
    for number in range(5):
        reply.say(f"\n\nLine {number}.")
        expect(chat.answer).to_contain_text(f"Line {number}.")
        assert chat.place(chat.questions.last) == place
    assert pinned(chat)
    reply.say(f"\n\n{LINES}")
    expect(chat.answer).to_contain_text("Paragraph 79")
    at_the_end(chat)
    reply.finish()
    chat.idle()


def test_a_question_stays_at_the_top_when_the_view_changes_its_size_and_when_it_is_asked_in_other_words(chat, script):
    chat.talk(script, answer=LINES)
    chat.talk(script, "More")

    def at_the_top():
        script = """() => {
          const top = (element) => element.getBoundingClientRect().top;
          const question = [...document.querySelectorAll("[data-role=user]")].at(-1);
          const below = top(question) - top(document.querySelector("[role=log]"));
          return below >= 0 && below < 40;
        }"""
        chat.page.wait_for_function(script)

    for height in (400, 900, 700):
        chat.page.set_viewport_size({"width": 800, "height": height})
        at_the_top()
    chat.click("Edit", chat.questions.last)
    chat.page.keyboard.type(" and more")
    chat.page.keyboard.press("Enter")
    script.next_reply().finish()
    chat.idle()
    expect(chat.questions.last).to_contain_text("and more")
    at_the_top()


def test_of_a_long_question_the_end_stays_in_view(chat, script):
    chat.talk(script, LINES, "Here")
    chat.drawn()
    box, log = chat.questions.last.bounding_box(), chat.log.bounding_box()
    assert log["y"] < box["y"] + box["height"] < log["y"] + 0.5 * log["height"]


def test_a_message_that_is_scrolled_to_stays_in_view_when_what_is_below_shrinks_at_once(chat, script):
    chat.talk(script, "First", LINES)
    chat.talk(script, "Second", LINES)
    at_the_end(chat)
    chat.questions.first.evaluate(
        """(article) => {
          article.dispatchEvent(new CustomEvent("chat:reveal", { bubbles: true, detail: { article } }));
          document.querySelector("[data-role=assistant]:last-of-type .llm-chat-block:last-child").remove();
          return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        }"""
    )
    expect(chat.questions.first).to_be_in_viewport()
    assert not pinned(chat)
