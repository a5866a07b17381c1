"""What the page is to those who hear it, who use no pointer, and who set their own colours."""

import json

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from chat.errors import ERRORS
from tests.support.texts import RICH

CHOSEN = {"renaming": "rename", "selecting": "select", "deleted": "delete"}
"""What is chosen in the menu of a conversation, by the state that it leads to."""

LISTED = ["options", "search", *CHOSEN]
"""The states of the sidebar."""

STATES = [
    "empty",
    "answering",
    "thinking",
    "folded",
    "done",
    "error",
    "unsent",
    "editing",
    "comment",
    "queued",
    "keys",
    "menu",
    *LISTED,
]
VIEWS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}},
    "right to left": {"locale": "ar"},
    "forced colors": {"forced_colors": "active"},
}


def violations(page):
    """What axe-core finds on the page, in all of its rules."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        (
            rule["id"],
            rule["help"],
            [node["html"][:200] + " " + json.dumps(node["any"][:1])[:300] for node in rule["nodes"]],
        )
        for rule in found
    ]


def composer(chat):
    return chat.page.locator(".llm-chat-composer textarea")


def ask(chat, text="Tell me"):
    composer(chat).fill(text)
    composer(chat).press("Enter")


def answered(chat, script, text=RICH):
    ask(chat)
    reply = script.next_reply()
    reply.say(text)
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()


def reach(chat, script, state):
    """Bring the page into a state, by the keyboard, whatever the language."""
    page = chat.page
    if state == "empty":
        return
    if state == "thinking":
        ask(chat)
        script.next_reply().think("Let me see. This is a thought.")
        expect(chat.answer.locator("[data-peek]")).to_have_text("This is a thought.")
        return
    if state == "folded":
        page.evaluate(
            "() => document.querySelector('llm-chat').dispatchEvent(new CustomEvent('chat:outgoing', "
            "{ detail: { message: 'm', text: 'line\\n'.repeat(30), status: 'sending' } }))"
        )
        expect(page.locator("[data-fold]")).to_be_visible()
        return
    if state in ("answering", "error", "queued"):
        ask(chat)
        reply = script.next_reply()
        reply.say(RICH)
        expect(chat.answer.locator("table")).to_be_visible()
        if state == "queued":
            ask(chat, "And then?")
            composer(chat).fill("Half a question")
            expect(page.locator("[data-queued]")).to_be_visible()
        if state == "error":
            reply.fail("upstream")
            expect(chat.answer).to_have_attribute("data-status", "failed")
        return
    if state == "unsent":
        page.evaluate(
            "() => document.querySelector('llm-chat').dispatchEvent(new CustomEvent('chat:outgoing', "
            "{ detail: { message: 'm', text: 'Not sent', status: 'unsent', error: 'Why.' } }))"
        )
        return
    answered(chat, script)
    if state == "keys":
        page.locator("[role=log]").press("?")
        expect(page.locator(".llm-chat-help")).to_be_visible()
    if state == "editing":
        chat.questions.locator("[data-action=edit]").click()
        expect(page.locator("llm-chat-edit textarea")).to_be_visible()
    if state == "comment":
        chat.answer.locator("[data-action=rate]").first.click()
        expect(page.locator("[data-comment]")).to_be_visible()
    opener = page.locator("[popovertarget=llm-chat-sidebar]")
    if state in LISTED and opener.is_visible():
        opener.click()
    if state == "menu":
        page.locator("[popovertarget=llm-chat-menu]").click()
        expect(page.locator("#llm-chat-menu")).to_be_visible()
    if state in LISTED and state != "search":
        page.locator("llm-chat-list [data-action=options]").first.click()
        expect(page.locator("llm-chat-menu")).to_be_visible()
    if state in CHOSEN:
        page.locator(f"llm-chat-menu [data-action={CHOSEN[state]}]").click()
        expect(page.locator("llm-chat-rename, llm-chat-selection:not([hidden]), llm-chat-undo form")).to_be_visible()
    if state == "search":
        page.locator("[name=q]").fill("text")
        expect(page.locator("[data-found] li")).to_be_visible()


SEEN = [("light", state) for state in STATES]
SEEN += [
    (view, state) for view in VIEWS if view != "light" for state in ("empty", "done", "editing", "options", "queued")
]


@pytest.mark.parametrize(("view", "state"), SEEN)
def test_axe_finds_nothing(script, site, visit, console, settings, state, view):
    settings.CHAT = {**settings.CHAT, "UNDO_PERIOD": 60.0}
    chat = visit(site.url, reduced_motion="reduce", **VIEWS[view]).open().settled()
    reach(chat, script, state)
    assert violations(chat.page) == []
    assert console == []


def test_the_arabic_page_is_from_right_to_left_and_its_code_from_left_to_right(script, site, visit):
    chat = visit(site.url, locale="ar").open().settled()
    answered(chat, script)
    expect(chat.page.locator("html")).to_have_attribute("dir", "rtl")
    sidebar = chat.page.locator("llm-chat-sidebar").bounding_box()
    assert sidebar["x"] > chat.page.locator("llm-chat").bounding_box()["x"]
    direction = "element => getComputedStyle(element).direction"
    assert chat.page.locator("pre").evaluate(direction) == "ltr"
    assert composer(chat).evaluate(direction) == "rtl"


@pytest.mark.parametrize("path", ["/chat/?q=zebra", "/chat/~options/"])
def test_axe_finds_nothing_on_the_pages_beside_the_chat(site, visit, path):
    page = visit(site.url).page
    page.goto(site.url + path)
    assert violations(page) == []


def test_the_page_has_its_landmarks_and_headings(chat, script):
    answered(chat, script)
    assert chat.page.get_by_role("main").count() == 1
    assert chat.page.get_by_role("navigation", name="Conversations").count() == 1
    assert chat.page.get_by_role("search").count() == 1
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Tell me")
    expect(chat.page.locator("llm-chat").get_by_role("heading", level=2, name="You")).to_have_count(1)
    expect(chat.page.locator("llm-chat").get_by_role("heading", level=2, name="Assistant")).to_have_count(1)
    log = chat.page.get_by_role("log", name="Conversation")
    expect(log).to_have_attribute("tabindex", "0")
    expect(log).to_have_attribute("aria-live", "off")


FOCUSED = """() => {
  const element = document.activeElement;
  return element.matches("body") ? "" : element.closest("[class]").className.split(" ")[0];
}"""
VISIBLE = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const form = document.activeElement.closest(".llm-chat-form");
  const shown = (element) => getComputedStyle(element).boxShadow.includes("3px");
  return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || Boolean(form && shown(form));
}"""


def test_everything_is_reached_by_tab_in_the_order_of_the_page_and_shows_the_focus(chat, script):
    answered(chat, script)
    page = chat.page
    page.evaluate("() => document.activeElement.blur()")
    page.mouse.click(2, 2)
    order = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(FOCUSED)
        if not name:
            break
        assert page.evaluate(VISIBLE), f"the focus does not show on {name}"
        order.append(name)
    wanted = [
        "llm-chat-new",
        "llm-chat-text-field",
        "llm-chat-search-button",
        "llm-chat-conversation-link",
        "llm-chat-options",
    ]
    wanted += ["llm-chat-foot-button", "llm-chat-bar-button", "llm-chat-log", "llm-chat-input", "llm-chat-send"]
    assert [name for name in order if name in wanted] == wanted
    assert {"llm-chat-tool", "llm-chat-block"} <= set(order)


def test_targets_have_24_pixels(chat, script):
    answered(chat, script)
    small = chat.page.evaluate("""() => [...document.querySelectorAll("button, a, input, textarea, summary")]
      .filter(one => !one.closest(".llm-chat-block, dialog, [hidden]") && one.checkVisibility())
      .map(one => [one.className, one.getBoundingClientRect()])
      .filter(([, { width, height }]) => width && (width < 24 || height < 24))
      .map(([name, { width, height }]) => `${name} ${width} x ${height}`)""")
    assert small == []


SPOKEN = """() => {
  window.spoken = [];
  for (const voice of document.querySelectorAll("llm-chat-announcer [role]")) {
    new MutationObserver(() => voice.textContent && window.spoken.push(voice.textContent))
      .observe(voice, { childList: true, characterData: true, subtree: true });
  }
}"""


@pytest.fixture
def spoken(chat):
    """What a screen reader is told, from now on."""
    chat.settled()
    chat.page.evaluate(SPOKEN)

    def spoken(count):
        chat.page.wait_for_function("count => window.spoken.length >= count", arg=count)
        return chat.page.evaluate("window.spoken")

    return spoken


def test_a_short_answer_is_read_out_at_its_end_and_never_a_token(chat, script, spoken):
    chat.ask("Tell me")
    reply = script.next_reply()
    for word in ("Because ", "of ", "*scattering*", "."):
        reply.say(word)
        expect(chat.answer).to_contain_text(word.strip("* "))
    reply.finish()
    assert spoken(2) == ["Answering", "Because of scattering."]


def test_the_length_of_a_long_answer_is_announced(chat, script, spoken):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("x" * 1_234)
    reply.finish()
    assert spoken(2) == ["Answering", "Answered: 1,234 characters."]


@pytest.mark.parametrize(("length", "told"), [(300, "x" * 300), (301, "Answered: 301 characters.")])
def test_an_answer_of_300_characters_is_short(chat, script, spoken, length, told):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("x" * length)
    reply.finish()
    assert spoken(2)[-1] == told


def test_the_note_below_an_answer_is_announced_with_it(chat, script, spoken):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Half")
    reply.finish("length")
    assert spoken(2)[-1] == "Half The answer reached its limit and was cut off."
    chat.idle()
    chat.ask("More")
    script.next_reply().finish()
    assert spoken(4)[-1] == "The answer is empty."
    chat.idle()
    chat.ask("And more")
    script.next_reply().say("So far")
    expect(chat.answer).to_contain_text("So far")
    chat.stop.click()
    assert spoken(6)[-1] == "So far Stopped."


def test_an_error_is_an_alert_and_clears_the_status(chat, script, spoken):
    chat.ask("Tell me")
    script.next_reply().fail("upstream")
    assert spoken(2) == ["Answering", ERRORS["upstream"].sentence]
    chat.idle()
    expect(chat.page.locator("llm-chat-announcer [role=alert]")).to_have_text(ERRORS["upstream"].sentence)
    expect(chat.page.locator("llm-chat-announcer [role=status]")).to_be_empty()
    assert len(spoken(2)) == 2


def test_a_long_wait_is_announced_again_and_an_answer_at_most_four_times(chat, script, spoken):
    chat.set("llm-chat-announcer", pause=20)
    chat.ask("Tell me")
    reply = script.next_reply()
    assert spoken(3) == ["Answering", "Still answering", "Still answering"]
    for status in ("saving", "reconnecting"):
        chat.receive({"type": "data-status", "data": {"status": status}})
    chat.page.evaluate("() => new Promise(resolve => setTimeout(resolve, 100))")  # five reminders' time
    reply.say("Here")
    reply.finish()
    assert spoken(4) == ["Answering", "Still answering", "Still answering", "Here"]


def test_a_reminder_comes_after_a_pause_and_not_before(chat, script, spoken):
    chat.set("llm-chat-announcer", pause=10_000)
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(chat.answer).to_contain_text("Here")
    reply.finish()
    assert spoken(2) == ["Answering", "Here"]


def test_an_action_of_the_visitor_is_announced_during_an_answer(chat, script, spoken):
    chat.ask("Tell me")
    reply = script.next_reply()
    chat.page.evaluate("""() => document.querySelector("llm-chat").dispatchEvent(
        new CustomEvent("chat:say", { detail: { text: "Copied" } }))""")
    reply.say("Here")
    reply.finish()
    assert spoken(3) == ["Answering", "Copied", "Here"]


def test_an_answer_that_ended_without_a_connection_is_announced(script, proxy, shaky):
    shaky.settled()
    shaky.page.evaluate(SPOKEN)
    shaky.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(shaky.answer).to_contain_text("The beginning")
    proxy.down()
    shaky.disconnected()
    reply.say(" and the end")
    reply.finish()
    proxy.up()
    shaky.expect_answer("The beginning and the end")
    shaky.idle()
    assert shaky.page.evaluate("window.spoken") == ["Answering", "The beginning and the end"]
