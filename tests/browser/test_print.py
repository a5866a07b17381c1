"""A conversation on paper: all of its messages, and nothing else of the page."""

import re

import pytest
from playwright.sync_api import expect

from chat.models import Conversation
from tests.support.pdf import text_of

PARAGRAPHS = [
    f"Paragraph {number}. " + "It says something that fills two or three lines of a page. " * 4 for number in range(60)
]
CODE = "```python\nvalue = " + " + ".join(f"some_long_name_{number}" for number in range(40)) + "\n```"
TABLE = "| a | b |\n|---|---|\n| " + "cell " * 60 + "| " + "verylongword" * 20 + " |"
ANSWER = "\n\n".join([*PARAGRAPHS, CODE, TABLE, "$$" + " + ".join(f"x_{{{n}}}" for n in range(12)) + "$$", "The end."])
HIDDEN = (
    "llm-chat-sidebar, llm-chat-composer, .llm-chat-menu, llm-chat-announcer, llm-chat-connection,"
    " llm-chat-admission, button, textarea, input, [data-action]"
)
A4 = {"format": "A4", "margin": dict.fromkeys(("top", "right", "bottom", "left"), "1.5cm")}


def pages(chat):
    return len(re.findall(rb"/Type /Page\b(?!s)", chat.page.pdf(**A4)))


def bottoms(chat, selector):
    return chat.page.locator(selector).evaluate_all("all => all.map((one) => one.getBoundingClientRect().bottom)")


@pytest.fixture(params=["light", "dark"])
def long(chat, script, request):
    chat.page.emulate_media(color_scheme=request.param)
    chat.talk(script, question="What would you say, " + "at length, " * 30 + "of this?", answer=ANSWER)
    return chat


def test_b28_a_long_conversation_is_printed_whole_and_without_the_page_around_it(long):
    assert pages(long) >= 4
    long.page.emulate_media(media="print")
    long.page.set_viewport_size({"width": 680, "height": 900})
    expect(long.page.locator(HIDDEN).locator("visible=true")).to_have_count(0)
    height = long.page.evaluate("document.documentElement.scrollHeight")
    found = bottoms(long, ".llm-chat-block")
    assert len(found) > 60
    assert found == sorted(found)
    assert 3_000 < found[-1] <= height, "the page is as long as the conversation: nothing scrolls inside of it"
    cut = """all => all
        .filter((one) => one.scrollWidth > one.clientWidth + 1 || getComputedStyle(one).overflowX !== "visible")
        .map((one) => one.outerHTML.slice(0, 80))"""
    assert long.page.locator("llm-chat-transcript, .llm-chat-log, llm-chat-box > :last-child").evaluate_all(cut) == []
    dark = "element => getComputedStyle(element).color.match(/\\d+/g).slice(0, 3).every((part) => part < 128)"
    assert long.answer.locator(".llm-chat-block").first.evaluate(dark), "ink on white paper"


def test_b28_a_question_that_is_being_edited_is_printed_as_it_is_stored(chat, script):
    chat.talk(script, question="As it is stored")
    chat.click("Edit", chat.questions.last)
    chat.page.emulate_media(media="print")
    expect(chat.questions.last.locator(".llm-chat-parts").last).to_be_visible()
    expect(chat.page.locator("textarea").locator("visible=true")).to_have_count(0)


def test_b28_on_the_screen_everything_is_as_before(chat, script):
    chat.talk(script, answer=ANSWER)
    assert chat.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    expect(chat.composer).to_be_visible()
    expect(chat.page.locator("llm-chat-sidebar")).to_be_visible()


@pytest.fixture
def talk(chat, script):
    """A conversation of 100 turns, of which the page has the last ones."""
    chat.talk(script, question="Question 0.", answer="Answer 0.")
    conversation = Conversation.objects.get()
    parent = conversation.tip
    for number in range(1, 100):
        asked = conversation.message_set.create(
            uid=f"q{number}", role="user", text=f"Question {number}.", parent=parent
        )
        parts = [{"type": "text", "text": f"Answer {number}. " + "It takes a line or two. " * 9}]
        parent = conversation.message_set.create(uid=f"a{number}", role="assistant", parent=asked, parts=parts)
    conversation.tip = parent
    conversation.save()
    chat.reload()
    return chat


def printed(page):
    """The turns whose question and answer are on paper."""
    text = text_of(page.pdf(**A4))
    return [number for number in range(100) if f"Question{number}." in text and f"Answer{number}." in text]


@pytest.fixture
def dialogs(talk):
    """How often a page has opened the print dialog, which Chromium does not show without a screen."""
    talk.page.context.add_init_script(
        "window.print = () => { const root = document.documentElement;"
        "root.dataset.dialogs = (root.dataset.dialogs || '') + '1'; }"
    )


def test_the_menu_prints_all_of_100_turns(talk, dialogs):
    talk.page.get_by_role("button", name="Menu").click()
    with talk.page.expect_popup() as popup:
        talk.page.get_by_role("link", name="Print").click()
    page = popup.value
    expect(page.locator("html")).to_have_attribute("data-dialogs", "1")
    assert printed(page) == list(range(100))
    page.get_by_role("button", name="Print").click()
    expect(page.locator("html")).to_have_attribute("data-dialogs", "11")
    page.get_by_role("link", name="Back to the conversation").click()
    expect(page).to_have_url(talk.page.url)


def test_the_key_for_printing_opens_that_page_only_while_messages_are_missing(talk, dialogs):
    with talk.page.expect_popup() as popup:
        talk.page.keyboard.press("Control+p")
    assert popup.value.url.endswith("/print/")
    talk.page.evaluate("document.querySelector('llm-chat-transcript').removeAttribute('earlier')")
    talk.page.evaluate("addEventListener('keydown', (event) => { window.left = !event.defaultPrevented; })")
    talk.page.keyboard.press("Control+p")
    assert talk.page.evaluate("window.left"), "the browser's own dialog"


def test_all_of_100_turns_are_printed_without_javascript(talk, site, visit):
    page = visit(site.url, "no script", java_script_enabled=False, storage_state=talk.page.context.storage_state()).page
    page.goto(talk.page.url + "print/")
    assert printed(page) == list(range(100))
    expect(page.locator("button").locator("visible=true")).to_have_count(0)
