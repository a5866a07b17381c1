"""What is in a message and around it: thinking, times, long questions, the toolbar, reading aloud."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F
from playwright.sync_api import expect

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import draft
from chat.models import Message

LONG = "\n".join(f"line {number}" for number in range(40))

VOICE = """
const said = [];
const voices = {
  getVoices: () => [{}],
  speak: ({ lang, text }) => said.push([lang, text]),
  cancel: () => said.push("quiet"),
};
Object.defineProperty(window, "speechSynthesis", { value: Object.assign(new EventTarget(), voices) });
Object.assign(window, { said });
"""


class Thinker(Assistant):
    """Looks things up."""

    name = "default"

    @tool
    def look_up(self):
        """Look something up."""
        return 42


@pytest.fixture
def clock(monkeypatch):
    """Replace the clock by which the server measures how long a model thinks."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(draft, "time", SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now))
    return clock


def tools(article):
    return article.get_by_role("toolbar")


def focused(page):
    """The name of the button in focus."""
    return page.evaluate("document.activeElement.title || document.activeElement.innerText")


def test_a_model_thinks_visibly_and_every_tab_learns_for_how_long_it_did(chat, script, site, visit, clock):
    chat.ask("Why?")
    reply = script.next_reply()
    heading = chat.answer.locator("summary")
    expect(chat.answer.locator(".llm-chat-waiting .llm-chat-dots")).to_be_visible()
    reply.think("The visitor asks why. I wonder")
    expect(heading).to_have_text(re.compile(r"Thinking.*I wonder", re.DOTALL))
    other = visit(site.url).open(f"/chat/{chat.conversation}/")
    expect(other.answer.locator("summary")).to_have_text(re.compile(r"Thinking.*I wonder", re.DOTALL))
    clock.now += 12.3
    reply.say("Because.")
    for page in (chat, other):
        expect(page.answer.locator("summary")).to_have_text("Thought for 12 s")
    reply.finish()
    chat.idle()
    chat.reload()
    expect(heading).to_have_text("Thought for 12 s")


def folds(chat):
    return chat.answer.locator("details")


def test_reasoning_is_open_while_it_is_the_last_thing_that_happens(chat, script, clock):
    with registry.replaced(Thinker):
        chat.ask("Why?")
        reply = script.next_reply()
        reply.think("I look it up.")
        expect(folds(chat)).to_have_attribute("open", "")
        expect(folds(chat).get_by_text("I look it up.").last).to_be_visible()
        clock.now += 12.3
        reply.call("look_up")
        reply.finish("tool-calls")
        expect(folds(chat).nth(0)).not_to_have_attribute("open", "")
        reply = script.next_reply()
        reply.think("Now I know.")
        expect(folds(chat).nth(2)).to_have_attribute("open", "")
        clock.now += 3
        reply.say("Because.")
        expect(folds(chat).nth(2)).not_to_have_attribute("open", "")
        reply.finish()
        chat.idle()
        for _ in ("live", "stored"):
            assert chat.answer.locator("summary").all_inner_texts() == [
                "Thought for 12 s",
                "Look up\n42",
                "Thought for 3 s",
            ]
            expect(chat.answer.locator("details[open]")).to_have_count(0)
            chat.reload()


def test_a_page_that_is_opened_while_a_model_thinks_shows_its_reasoning(chat, script, site, visit):
    chat.ask("Why?")
    script.next_reply().think("The visitor asks why.")
    expect(folds(chat)).to_have_attribute("open", "")
    other = visit(site.url, "somebody").open(f"/chat/{chat.conversation}/")
    expect(folds(other)).to_have_attribute("open", "")


@pytest.mark.parametrize("clicks", [1, 2])
def test_reasoning_that_the_visitor_has_opened_or_closed_stays_so(chat, script, clicks):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.think("The visitor asks why.")
    expect(folds(chat)).to_have_attribute("open", "")
    for _ in range(clicks):
        chat.answer.locator("summary").press("Enter")
    reply.say("Because.")
    expect(chat.answer.locator("summary")).to_contain_text("Thought")
    assert (folds(chat).get_attribute("open") is not None) is (clicks == 2)
    reply.finish()
    chat.idle()


def test_reasoning_stays_open_while_the_visitor_reads_further_up(chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.think("A thought of one line.\n\n" * 60)
    expect(chat.log).to_contain_text("A thought")
    chat.log.evaluate("log => log.scrollTo({ top: log.scrollTop - 400 })")
    expect(chat.page.locator("llm-chat-scroll")).not_to_have_attribute("pinned", "")
    reply.say("Because.")
    reply.finish()
    chat.idle()
    expect(folds(chat)).to_have_attribute("open", "")


def test_the_time_so_far_is_counted_from_when_the_model_began(chat, script):
    chat.ask("Why?")
    script.next_reply().think("Hm.")
    expect(chat.answer.locator("[data-time]")).to_have_text(re.compile(r"^\d+s$"))
    chat.page.evaluate("document.querySelector('llm-chat-thinking').setAttribute('elapsed', '61.5')")
    html = "part => { const twin = part.cloneNode(true); part.replaceWith(twin); }"
    chat.answer.locator("llm-chat-thinking").evaluate(html)
    expect(chat.answer.locator("[data-time]")).to_have_text(re.compile(r"^6\ds$"))


def test_the_buttons_of_a_message_are_one_tab_stop_and_arrow_keys_move_among_them(chat, script):
    chat.talk(script, "One", "Uno")
    chat.talk(script, "Two", "Dos")
    assert [bar.get_attribute("aria-label") for bar in chat.page.get_by_role("toolbar").all()] == [
        "Your message: One",
        "Answer: Uno",
        "Your message: Two",
        "Answer: Dos",
    ]
    for _ in range(2):
        for bar in chat.page.get_by_role("toolbar").all():
            expect(bar.locator("[tabindex='0']")).to_have_count(1)
        chat.reload()
    press = chat.page.keyboard.press
    chat.answer.get_by_role("toolbar").locator("[tabindex='0']").focus()
    assert focused(chat.page) == "Copy"
    press("ArrowRight")
    assert focused(chat.page) == "Try again"
    press("Home")
    press("ArrowLeft")
    last = focused(chat.page)
    press("Home")
    press("End")
    assert focused(chat.page) == last
    press("ArrowRight")
    assert focused(chat.page) == "Copy"
    press("ArrowRight")
    press("Shift+Tab")
    assert focused(chat.page) == "Copy"  # that of the question
    press("Tab")
    assert focused(chat.page) == "Try again"  # where it was


def test_while_an_answer_runs_a_toolbar_still_has_a_tab_stop(chat, script):
    chat.talk(script, "One", "Uno")
    tools(chat.questions.first).locator("[data-action=edit]").focus()
    chat.composer.focus()
    chat.ask("Two")
    script.next_reply().say("Dos")
    expect(tools(chat.questions.first).locator("[tabindex='0']")).to_have_attribute("data-action", "copy")


def test_from_right_to_left_the_left_arrow_goes_on(script, site, visit):
    chat = visit(site.url, locale="ar").open()
    composer = chat.page.locator(".llm-chat-composer textarea")
    composer.fill("One")
    composer.press("Enter")
    reply = script.next_reply()
    reply.say("Uno")
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()
    chat.answer.locator("[data-action=copy]").focus()
    chat.page.keyboard.press("ArrowLeft")
    expect(chat.answer.locator("[data-action=retry]")).to_be_focused()


def test_a_bubble_does_not_move_when_it_is_stored_and_gets_its_time(script, proxy, shaky):
    shaky.talk(script, "One", "Uno")
    proxy.down()
    shaky.disconnected()
    shaky.ask("Two")
    bubble = shaky.questions.last.locator("[data-parts]")
    expect(bubble).to_have_text(re.compile("Two"))
    place = "bubble => { const { x, y, width } = bubble.getBoundingClientRect(); return [x, y, width]; }"
    shaky.drawn()
    before = bubble.evaluate(place)
    proxy.up()
    shaky.come_back()
    reply = script.next_reply()
    expect(shaky.questions.last.locator("time")).to_have_count(1)
    shaky.drawn()
    assert bubble.evaluate(place) == before
    reply.finish()


def test_the_time_of_a_question_is_shown_if_minutes_have_passed_or_on_hover(chat, script):
    chat.talk(script, "One", "Uno")
    Message.objects.update(created_at=F("created_at") - timedelta(minutes=10))
    chat.reload()
    chat.talk(script, "Two", "Dos")
    chat.talk(script, "Three", "Tres")
    chat.page.mouse.move(0, 0)
    headers = chat.questions.locator("header")
    for number, opacity in enumerate(("1", "1", "0")):
        expect(headers.nth(number)).to_have_css("opacity", opacity)
    chat.questions.last.hover()
    expect(headers.last).to_have_css("opacity", "1")


def test_a_long_question_shows_its_beginning_and_all_of_it_on_demand(chat, script):
    chat.ask(LONG)
    script.next_reply().finish()
    chat.idle()
    question = chat.questions.first
    text = question.locator("[data-blocks]")
    folded = text.bounding_box()["height"]
    question.get_by_text("Show more").click()
    assert text.bounding_box()["height"] > 2.5 * folded
    question.get_by_text("Show less").click()
    assert text.bounding_box()["height"] == folded
    assert text.inner_text().strip() == LONG
    chat.page.emulate_media(media="print")
    assert text.bounding_box()["height"] > 2.5 * folded
    chat.page.emulate_media(media="screen")
    question.locator("summary").focus()
    chat.page.keyboard.press("ArrowRight")
    assert focused(chat.page) == "Copy"


def test_a_long_question_is_folded_before_it_is_stored(script, proxy, shaky):
    proxy.down()
    shaky.disconnected()
    shaky.ask(LONG)
    expect(shaky.questions.first.get_by_text("Show more")).to_be_visible()


def test_an_answer_is_read_aloud_without_its_code_and_reasoning_until_one_stops_it(script, site, visit):
    chat = visit(site.url)
    chat.page.add_init_script(VOICE)
    chat.open()
    chat.ask("Why?")
    reply = script.next_reply()
    reply.think("Hm.")
    reply.say("First *this*.\n\n```python\nx = 1\n```\n\n- one\n- two")
    reply.finish()
    chat.idle()
    chat.click("Read aloud")
    chat.click("Stop reading")
    expect(chat.answer.get_by_role("button", name="Read aloud")).to_be_visible()
    lines = ["First this.", "Code.", "one", "two"]
    assert chat.page.evaluate("said") == [*(["en", line] for line in lines), "quiet"]


def test_without_a_voice_nothing_offers_to_read(script, site, visit):
    chat = visit(site.url)
    chat.page.add_init_script(VOICE.replace("[{}]", "[]"))
    chat.open()
    chat.talk(script)
    expect(chat.answer.get_by_role("button", name="Copy")).to_be_visible()
    expect(chat.answer.get_by_role("button", name="Read aloud")).to_have_count(0)
