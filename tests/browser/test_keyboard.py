"""The page without a pointer: keys, and a focus that is never lost."""

import re

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry

HAS_FOCUS = "() => document.activeElement !== document.body"
LINES = "\n\n".join(f"Paragraph {number} of a long text." for number in range(40))


def stays_inside(chat):
    """Check, after the browser has had time to give up an element that is gone, that something has the focus."""
    chat.drawn()
    assert chat.page.evaluate(HAS_FOCUS)


def running(chat, script, text="Here"):
    reply = script.next_reply()
    reply.say(text)
    expect(chat.answer).to_contain_text(text)
    return reply


def dialog(chat):
    return chat.page.get_by_role("dialog", name="Keyboard shortcuts")


def test_a_journey_by_keys_alone_never_loses_the_focus(chat, script):
    keys = chat.page.keyboard
    press = lambda *names: [(keys.press(name), stays_inside(chat)) for name in names]  # noqa: E731
    skip = chat.page.get_by_role("link", name="Skip to the message field")
    chat.page.get_by_role("link", name="New chat").first.focus()
    press("Shift+Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    press("Enter")
    expect(chat.composer).to_be_focused()
    keys.type("One")
    press("Enter")
    running(chat, script)
    press("Shift+Tab", "Shift+Tab")
    expect(chat.composer).not_to_be_focused()
    press("Escape")
    expect(chat.answer).to_have_attribute("data-status", "stopped")
    press("/")
    expect(chat.composer).to_be_focused()
    chat.answer.get_by_role("button", name="Try again").focus()
    press("Enter")
    expect(chat.composer).to_be_focused()
    reply = running(chat, script, "Again")
    keys.type("Two")
    press("Enter")
    keys.type("Three")
    press("Enter")
    press("ArrowUp")
    expect(chat.composer).to_have_value("Three")
    press("Control+a", "Delete")
    chat.page.locator("[data-queued]").get_by_role("button", name="Remove").focus()
    press("Enter")
    expect(chat.composer).to_be_focused()
    reply.finish()
    chat.expect_answer("Again")
    chat.idle()
    press("ArrowUp")
    edit = chat.questions.last.locator("textarea")
    expect(edit).to_be_focused()
    press("Escape")
    expect(edit).to_have_count(0)
    press("/", "ArrowUp")
    keys.type(" more")
    press("Enter")
    expect(chat.composer).to_be_focused()
    reply = running(chat, script, "More")
    reply.finish()
    chat.idle()
    stays_inside(chat)
    expect(chat.composer).to_be_focused()
    chat.log.focus()
    press("?")
    expect(dialog(chat)).to_be_visible()
    press("Tab", "Escape")
    expect(dialog(chat)).to_be_hidden()
    expect(chat.log).to_be_focused()


def test_letters_that_are_typed_anywhere_on_the_page_go_to_the_field(chat, script):
    chat.talk(script)
    chat.log.focus()
    chat.page.keyboard.type("a word")
    expect(chat.composer).to_have_value("a word")
    chat.page.get_by_role("link", name="New chat").first.focus()
    chat.page.keyboard.type("?/s")
    expect(chat.composer).to_have_value("a word?/s")
    chat.log.focus()
    chat.page.keyboard.press("Control+c")
    chat.page.keyboard.press("Space")
    expect(chat.log).to_be_focused()


def test_a_chat_on_another_page_takes_only_keys_that_are_pressed_in_it(chat):
    chat.page.evaluate("""() => {
      const chat = document.querySelector("llm-chat");
      chat.removeAttribute("page-url");
      chat.replaceWith(chat); // starts its elements again
    }""")
    link = chat.page.get_by_role("link", name="New chat").first
    link.focus()
    chat.page.keyboard.type("x?/")
    expect(link).to_be_focused()
    chat.log.focus()
    chat.page.keyboard.type("x")
    expect(chat.composer).to_have_value("x")
    chat.log.focus()
    chat.page.keyboard.type("?")
    expect(dialog(chat)).to_be_visible()


def test_the_list_of_keys_is_opened_by_a_button_and_closed_by_a_click_beside_it(chat, script):
    chat.talk(script)
    chat.page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(dialog(chat)).to_be_visible()
    chat.page.keyboard.type("/?")
    expect(chat.composer).to_have_value("")
    chat.page.mouse.click(5, 5)
    expect(dialog(chat)).to_be_hidden()


def test_search_and_a_new_chat_have_keys_in_every_alphabet(chat, script):
    chat.talk(script)
    chat.page.keyboard.press("Control+k")
    expect(chat.page.get_by_role("searchbox")).to_be_focused()
    chat.page.keyboard.press("Escape")
    pressed = """() => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
        { key: "Щ", code: "KeyO", ctrlKey: true, shiftKey: true, bubbles: true, cancelable: true }))"""
    chat.page.evaluate(pressed)
    chat.connected()
    expect(chat.questions).to_have_count(0)


def test_keys_do_nothing_while_an_input_method_composes(chat, script):
    chat.talk(script)
    press = """key => document.querySelector("textarea").dispatchEvent(new KeyboardEvent("keydown",
        { key, isComposing: true, bubbles: true, cancelable: true }))"""
    for key in ("ArrowUp", "Escape", "?"):
        assert chat.page.evaluate(press, key)
    expect(chat.page.locator("llm-chat-edit")).to_have_count(0)


def test_escape_closes_what_is_open_and_the_answer_goes_on(chat, script):
    chat.ask("Tell me")
    reply = running(chat, script)
    chat.log.focus()
    chat.page.keyboard.press("?")
    expect(dialog(chat)).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(dialog(chat)).to_be_hidden()
    reply.say(" and there")
    reply.finish()
    chat.expect_answer("Here and there")


def test_keys_jump_between_questions(chat, script):
    for question in ("One", "Two", "Three"):
        chat.talk(script, question, LINES)
    top = chat.place(chat.log)
    for key, name in (("ArrowUp", "Three"), ("ArrowUp", "Two"), ("ArrowUp", "One"), ("ArrowDown", "Two")):
        chat.page.keyboard.press(f"Alt+{key}")
        question = chat.questions.filter(has_text=re.compile(rf"\b{name}\b"))
        chat.page.wait_for_function(
            "([question, top]) => Math.abs(question.getBoundingClientRect().top - top) < 40",
            arg=[question.element_handle(), top],
        )
    expect(chat.composer).to_be_focused()


def test_where_a_thumb_types_the_focus_goes_to_the_log_and_opens_no_keyboard(script, site, visit):
    chat = visit(site.url, has_touch=True, is_mobile=True).open()
    chat.composer.fill("Tell me")
    chat.send.tap()
    expect(chat.log).to_be_focused()
    script.next_reply().fail("upstream")
    chat.idle()
    chat.answer.get_by_role("button", name="Try again").tap()
    expect(chat.log).to_be_focused()
    script.next_reply().finish()
    chat.idle()


def test_the_focus_goes_to_the_field_when_its_message_is_discarded(chat):
    chat.page.evaluate(
        "() => document.querySelector('llm-chat').dispatchEvent(new CustomEvent('chat:outgoing', "
        "{ detail: { message: 'm', text: 'Not sent', status: 'unsent', error: 'Why.' } }))"
    )
    chat.page.get_by_role("button", name="Discard").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.composer).to_be_focused()


def test_on_a_low_screen_the_log_keeps_two_fifths_of_the_height_while_one_types(chat, script):
    chat.talk(script, answer=LINES)
    chat.page.set_viewport_size({"width": 320, "height": 256})
    chat.composer.fill("\n".join(["A line"] * 8))
    assert chat.log.bounding_box()["height"] >= 0.4 * 256


CONTROLS = """() => [...document.querySelectorAll("a[href], button, summary, input, select, textarea, [tabindex]")]
  .filter((one) => one.closest("llm-chat, header") && one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => !one.disabled && !one.closest("[inert], [popover]:not(:popover-open)"))
  .filter((one) => one.getAttribute("type") !== "hidden" && one.getBoundingClientRect().width > 0)"""
LABEL = """one => [one.closest("article")?.dataset.role ?? "", one.localName,
  one.title || one.ariaLabel || one.textContent.trim() || one.name].join(" ")"""
RICH = "See [this](https://example.com/).\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + LINES


class Default(Assistant):
    """Helps customers."""

    @tool
    def orders(self):
        """The customer's orders."""
        return ["B7"]


@pytest.fixture
def orders():
    """Let the model see the orders of a customer."""
    with registry.replaced(Default):
        yield


def test_every_control_that_is_used_by_keys_leaves_the_focus_on_something_visible(script, site, visit, orders):
    chat = visit(site.url).open()
    chat.ask("\n".join(["A question of many lines"] * 40))
    reply = script.next_reply()
    reply.think("Let me see.")
    reply.say(RICH)
    reply.finish()
    chat.idle()
    chat.click("Try again")
    script.next_reply().fail("upstream")
    chat.idle()
    chat.ask("And now?")
    reply = script.next_reply()
    reply.call("orders")
    reply.finish("tool-calls")
    reply = script.next_reply()
    reply.say(RICH)
    reply.finish()
    chat.idle()
    page, used = chat.page, set()
    while left := [
        (name, control)
        for control in page.evaluate_handle(CONTROLS).get_properties().values()
        if (name := control.evaluate(LABEL)) not in used
    ]:
        # First those that leave the messages as they are.
        name, control = min(left, key=lambda one: one[0].endswith(("Try again", "Previous answer", "Next answer")))
        used.add(name)
        if " a " in f" {name} " and control.evaluate("one => Boolean(one.closest('a[href]'))"):
            continue  # a link leaves the page
        control.as_element().focus()
        page.keyboard.press("Enter")
        stays_inside(chat)
        shown = "() => document.activeElement.checkVisibility({ visibilityProperty: true })"
        assert page.evaluate(shown), f"the focus is on nothing visible after {name}"
        page.keyboard.press("Escape")  # stops an answer, or closes what was opened
        stays_inside(chat)
        chat.idle()
    buttons = {name.split(" button ")[1].split("\n")[0] for name in used if " button " in name}
    assert any(name.startswith("assistant summary Orders") for name in used)
    assert "assistant div Result" in used
    assert buttons >= {"Copy", "Copy the code", "Try again", "Next answer", "Edit", "Menu", "Good answer"}


def test_the_menu_of_the_page_by_keys_alone_gives_the_focus_back(chat, script):
    chat.talk(script)
    button = chat.page.get_by_role("button", name="Menu", exact=True)
    button.focus()
    chat.page.keyboard.press("Enter")
    light = chat.page.get_by_role("radio", name="Light")
    while not light.evaluate("one => one === document.activeElement"):
        chat.page.keyboard.press("Tab")
        stays_inside(chat)
        if chat.page.locator("[name=llm-chat-theme]:focus").count():
            chat.page.keyboard.press("ArrowDown")
    expect(chat.page.locator("html")).to_have_css("color-scheme", "light")
    chat.page.keyboard.press("Escape")
    expect(light).to_be_hidden()
    expect(button).to_be_focused()
