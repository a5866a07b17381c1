"""The list of conversations: what it shows, what one finds in it, and what one does with them."""

import re
import time

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from chat.models import Conversation, Message

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
WITHOUT_TIME = """line => line.outerHTML.replace(/ data-updated="[^"]*"/, "")"""
NARROW = {"viewport": {"width": 375, "height": 667}}


class List:
    """The sidebar of a page."""

    def __init__(self, chat):
        self.chat = chat
        self.page = chat.page
        self.lines = chat.page.locator("llm-chat-list li")
        self.today = chat.page.locator("[data-day=today] li")
        self.field = chat.page.get_by_role("searchbox")
        self.dialog = chat.page.get_by_role("dialog")
        self.found = chat.page.locator("[data-found]")

    def line(self, uid):
        return self.page.locator(f"llm-chat-list [data-conversation='{uid}']")

    def titles(self):
        return [text.strip() for text in self.lines.locator("a:first-child").all_inner_texts()]

    def options(self, uid):
        self.line(uid).get_by_role("link", name=re.compile("^Options")).click()
        expect(self.dialog).to_be_visible()

    def hear(self, event, uid, title="", message=""):
        frame = {"type": "event", "requestId": "conversation", "event": event, "id": uid, "message": message}
        self.chat.hear(**frame, version=1, title=title)


@pytest.fixture
def begun(site):
    """Conversations of a visitor, each with a question and an answer, the last one the newest."""

    def begun(chat, *uids):
        owner = Conversation.objects.values_list("owner", flat=True).first()
        for uid in uids:
            conversation = Conversation.objects.create(
                owner=owner, uid=uid, title=f"About {uid}", updated_at=timezone.now()
            )
            question = Message.objects.create(
                conversation=conversation, uid=f"q-{uid}", role="user", status="complete", text=f"What is {uid}?"
            )
            Message.objects.create(
                conversation=conversation, uid=f"a-{uid}", role="assistant", status="complete",
                parent=question, text="It is.", parts=[{"type": "text", "text": "It is."}],
            )  # fmt: skip
        return List(chat)

    return begun


@pytest.fixture
def listed(chat, script, begun):
    """A page with an answered conversation, and two older ones in its list."""
    chat.ask("Tell me")
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()
    listed = begun(chat, "old", "older")
    chat.reload()
    chat.settled()
    expect(listed.lines).to_have_count(3)
    return listed


def hide(chat, hidden=True):
    chat.page.evaluate(HIDE, hidden)


def test_a_new_conversation_is_first_under_today(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("Here")
    listed = List(chat)
    line = listed.today.first
    expect(line.get_by_role("link", name="Tell me", exact=True)).to_have_attribute("aria-current", "page")
    expect(line.get_by_text("Answering")).to_be_visible()
    expect(line.get_by_role("link", name="Options for “Tell me”")).to_have_attribute(
        "href", f"/chat/{chat.conversation}/options/"
    )
    live = line.evaluate(WITHOUT_TIME)
    chat.reload()
    assert listed.today.first.evaluate(WITHOUT_TIME).split() == live.split()


def test_a_line_is_marked_while_an_answer_runs_there_and_until_it_is_read(listed):
    line = listed.line("old")
    listed.hear("run-started", "old", "About old")
    expect(line.get_by_text("Answering")).to_be_visible()
    listed.hear("run-ended", "old")
    expect(line.get_by_text("Answering")).to_be_hidden()
    expect(line.get_by_text("Unread answer")).to_be_visible()
    listed.hear("read", "old")
    expect(line.get_by_text("Unread answer")).to_be_hidden()


def test_an_answer_that_ends_on_the_visible_page_is_read(listed, script):
    chat = listed.chat
    chat.ask("More")
    script.next_reply().finish()
    expect(chat.answers).to_have_count(2)
    expect(listed.line(chat.conversation).get_by_text("Answering")).to_be_hidden()
    expect(listed.line(chat.conversation).get_by_text("Unread")).to_be_hidden()
    chat.page.wait_for_function("() => !document.querySelector('[data-running]')")
    chat.wait_for_frames("read")
    eventually(lambda: not Conversation.objects.get(uid=chat.conversation).unread)


def eventually(condition, wait=5.0):
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_answer_that_ends_on_a_hidden_page_is_unread_and_marks_the_tab_until_it_is_seen(listed, script):
    chat = listed.chat
    expect(chat.page).to_have_title("Tell me")
    chat.ask("More")
    reply = script.next_reply()
    hide(chat)
    reply.finish()
    expect(chat.page).to_have_title("● Tell me")
    expect(listed.line(chat.conversation).get_by_text("Unread answer")).to_be_visible()
    listed.hear("title", chat.conversation, "By the model")
    expect(chat.page).to_have_title("● By the model")
    assert Conversation.objects.get(uid=chat.conversation).unread
    hide(chat, False)
    expect(chat.page).to_have_title("By the model")
    expect(listed.line(chat.conversation).get_by_text("Unread answer")).to_be_hidden()
    eventually(lambda: not Conversation.objects.get(uid=chat.conversation).unread)


def test_a_conversation_with_activity_moves_to_the_top(listed):
    assert listed.titles() == ["About older", "About old", "Tell me"]
    listed.page.mouse.move(800, 300)
    listed.hear("run-started", "old", "About old")
    assert listed.titles() == ["About old", "About older", "Tell me"]


def test_nothing_moves_under_the_pointer(listed):
    listed.line("older").hover()
    listed.hear("run-started", "old", "About old")
    listed.hear("run-started", "new", "About new")
    expect(listed.line("old").get_by_text("Answering")).to_be_visible()
    assert listed.titles() == ["About older", "About old", "Tell me"]
    listed.page.mouse.move(800, 300)
    expect(listed.lines).to_have_count(4)
    assert listed.titles() == ["About new", "About old", "About older", "Tell me"]


def test_nothing_moves_while_the_focus_is_there(listed):
    listed.page.mouse.move(800, 300)
    link = listed.line("older").get_by_role("link").first
    link.focus()
    listed.hear("run-started", "old", "About old")
    assert listed.titles() == ["About older", "About old", "Tell me"]
    listed.page.keyboard.press("Tab")
    assert listed.titles() == ["About older", "About old", "Tell me"]
    listed.chat.composer.focus()
    expect(listed.lines.first).to_have_attribute("data-conversation", "old")


def test_a_new_title_is_shown_everywhere(listed):
    chat = listed.chat
    listed.hear("title", chat.conversation, "Named <b>$&</b>")
    expect(chat.page).to_have_title("Named <b>$&</b>")
    expect(chat.page.locator("h1")).to_have_text("Named <b>$&</b>")
    line = listed.line(chat.conversation)
    expect(line.get_by_role("link").first).to_have_text("Named <b>$&</b>")
    expect(line.get_by_role("link").last).to_have_accessible_name("Options for “Named <b>$&</b>”")
    listed.hear("title", "old", "Another")
    expect(listed.line("old").get_by_role("link").first).to_have_text("Another")
    expect(chat.page).to_have_title("Named <b>$&</b>")


def test_an_answer_in_a_conversation_that_is_not_listed_does_no_harm(listed):
    for event in ("run-ended", "read", "deleted", "title", "branch"):
        listed.hear(event, "unheard-of")
    expect(listed.lines).to_have_count(3)


def test_typing_searches_and_clearing_the_field_brings_the_list_back(listed):
    listed.field.press_sequentially("what older", delay=20)
    expect(listed.found.get_by_role("link")).to_have_text(["About older"])
    expect(listed.page.locator("llm-chat-list")).to_be_hidden()
    expect(listed.page.locator("llm-chat-announcer [role=status]")).to_contain_text("1 conversation found.")
    listed.field.press("Escape")
    expect(listed.field).to_have_value("")
    expect(listed.found).to_be_hidden()
    expect(listed.lines.first).to_be_visible()
    listed.field.fill("zebra")
    expect(listed.found).to_contain_text("Nothing found for “zebra”.")
    listed.field.fill("")
    expect(listed.found).to_be_hidden()


def test_typing_without_a_pause_sends_one_search_request(listed):
    asked = []
    listed.page.on("request", lambda request: "fragment" in request.url and asked.append(request.url))
    listed.field.press_sequentially("zebra", delay=20)
    expect(listed.found).to_contain_text("“zebra”")
    assert len(asked) == 1


LATE = """() => {
  const { fetch } = window;
  window.fetch = async (...request) => {
    const response = await fetch(...request);
    await new Promise((resolve) => { window.release = resolve; });
    return response;
  };
}"""


def test_search_results_that_arrive_too_late_are_not_shown(listed):
    listed.page.evaluate(LATE)
    listed.field.fill("old")
    listed.page.wait_for_function("() => window.release")
    listed.field.fill("")
    listed.page.evaluate("() => { window.release(); return new Promise(resolve => setTimeout(resolve, 100)); }")
    expect(listed.found).to_be_hidden()
    expect(listed.lines.first).to_be_visible()


def test_enter_in_the_search_leads_to_a_page_of_results(listed):
    listed.field.fill("older")
    listed.field.press("Enter")
    expect(listed.page).to_have_url(re.compile(r"\?q=older$"))
    listed.page.locator("main").get_by_role("link", name="About older").last.click()
    expect(listed.page).to_have_url(re.compile(r"/chat/older/$"))


def test_a_conversation_is_renamed_in_a_dialog(listed, console):
    listed.options("old")
    field = listed.dialog.get_by_label("Title")
    field.fill(" ")
    listed.dialog.get_by_role("button", name="Rename").click()
    expect(listed.dialog.get_by_role("alert")).to_have_text("Please write a title.")
    assert "400 (Bad Request)" in console.pop()
    listed.dialog.get_by_label("Title").fill("Better")
    listed.dialog.get_by_role("button", name="Rename").click()
    expect(listed.dialog).to_be_hidden()
    link = listed.line("old").get_by_role("link", name="Better", exact=True)
    expect(link).to_be_visible()
    expect(listed.line("old").get_by_role("link", name="Options for “Better”")).to_be_focused()
    assert Conversation.objects.get(uid="old").title == "Better"


def test_a_conversation_is_deleted_in_a_dialog(listed):
    listed.options("old")
    listed.dialog.get_by_role("checkbox").check()
    listed.dialog.get_by_role("button", name="Delete").click()
    expect(listed.dialog).to_be_hidden()
    expect(listed.line("old")).to_have_count(0)
    assert not Conversation.objects.filter(uid="old").exists()
    expect(listed.page.locator("nav").get_by_role("link", name="New chat").first).to_be_focused()


def test_the_conversation_on_the_page_is_deleted_and_a_new_one_may_begin(listed, script):
    chat = listed.chat
    listed.options(chat.conversation)
    listed.dialog.get_by_role("checkbox").check()
    listed.dialog.get_by_role("button", name="Delete").click()
    expect(chat.questions).to_have_count(0)
    expect(chat.page).to_have_title("New chat")
    expect(listed.line(chat.conversation)).to_have_count(0)
    chat.ask("Begin anew")
    assert script.next_reply().request.messages == [{"role": "user", "content": "Begin anew"}]
    expect(listed.today.first.get_by_role("link").first).to_have_text("Begin anew")


def test_all_conversations_are_deleted_in_a_dialog(listed):
    listed.page.get_by_role("link", name="Delete all…").click()
    listed.dialog.get_by_role("checkbox").check()
    listed.dialog.get_by_role("button", name="Delete all").click()
    expect(listed.lines).to_have_count(0)
    assert not Conversation.objects.exists()


def test_a_dialog_is_closed_by_its_button_and_by_escape_and_gives_the_focus_back(listed):
    opener = listed.line("old").get_by_role("link", name="Options for “About old”")
    for close in (
        lambda: listed.dialog.get_by_role("button", name="Close").click(),
        lambda: listed.page.keyboard.press("Escape"),
    ):
        listed.options("old")
        close()
        expect(listed.dialog).to_be_hidden()
        expect(opener).to_be_focused()


def test_a_conversation_is_saved_from_the_dialog(listed):
    listed.options("old")
    with listed.page.expect_download() as download:
        listed.dialog.get_by_role("link", name="Save as Markdown").click()
    assert download.value.suggested_filename == "About old.md"
    expect(listed.dialog).to_be_visible()


def test_where_the_server_does_not_answer_as_expected_options_are_a_page(listed, console):
    listed.page.route("**/options/?fragment", lambda route: route.abort())
    listed.line("old").get_by_role("link", name="Options for “About old”").click()
    expect(listed.page).to_have_url(re.compile(r"/chat/old/options/$"))
    assert "ERR_FAILED" in console.pop()


def test_on_a_narrow_screen_the_list_comes_by_a_button_and_goes_when_one_has_chosen(script, site, visit, begun):
    chat = visit(site.url, **NARROW).open()
    chat.ask("Tell me")
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    listed = begun(chat, "old")
    chat.reload()
    expect(listed.line("old")).to_be_hidden()
    opener = chat.page.get_by_role("button", name="Conversations")
    opener.click()
    expect(listed.line("old")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(listed.line("old")).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    listed.options("old")
    chat.page.keyboard.press("Escape")
    expect(listed.line("old")).to_be_visible()
    listed.field.fill("old")
    listed.field.press("Escape")
    expect(listed.line("old")).to_be_visible()
    chat.page.evaluate("() => addEventListener('click', event => event.preventDefault())")
    listed.line("old").get_by_role("link").first.click()
    expect(listed.line("old")).to_be_hidden()
