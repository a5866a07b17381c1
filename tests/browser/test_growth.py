"""What a reader has selected, focused or scrolled sideways in a block that grows stays as it is."""

import time

import pytest
from playwright.sync_api import expect

SELECT = """(block, [from, to]) => {
    const texts = [];
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) texts.push(walker.currentNode);
    const ends = [from, to].map((word) => {
        const text = texts.find((text) => text.data.includes(word));
        return [text, text.data.indexOf(word) + (word === to ? word.length : 0)];
    });
    getSelection().setBaseAndExtent(...ends[0], ...ends[1]);
    return getSelection().toString();
}"""
SCROLL = "box => { box.focus({ preventScroll: true }); box.scrollLeft = 40; return box.scrollLeft; }"
STATE = """box => {
    const selected = getSelection().toString();
    return { selected, scrolled: box.scrollLeft, focused: document.activeElement === box };
}"""

TIMELINE = "devtools.timeline"
LINE = "    value = compute(an_argument, another)  # so long a line that it has to scroll\n"


@pytest.fixture
def growing(chat, script):
    """An answer in the middle, as ``(say, block)``: ``say`` returns when the page shows the end of what was said."""
    chat.page.set_viewport_size({"width": 480, "height": 600})
    chat.ask("Tell me")
    reply = script.next_reply()

    def say(text: str, shown: str) -> None:
        reply.say(text)
        expect(chat.answer.locator(".llm-chat-block").last).to_contain_text(shown)

    yield say, chat.answer.locator(".llm-chat-block").last
    reply.finish()
    chat.idle()


def look_at(block, box, words):
    """Select from the first word to the last, focus the box and scroll it sideways; gives what is then to be seen."""
    box = block.locator(box)
    assert box.evaluate(SCROLL) == 40
    assert block.evaluate(SELECT, words).startswith(words[0])
    state = box.evaluate(STATE)
    assert state["focused"] and state["selected"].endswith(words[1])
    return box, state


def test_growing_code_keeps_them_and_so_does_the_end_of_its_fence(growing):
    say, block = growing
    say("```python\n" + 20 * LINE + "marked = first\n" + 3 * LINE + "last\n", "last")
    box, state = look_at(block, "pre", ["marked", "last"])
    for number in range(200):
        say(f"{LINE if number % 10 == 0 else ''}line_{number} = 1\n", f"line_{number} = 1")
    assert box.evaluate(STATE) == state
    height = block.bounding_box()["height"]
    say("```\n", "line_199")
    expect(block.locator("span.c").first).to_be_visible()
    assert box.evaluate(STATE) == state
    assert block.bounding_box()["height"] == height


def test_code_in_a_list_keeps_them_too(growing):
    say, block = growing
    say("1. Do\n\n   ```python\n   marked = 1\n   " + LINE, "to scroll")
    box, state = look_at(block, "pre", ["marked", "compute"])
    for number in range(20):
        say(f"   {LINE}   line_{number} = 1\n", f"line_{number} = 1")
    say("   ```\n2. Then", "Then")
    expect(block.locator("span.c").first).to_be_visible()
    assert box.evaluate(STATE) == state


def test_a_growing_table_keeps_them(growing):
    say, block = growing
    wide = "unbroken" * 8
    say(f"| one | two |\n|---|---|\n| marked {wide} | {wide} |\n| last | x |\n", "last")
    box, state = look_at(block, ".llm-chat-table > :last-child", ["marked", "last"])
    for number in range(50):
        say(f"| row {number} **bold** `code` | [link](https://site.example/{number}) |\n", f"row {number}")
    assert box.evaluate(STATE) == state


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Some **bold** words, marked here and last of all, then", " **strong** and `code` and *more*"),
        ("- one **bold** item\n- marked here\n- last of it\n- then", "\n- **strong** item\n  - and `code`"),
        ("> Some words, marked here and last\n> of all, then", " **strong**\n> and `code`"),
    ],
    ids=["paragraph", "list", "quote"],
)
def test_growing_text_keeps_the_selection(growing, text, more):
    say, block = growing
    say(text, "then")
    selected = block.evaluate(SELECT, ["marked", "last"])
    for number in range(10):
        for place in range(len(more)):
            say(more[place], "")
        say(f" end {number}", f"end {number}")
    assert block.evaluate("() => getSelection().toString()") == selected


def test_a_selection_at_the_end_of_a_paragraph_stays_when_the_next_words_turn_bold(growing):
    say, block = growing
    say("The words marked and last stand before **some", "**some")
    selected = block.evaluate(SELECT, ["marked", "last"])
    say(" bold**", "some bold")
    expect(block.locator("strong")).to_have_text("some bold")
    assert block.evaluate("() => getSelection().toString()") == selected


def restyled(page, change):
    """How many elements' styles were computed anew by a change, as Chromium counts them."""
    session = page.context.new_cdp_session(page)
    events, ended = [], []
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: ended.append(True))
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": [TIMELINE]}})
    change()
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
    session.send("Tracing.end")
    deadline = time.monotonic() + 15
    while not ended:
        assert time.monotonic() < deadline
        page.evaluate("1")  # lets Playwright hear of events
    session.detach()
    updates = [event for event in events if event["name"] == "UpdateLayoutTree"]
    return sum(event["args"].get("elementCount", 0) for event in updates)


def test_growing_text_restyles_nothing_around_it(chat, script):
    # An inserted element that a :has() might mean costs the style of all that is around it, at each patch.
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("- one\n- two")
    expect(chat.answer.locator("li")).to_have_count(2)

    def change():
        reply.say("\n- three")
        expect(chat.answer.locator("li")).to_have_count(3)

    assert 0 < restyled(chat.page, change) <= 6
    reply.finish()
    chat.idle()
