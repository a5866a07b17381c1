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
        self.menu = chat.page.get_by_role("menu", name="Options")
        self.undo = chat.page.get_by_role("button", name="Undo")
        self.found = chat.page.locator("[data-found]")

    def line(self, uid):
        return self.page.locator(f"llm-chat-list [data-conversation='{uid}']")

    def titles(self):
        return [text.strip() for text in self.lines.locator("a:not([data-action])").all_inner_texts()]

    def options(self, uid):
        """Open the menu of a conversation."""
        self.line(uid).get_by_role("link", name=re.compile("^Options")).click()
        expect(self.menu).to_be_visible()

    def choose(self, uid, name):
        """Choose an entry of the menu of a conversation."""
        self.options(uid)
        self.menu.get_by_role("menuitem", name=name, exact=True).click()

    def rename(self, uid, title):
        self.choose(uid, "Rename")
        field = self.line(uid).get_by_label("Title")
        field.fill(title)
        field.press("Enter")

    def hear(self, event, uid, title="", message="", **rest):
        frame = {"type": "event", "requestId": "conversation", "event": event, "id": uid, "message": message}
        self.chat.hear(**frame, version=1, title=title, **rest)


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
            conversation.tip = Message.objects.create(
                conversation=conversation, uid=f"a-{uid}", role="assistant", status="complete",
                parent=question, text="It is.", parts=[{"type": "text", "text": "It is."}],
            )  # fmt: skip
            conversation.save()
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


def test_a_conversation_of_which_the_page_hears_late_takes_its_place_by_time(listed):
    """Without Redis, a heartbeat tells what other processes have written, up to ten seconds ago."""
    times = {row.uid: row.updated_at.timestamp() for row in Conversation.objects.all()}
    listed.page.mouse.move(800, 300)
    listed.hear("run-started", "old", "About old", updated=times["old"])
    listed.hear("run-ended", "old", updated=times["old"])
    assert listed.titles() == ["About older", "About old", "Tell me"]
    listed.hear("run-started", "new", "About new", updated=(times["old"] + times["older"]) / 2)
    assert listed.titles() == ["About older", "About new", "About old", "Tell me"]
    listed.line("older").hover()
    listed.hear("run-started", "old", "About old", updated=times["older"] + 1)
    assert listed.titles() == ["About older", "About new", "About old", "Tell me"]
    listed.page.mouse.move(800, 300)
    expect(listed.lines.first).to_have_attribute("data-conversation", "old")


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
    expect(listed.found.get_by_role("link").first).to_have_text("About older")
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
    listed.page.locator("main").get_by_role("link", name="About older", exact=True).last.click()
    expect(listed.page).to_have_url(re.compile(r"/chat/older/\?hit=q-older#"))


def test_a_conversation_is_renamed_in_its_line(listed, console):
    opener = listed.line("old").get_by_role("link", name="Options for “About old”")
    listed.choose("old", "Rename")
    field = listed.line("old").get_by_label("Title")
    expect(field).to_be_focused()
    assert field.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)") == "About old"
    field.fill("Not this")
    field.press("Escape")
    expect(opener).to_be_focused()
    listed.rename("old", " ")
    expect(listed.line("old").get_by_role("alert")).to_have_text("Please write a title.")
    assert "400 (Bad Request)" in console.pop()
    field.fill("Better")
    listed.chat.composer.click()  # leaving the field saves, too
    expect(listed.line("old").get_by_role("link", name="Better", exact=True)).to_be_visible()
    expect(listed.line("old").get_by_role("link", name="Options for “Better”")).to_be_visible()
    expect(listed.chat.composer).to_be_focused()
    assert Conversation.objects.get(uid="old").title == "Better"


def test_a_conversation_is_pinned_above_all_others_and_let_go(listed):
    listed.choose("old", "Pin")
    pinned = listed.page.locator("[data-day=pinned]")
    expect(pinned.get_by_role("heading")).to_have_text("Pinned")
    expect(pinned.locator("li")).to_have_attribute("data-conversation", "old")
    expect(listed.line("old").get_by_role("link", name="Options for “About old”")).to_be_focused()
    listed.page.mouse.move(800, 300)
    listed.chat.composer.focus()
    listed.hear("run-started", "older", "About older")
    listed.hear("run-started", "old", "About old")
    assert listed.titles()[:2] == ["About old", "About older"]
    listed.chat.reload()
    assert listed.titles()[0] == "About old"
    listed.choose("old", "Unpin")
    expect(pinned).to_be_hidden()
    assert not Conversation.objects.get(uid="old").pinned


@pytest.fixture
def patient(settings, script):
    """A deletion can be undone as long as on a real site."""
    settings.CHAT = {**settings.CHAT, "UNDO_PERIOD": 10.0}


def test_a_deleted_conversation_is_brought_back_to_its_place_even_after_a_reload(patient, listed):
    before = listed.titles()
    listed.choose("old", "Delete")
    expect(listed.line("old")).to_have_count(0)
    expect(listed.page.get_by_role("link", name="New chat").first).to_be_focused()
    expect(listed.page.get_by_role("status").filter(has_text="Conversation deleted.")).to_be_visible()
    listed.chat.reload()
    expect(listed.line("old")).to_have_count(0)
    listed.undo.click()
    expect(listed.line("old")).to_be_visible()
    expect(listed.undo).to_have_count(0)
    assert listed.titles() == before
    assert listed.page.evaluate("document.activeElement !== document.body")


def test_after_a_while_a_deletion_can_no_longer_be_undone(listed):
    listed.choose("old", "Delete")
    expect(listed.undo).to_be_visible()
    expect(listed.undo).to_have_count(0)
    eventually(lambda: not Conversation.objects.filter(uid="old").exists())


def test_an_undo_that_comes_too_late_says_so(patient, listed, console):
    listed.choose("old", "Delete")
    expect(listed.undo).to_be_visible()
    Conversation.objects.filter(uid="old").delete()
    listed.undo.click()
    expect(listed.page.get_by_text("It is too late to undo this deletion.")).to_be_visible()
    assert "410 (Gone)" in console.pop()


@pytest.mark.parametrize("name", ["Delete", "Pin"])
def test_without_a_connection_a_command_says_so_and_the_page_stays(listed, console, name):
    url = listed.page.url
    listed.page.route(re.compile("/(delete|pin)/$"), lambda route: route.abort())
    listed.choose("old", name)
    expect(listed.page.locator(".llm-chat-alert")).to_have_text("That needs a connection. Try it again.")
    expect(listed.line("old")).to_be_visible()
    assert listed.page.url == url
    console.clear()


def test_without_a_connection_a_rename_says_so_and_keeps_the_text(listed, console):
    listed.page.route("**/rename/", lambda route: route.abort())
    listed.choose("old", "Rename")
    field = listed.line("old").get_by_label("Title")
    field.fill("Another title")
    field.press("Enter")
    expect(listed.page.locator(".llm-chat-alert")).to_have_text("That needs a connection. Try it again.")
    expect(field).to_have_value("Another title")
    console.clear()


def test_an_undo_that_is_refused_after_its_notice_has_gone_says_so(patient, listed, console):
    listed.choose("old", "Delete")
    expect(listed.undo).to_be_visible()
    Conversation.objects.filter(uid="old").delete()
    listed.page.evaluate("() => addEventListener('submit', ({ target }) => target.remove())")
    with listed.page.expect_response("**/~undo/"):
        listed.undo.click()
    expect(listed.page.locator(".llm-chat-alert")).to_have_text("It is too late to undo this deletion.")
    assert [message for message in console if "410 (Gone)" not in message] == []
    console.clear()


def test_deleting_the_conversation_on_the_page_leads_to_a_new_one_without_an_error(patient, listed, script):
    chat = listed.chat
    uid = chat.conversation
    listed.choose(uid, "Delete")
    expect(chat.page).to_have_url(re.compile(r"/chat/$"))
    expect(chat.page).to_have_title("New chat")
    expect(chat.page.locator("llm-chat-announcer[problem]")).to_have_count(0)
    expect(listed.line(uid)).to_have_count(0)
    listed.undo.click()
    expect(listed.line(uid)).to_be_visible()


def test_a_message_into_a_conversation_that_was_just_deleted_is_kept_and_not_stored(patient, listed, script):
    chat = listed.chat
    made = Conversation.objects.get(uid=chat.conversation)
    Conversation.objects.filter(pk=made.pk).update(deleted_at=timezone.now())
    chat.ask("Still there?")
    expect(chat.page.get_by_text("Not sent.")).to_be_visible()
    expect(chat.questions).to_have_text([re.compile("Still there[?]")])
    assert not Message.objects.filter(text="Still there?").exists()
    made.delete()
    chat.click("Send again", chat.questions.last)
    assert script.next_reply().request.messages == [{"role": "user", "content": "Still there?"}]


def test_several_conversations_are_selected_and_deleted_at_once(patient, listed, begun):
    begun(listed.chat, "c1", "c2", "c3")
    listed.chat.reload()
    bar = listed.page.locator("llm-chat-selection")
    listed.choose("c3", "Select")
    expect(bar).to_contain_text("1 selected")
    listed.line("c1").get_by_role("link").first.click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    listed.line("c2").get_by_role("checkbox").click()
    expect(bar).to_contain_text("2 selected")
    listed.page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    assert listed.titles()[:3] == ["About c3", "About c2", "About c1"]
    listed.page.get_by_role("button", name="More").click()
    listed.page.get_by_role("button", name="Select several").click()
    expect(bar.get_by_role("button", name="Delete")).to_be_disabled()
    for uid in ("c1", "c3"):
        listed.line(uid).get_by_role("link").first.click()
    asked = []
    listed.page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    bar.get_by_role("button", name="Delete").click()
    expect(listed.lines).to_have_count(4)
    assert len(asked) == 1
    expect(listed.page.get_by_text("2 conversations deleted.")).to_be_visible()
    listed.undo.click()
    expect(listed.lines).to_have_count(6)
    assert listed.titles()[:3] == ["About c3", "About c2", "About c1"]


def test_all_conversations_are_deleted_on_a_page_of_their_own(patient, listed):
    listed.page.get_by_role("button", name="More").click()
    listed.page.get_by_role("link", name="Delete all…").click()
    expect(listed.page.get_by_role("heading", name="Delete all your 3 conversations?")).to_be_visible()
    listed.page.get_by_role("button", name="Delete all").click()
    expect(listed.lines).to_have_count(0)
    expect(listed.page.get_by_role("button", name="More")).to_be_hidden()
    expect(listed.page.get_by_text("3 conversations deleted.")).to_be_visible()
    listed.undo.click()
    expect(listed.lines).to_have_count(3)


def test_the_menu_is_used_by_keyboard_and_gives_the_focus_back(listed):
    opener = listed.line("old").get_by_role("link", name="Options for “About old”")
    opener.focus()
    listed.page.keyboard.press("Enter")
    for key, name in (("ArrowDown", "Pin"), ("End", "Delete"), ("ArrowDown", "Rename"), ("ArrowUp", "Delete")):
        listed.page.keyboard.press(key)
        expect(listed.menu.get_by_role("menuitem", name=name, exact=True)).to_be_focused()
    for key in ("Escape", "Tab"):
        listed.page.keyboard.press(key)
        expect(listed.menu).to_be_hidden()
        expect(opener).to_be_focused()
        listed.page.keyboard.press("Enter")
    opener.click()
    expect(listed.menu).to_be_hidden()


def test_the_menu_opens_again_at_once_after_escape(listed):
    opener = listed.line("old").get_by_role("link", name="Options for “About old”")
    opener.click()
    opener.evaluate(
        """(opener) => {
            const escape = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
            document.querySelector("llm-chat-menu").dispatchEvent(escape);
            opener.click();
        }"""
    )
    expect(listed.menu).to_be_visible()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_menu_stays_on_the_screen_beside_a_line_at_the_bottom(script, site, visit, begun, language):
    chat = visit(site.url, locale=language, viewport={"width": 375, "height": 480}).open()
    chat.page.locator(".llm-chat-input").first.fill("Tell me")
    chat.page.locator(".llm-chat-send[type=submit]").click()
    script.next_reply().finish()
    begun(chat, *(f"c{number}" for number in range(9)))
    chat.page.locator("[data-status=complete]").last.wait_for()
    chat.reload()
    chat.page.locator("[popovertarget=llm-chat-sidebar]").click()
    for uid in ("c8", "c2"):
        opener = chat.page.locator(f"[data-conversation={uid}] [data-action=options]")
        opener.click()
        menu, line = chat.page.locator("llm-chat-menu").bounding_box(), opener.bounding_box()
        assert 0 <= menu["x"] <= 375 - menu["width"]
        assert 0 <= menu["y"] <= 480 - menu["height"]
        below, above = menu["y"] - line["y"] - line["height"], line["y"] - menu["y"] - menu["height"]
        assert min(abs(below), abs(above)) < 8
        chat.page.keyboard.press("Escape")
    expect(opener).to_be_visible()  # Escape has not closed the sidebar


def test_a_conversation_is_saved_from_the_menu(listed):
    with listed.page.expect_download() as download:
        listed.choose("old", "Save as Markdown")
    assert download.value.suggested_filename == "About old.md"


def test_the_list_keeps_its_place_and_shows_the_current_line(listed, begun):
    begun(listed.chat, *(f"c{number}" for number in range(40)))
    listed.chat.reload()
    place = "document.querySelector('llm-chat-sidebar').scrollTop"
    expect(listed.page.locator("[aria-current]")).to_be_in_viewport()  # it is the oldest
    top = listed.page.evaluate(place)
    listed.line("c3").get_by_role("link").first.click()
    expect(listed.page).to_have_url(re.compile("/c3/$"))
    expect(listed.page.locator("[aria-current]")).to_be_in_viewport()
    listed.line("c2").get_by_role("link").first.click()
    expect(listed.page).to_have_url(re.compile("/c2/$"))
    expect(listed.page.locator("[aria-current]")).to_be_in_viewport()
    assert 0 < listed.page.evaluate(place) <= top


def test_an_opened_result_keeps_the_search_and_shows_the_message_however_far_up_it_is(listed):
    found = Conversation.objects.get(uid="old")
    parent = Message.objects.get(uid="a-old")
    for number in range(80):
        parent = found.message_set.create(uid=f"m{number}", role="user", parent=parent, text=f"Line {number}")
    Conversation.objects.filter(pk=found.pk).update(tip=parent)
    listed.field.fill("is old")
    result = listed.found.locator("[data-result=old]")
    expect(result.locator("mark")).to_have_text(["old", "is", "old"])  # the first one in the title
    expect(result.get_by_role("link", name="Options for “About old”")).to_be_attached()
    result.get_by_role("link").first.click()
    expect(listed.page.locator("[data-message]")).to_have_count(82)  # the newest ones are on the page, too
    listed.chat.settled()
    hit = listed.page.locator("[data-message=q-old]")
    expect(hit).to_have_attribute("data-hit", "")
    expect(hit).to_be_in_viewport()
    expect(listed.field).to_have_value("is old")
    expect(listed.found).to_be_visible()
    listed.page.get_by_role("link", name="New chat").first.click()
    expect(listed.lines.first).to_be_visible()
    expect(listed.field).to_have_value("")


def test_the_sidebar_by_keyboard_never_loses_the_focus(patient, listed):
    page = listed.page
    press = page.keyboard.press

    def focused():
        assert page.evaluate("document.activeElement !== document.body")
        return page.locator("*:focus")

    def open_menu(uid):
        listed.line(uid).get_by_role("link", name=re.compile("^Options")).focus()
        press("Enter")

    open_menu("old")
    press("Enter")
    expect(focused()).to_have_attribute("name", "title")
    page.keyboard.type("Renamed")
    press("Enter")
    expect(listed.line("old").get_by_role("link").first).to_have_text("Renamed")
    expect(focused()).to_have_accessible_name("Options for “Renamed”")
    press("Enter")
    press("ArrowDown")
    press("Enter")
    expect(page.locator("[data-day=pinned] li")).to_have_count(1)
    expect(focused()).to_have_accessible_name("Options for “Renamed”")
    open_menu("older")
    press("ArrowDown")
    press("ArrowDown")
    press("Enter")
    expect(focused()).to_have_accessible_name("Select “About older”")
    listed.line("old").get_by_role("checkbox").focus()
    press("Space")
    page.locator("llm-chat-selection").get_by_role("button", name="Delete").focus()
    press("Enter")
    expect(listed.lines).to_have_count(1)
    focused()
    listed.undo.focus()
    press("Enter")
    expect(listed.lines).to_have_count(3)
    focused()
    listed.field.focus()
    page.keyboard.type("what is older")
    expect(listed.found.locator("[data-result=older]")).to_be_visible()
    focused()
    listed.found.get_by_role("link").first.focus()
    press("Enter")
    expect(page.locator("[data-message=q-older]")).to_be_visible()


def test_where_the_server_does_not_answer_as_expected_options_are_a_page(listed, console):
    listed.page.route("**/pin/", lambda route: route.fulfill(status=500, body="Broken"))
    listed.choose("old", "Pin")
    expect(listed.page).to_have_url(re.compile(r"/chat/old/options/$"))
    assert "500" in console.pop()


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
