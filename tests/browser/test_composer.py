"""The field that one writes in: what is sent, what is kept, and what cannot be sent."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from chat.assistants import Assistant, Starter
from chat.assistants.discovery import registry

DRAFTS = "() => Object.keys(localStorage).filter(key => key.startsWith('llm-chat draft '))"

TRANSFER = """([type, file]) => {
  const data = new DataTransfer();
  if (file) data.items.add(new File(["x"], "x.txt", { type: "text/plain" }));
  else data.setData("text/plain", "x");
  const event = type === "paste"
    ? new ClipboardEvent(type, { bubbles: true, cancelable: true, clipboardData: data })
    : new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data });
  document.querySelector(type === "paste" ? "textarea" : "[role=log]").dispatchEvent(event);
  return event.defaultPrevented;
}"""
"""Drag, drop or paste a file or a text. Returns whether the page kept the browser from what it does with it."""

NO_FIELD_SIZING = "CSS.supports = () => false"


def drafts(chat):
    return chat.page.evaluate(DRAFTS)


def answered(chat, script, question="Tell me", text="Here"):
    chat.ask(question)
    reply = script.next_reply()
    reply.say(text)
    reply.finish()
    chat.expect_answer(text)
    chat.idle()


@pytest.mark.parametrize("path", ["/chat/", "/chat/mine/"])
def test_a_draft_is_there_after_a_reload(chat, path):
    chat.open(path)
    chat.composer.fill("Half a question")
    chat.reload()
    expect(chat.composer).to_have_value("Half a question")


def test_each_conversation_has_a_draft_of_its_own(chat):
    chat.open("/chat/one/").composer.fill("One")
    chat.open("/chat/two/").composer.fill("Two")
    chat.open("/chat/one/")
    expect(chat.composer).to_have_value("One")
    chat.open("/chat/")
    expect(chat.composer).to_have_value("")


def test_a_sent_message_is_no_longer_a_draft(chat, script):
    chat.composer.fill("Tell me")
    assert len(drafts(chat)) == 1
    answered(chat, script)
    assert drafts(chat) == []
    chat.reload()
    expect(chat.composer).to_have_value("")
    chat.composer.fill("More")
    chat.composer.fill(" ")
    assert drafts(chat) == []


def test_a_draft_begun_while_the_first_answer_runs_belongs_to_its_conversation(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("Here")
    chat.composer.fill("And then?")
    chat.reload()
    expect(chat.composer).to_have_value("And then?")
    chat.open("/chat/")
    expect(chat.composer).to_have_value("")


def test_of_two_tabs_the_last_writer_leaves_the_draft(chat, site, visit):
    chat.open("/chat/shared/").composer.fill("First")
    second = visit(site.url).open("/chat/shared/")
    expect(second.composer).to_have_value("First")
    second.composer.fill("Second")
    expect(chat.composer).to_have_value("First")
    chat.reload()
    expect(chat.composer).to_have_value("Second")


def test_drafts_go_when_another_owner_opens_a_page_on_the_device(chat):
    chat.open("/chat/one/").composer.fill("Mine")
    chat.page.context.clear_cookies()
    chat.open("/chat/two/")
    assert drafts(chat) == []
    chat.open("/chat/one/")
    expect(chat.composer).to_have_value("")


def test_text_that_was_typed_before_the_script_came_is_kept(chat):
    chat.open("/chat/one/").composer.fill("Old")
    chat.page.add_init_script("""addEventListener("DOMContentLoaded", () => {}, { once: true });
      new MutationObserver((_, observer) => {
        const field = document.querySelector("textarea");
        if (!field) return;
        field.value = "New";
        observer.disconnect();
      }).observe(document, { childList: true, subtree: true })""")
    chat.reload()
    expect(chat.composer).to_have_value("New")


@pytest.mark.parametrize("path", ["/chat/", "/chat/mine/"])
def test_a_lost_session_asks_for_a_reload_and_the_draft_is_there_after_it(script, site, visit, path):
    chat = visit(site.url).open(path)
    chat.composer.fill("Not")
    Session.objects.all().delete()
    site.restart()
    expect(chat.page.get_by_text("Your session has ended.").first).to_be_visible()
    chat.ask("Not lost")
    expect(chat.page.get_by_text("Reload the page first")).to_be_visible()
    expect(chat.composer).to_have_value("Not lost")
    chat.page.get_by_role("link", name="Reload the page").click()
    chat.connected()
    expect(chat.composer).to_have_value("Not lost")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages == [{"role": "user", "content": "Not lost"}]
    chat.open(path)
    expect(chat.composer).to_have_value("")


@pytest.mark.parametrize("type_", ["drop", "paste"])
def test_a_file_is_refused_in_words_and_the_page_stays(chat, type_):
    chat.composer.fill("Mine")
    if type_ == "drop":
        assert chat.page.evaluate(TRANSFER, ["dragover", True])
        expect(chat.page.get_by_text("Files cannot be sent here.")).to_be_hidden()
    assert chat.page.evaluate(TRANSFER, [type_, True])
    expect(chat.page.get_by_text("Files cannot be sent here.")).to_be_visible()
    expect(chat.composer).to_have_value("Mine")
    chat.composer.press("!")
    expect(chat.page.get_by_text("Files cannot be sent here.")).to_be_hidden()


@pytest.mark.parametrize("type_", ["dragover", "drop", "paste"])
def test_text_may_be_dropped_and_pasted(chat, type_):
    assert not chat.page.evaluate(TRANSFER, [type_, False])
    expect(chat.page.get_by_text("Files cannot be sent here.")).to_be_hidden()


LINE = "One line of forty characters, and so on\n"


@pytest.mark.parametrize(
    ("text", "most"),
    [(LINE * 5_000, 1.0), ("word " * 40_000, 1.0), ("x" * 200_000, 1.0), ("line\n" * 40_000, 3.0)],
    ids=["lines", "words", "word", "short lines"],
)
def test_200_000_pasted_characters_show_the_limit_at_once_and_are_kept(script, site, visit, text, most):
    chat = visit(site.url, permissions=["clipboard-read", "clipboard-write"]).open().settled()
    chat.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    measured = chat.page.context.new_cdp_session(chat.page)
    measured.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy(measured)
    chat.composer.press("Control+v")
    expect(chat.page.get_by_text("Too long to send: 200,000 of")).to_be_visible()
    assert busy(measured) - before < most
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value(text)
    assert script.waiting == 0
    chat.reload()
    expect(chat.composer).to_have_value(text)


def busy(session):
    """Seconds of processor time that the page's main thread has spent on tasks so far."""
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]


def composing(chat, **options):
    """Press Enter as an input method does. Returns whether the page took it for its own."""
    script = """options => !document.querySelector("textarea").dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...options }))"""
    return chat.page.evaluate(script, options)


@pytest.mark.parametrize("options", [{"isComposing": True}, {"keyCode": 229}], ids=["composing", "229"])
def test_the_enter_of_an_input_method_neither_sends_nor_is_taken_from_it(chat, script, options):
    chat.composer.fill("にほんご")
    assert not composing(chat, **options)
    expect(chat.composer).to_have_value("にほんご")
    assert composing(chat)
    assert script.next_reply().request.messages[-1]["content"] == "にほんご"


def test_the_enter_that_ends_a_composition_sends_nothing(chat, script):
    chat.composer.focus()
    keys = chat.page.context.new_cdp_session(chat.page)
    keys.send("Input.imeSetComposition", {"text": "に", "selectionStart": 1, "selectionEnd": 1})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    keys.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keys.send("Input.insertText", {"text": "に"})
    expect(chat.composer).to_have_value("に")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "に"


def test_the_escape_of_an_input_method_does_not_stop_the_answer(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("Here")
    expect(chat.answer).to_contain_text("Here")
    assert not composing(chat, key="Escape", isComposing=True)
    chat.set("llm-chat-connection", silence=0)
    assert [frame for frame in chat.sent if frame["type"] == "abort"] == []


def test_shift_and_enter_break_the_line(chat, script):
    chat.composer.fill("One")
    chat.composer.press("Shift+Enter")
    chat.page.keyboard.type("Two")
    expect(chat.composer).to_have_value("One\nTwo")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "One\nTwo"


def test_on_a_touch_screen_enter_breaks_the_line_and_the_button_sends(script, site, visit):
    chat = visit(site.url, has_touch=True, is_mobile=True).open()
    expect(chat.composer).not_to_be_focused()  # no keyboard before one wants to write
    chat.composer.tap()
    chat.page.keyboard.type("One")
    chat.composer.press("Enter")
    chat.page.keyboard.type("Two")
    expect(chat.composer).to_have_value("One\nTwo")
    chat.send.tap()
    assert script.next_reply().request.messages[-1]["content"] == "One\nTwo"


def test_on_a_touch_screen_control_and_enter_send(script, site, visit):
    chat = visit(site.url, has_touch=True, is_mobile=True).open()
    chat.composer.fill("One")
    chat.composer.press("Control+Enter")
    assert script.next_reply().request.messages[-1]["content"] == "One"


@pytest.mark.parametrize("supported", [True, False])
def test_the_field_grows_with_its_text_to_a_limit_and_back(site, script, visit, console, supported):
    chat = visit(site.url)
    if not supported:
        chat.page.add_init_script(NO_FIELD_SIZING)
    chat.open()
    if not supported:
        chat.page.evaluate("() => { document.querySelector('textarea').style.fieldSizing = 'fixed' }")
    heights = []
    for lines in (1, 3, 100, 200, 1):
        chat.composer.fill("\n".join(["line"] * lines))
        heights.append(chat.composer.bounding_box()["height"])
    assert heights[0] < heights[1] < heights[2] == heights[3]
    assert heights[2] <= 14 * 16 + 1
    assert heights[4] == heights[0]
    assert console == []


def test_stop_keeps_the_focus_when_it_turns_back_into_send(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("Here")
    expect(chat.answer).to_contain_text("Here")
    chat.stop.focus()
    chat.stop.press("Enter")
    chat.expect_answer("Here", status="stopped")
    expect(chat.send).to_be_focused()


def test_the_focus_stays_in_the_field_over_an_answer(chat, script):
    chat.composer.fill("Tell me")
    chat.send.click()
    expect(chat.composer).to_be_focused()
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    expect(chat.composer).to_be_focused()


@pytest.mark.parametrize(
    "storage",
    [
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('closed') } })",
        "Storage.prototype.setItem = () => { throw new DOMException('full') }",
    ],
    ids=["closed", "full"],
)
def test_without_a_place_to_keep_it_a_text_is_written_and_sent_all_the_same(script, site, visit, console, storage):
    chat = visit(site.url)
    chat.page.add_init_script(storage)
    chat.open().ask("Tell me")
    assert script.next_reply().request.messages[-1]["content"] == "Tell me"
    assert console == []


class Default(Assistant):
    """An assistant with starters."""

    starters = (Starter("Where is my parcel?"), Starter("Can I return a saddle?"))


@pytest.fixture
def starters():
    with registry.replaced(Default):
        yield


def test_a_starter_is_sent_with_a_click_and_what_is_written_stays(starters, chat, script):
    chat.reload()
    chat.composer.fill("Half a question")
    chat.page.get_by_role("button", name="Can I return a saddle?").click()
    reply = script.next_reply()
    assert reply.request.messages == [{"role": "user", "content": "Can I return a saddle?"}]
    reply.say("Yes.")
    reply.finish()
    chat.expect_answer("Yes.")
    expect(chat.composer).to_have_value("Half a question")
    expect(chat.composer).to_be_focused()
    expect(chat.page.get_by_role("button", name="Where is my parcel?")).to_be_hidden()
