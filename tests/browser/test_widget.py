"""The widget on pages of sites with looks and policies of their own."""

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import expect

from chat.assistants.discovery import registry
from chat.models import Conversation, Message
from tests.browser.test_accessibility import violations
from tests.support import hosts
from tests.support.hosts import POLICIES, Sales, Support

PHONE = {"width": 360, "height": 740}
OPENED = "llm-chat-widget[open] dialog[open] llm-chat"
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(({ value }) => value)))
    .observe({ type: "layout-shift", buffered: true });
}"""
EVENTS = """() => {
  window.told = [];
  for (const name of ["open", "ready", "unread", "close"]) {
    document.addEventListener(`llm-chat:${name}`, ({ target }) => window.told.push(`${name} ${target.localName}`));
  }
}"""
IDS = "[...document.querySelectorAll('[id]')].map(({ id }) => id)"


@pytest.fixture(autouse=True)
def host(settings):
    """A site with widgets, two assistants, and the strict policy."""
    settings.ROOT_URLCONF = hosts.__name__
    use(settings, "strict")
    with registry.replaced(Support, Sales):
        yield


def use(settings, policy):
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICIES[policy]} if POLICIES[policy] else None


@pytest.fixture
def group(transactional_db):
    return Group.objects.create(name="Anvils")


class Host:
    """A visitor in front of a page of the site."""

    def __init__(self, chat):
        self.chat = chat
        self.page = chat.page
        self.widget = self.page.locator("llm-chat-widget").first
        self.launcher = self.widget.locator("> a")
        self.dialog = self.widget.locator("> dialog")
        self.mark = self.widget.locator("> [role=status]")
        self.problem = self.dialog.locator("> [role=alert] p")
        self.requested = []
        self.page.on("request", lambda request: self.requested.append(request.url.removeprefix(chat.url)))

    def go(self, path="/host/", **size):
        if size:
            self.page.set_viewport_size(size)
        self.page.goto(self.chat.url + path)
        self.page.wait_for_selector("llm-chat-widget:defined", state="attached")
        return self

    def open(self):
        self.launcher.click()
        return self.opened()

    def opened(self):
        self.page.wait_for_selector(OPENED, state="attached")
        self.chat.connected()
        return self

    def close(self):
        self.button("Close").click()
        expect(self.dialog).to_be_hidden()

    def button(self, name):
        return self.dialog.get_by_role("button", name=name, exact=True).first

    def run(self, script):
        return self.page.evaluate(script)


@pytest.fixture
def visitor(script, site, visit, console, caplog):
    """Open a tab of the site. Nothing may be said in the console or the log."""
    yield lambda name="somebody", **options: Host(visit(site.url, name, **options))
    assert console == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.fixture
def tab(visitor):
    return visitor().go()


# ---- Loading ----


@pytest.mark.parametrize("policy", POLICIES)
def test_a_visitor_opens_the_widget_and_is_answered_under_any_policy(settings, visitor, script, policy):
    use(settings, policy)
    tab = visitor().go("/host/?look=reset").open()
    expect(tab.chat.composer).to_be_focused()
    assert tab.chat.conversation == "support"
    tab.chat.talk(script, "What do you sell?", "**Anvils**")
    assert script.requests[0].messages[-1]["content"] == "What do you sell?"
    expect(tab.chat.answer.locator("strong")).to_have_text("Anvils")
    tab.dialog.get_by_role("link", name="Open as a page").click()
    expect(tab.chat.connected().answer.locator("strong")).to_have_text("Anvils")


def test_nothing_of_the_chat_is_requested_before_it_is_opened(tab):
    tab.page.wait_for_load_state("networkidle")
    static = [url for url in tab.requested if url.startswith("/static/llm_chat/") or url.startswith("/chat/")]
    assert static == ["/static/llm_chat/widget.css", "/static/llm_chat/widget.js"]
    assert tab.chat.sockets == 0
    assert tab.page.context.cookies() == []
    tab.open()
    assert any(url.endswith("chat.js") for url in tab.requested)
    assert tab.chat.sockets == 1


def test_the_page_does_not_move_when_the_widget_is_there_opens_and_closes(visitor):
    tab = visitor()
    tab.page.add_init_script(f"({SHIFTS})()")
    tab.go("/host/?look=grid").open()
    before = tab.run("[document.documentElement.scrollHeight, document.documentElement.scrollWidth, scrollY]")
    tab.close()
    tab.page.goto(tab.page.url.replace("/host/", "/host/none/"))
    assert tab.run("[document.documentElement.scrollHeight, document.documentElement.scrollWidth, scrollY]") == before
    assert tab.run("window.shifts") == []


def test_a_second_opening_shows_the_same_chat_without_loading_it_again(tab):
    tab.open()
    tab.chat.composer.fill("A draft")
    tab.close()
    count = len(tab.requested)
    tab.open()
    expect(tab.chat.composer).to_have_value("A draft")
    assert len(tab.requested) == count
    assert tab.chat.sockets == 1


def test_a_chat_that_cannot_be_loaded_says_so_and_is_loaded_by_another_try(visitor, console):
    tab = visitor().go()
    tab.page.route("**/*fragment*", lambda route: route.abort())
    tab.launcher.click()
    expect(tab.problem).to_be_visible()
    expect(tab.problem).to_have_text("The chat could not be loaded.")
    expect(tab.dialog.get_by_text("Loading…")).to_be_hidden()
    tab.page.unroute_all()
    tab.button("Try again").click()
    tab.opened()
    expect(tab.problem).to_be_hidden()
    expect(tab.chat.composer).to_be_focused()
    assert all("net::ERR_FAILED" in line for line in console)
    console.clear()


def test_where_one_must_sign_in_first_the_page_for_that_is_not_shown_in_the_dialog(visitor):
    tab = visitor().go()
    tab.page.locator("[data-page]").evaluate("link => { link.href = '/members/?assistant=support' }")
    tab.launcher.click()
    expect(tab.problem).to_be_visible()
    assert "/accounts/login/?next=/members/%3Fassistant%3Dsupport%26fragment" in tab.requested
    expect(tab.dialog.get_by_label("Username")).to_have_count(0)


# ---- Without a script ----


def test_without_javascript_the_launcher_leads_to_the_chats_own_page(group, visitor, script):
    tab = visitor(java_script_enabled=False)
    tab.page.goto(tab.chat.url + "/host/article/")
    expect(tab.dialog).to_be_hidden()
    expect(tab.page.get_by_role("link", name="Ask about this")).to_be_visible()
    tab.page.get_by_role("link", name="Ask about this").click()
    tab.page.get_by_label("Message", exact=True).fill("How heavy?")
    tab.page.get_by_role("button", name="Send", exact=True).click()
    script.next_reply().finish()
    stored = Conversation.objects.get()
    assert (stored.assistant, stored.about_model, stored.about_key) == ("support", "auth.group", str(group.pk))


# ---- The object ----


def test_the_conversation_is_about_the_object_of_the_page(group, visitor, script):
    tab = visitor().go("/host/article/").open()
    tab.chat.talk(script)
    stored = Conversation.objects.get()
    assert (stored.about_model, stored.about_key, stored.uid) == ("auth.group", str(group.pk), tab.chat.conversation)
    tab.button("New chat").click()
    expect(tab.page.locator("llm-chat[empty]")).to_have_count(1)
    tab.chat.connected().talk(script)
    assert [each.about_key for each in Conversation.objects.all()] == [str(group.pk)] * 2


def test_a_forged_reference_opens_no_chat(group, visitor, console):
    tab = visitor().go("/host/article/")
    tab.page.locator("[data-page]").evaluate("link => { link.href = link.href.replace(/about=./, 'about=X') }")
    tab.launcher.click()
    expect(tab.problem).to_be_visible()
    assert all("403" in line for line in console)
    console.clear()


def test_a_visitor_who_may_not_talk_about_the_object_reads_so(visitor):
    Group.objects.create(name="secret")
    tab = visitor().go("/host/article/?about=secret").open()
    expect(tab.dialog.get_by_text("You may not use this chat.")).to_be_visible()
    expect(tab.chat.composer).to_be_hidden()


# ---- Focus and keys ----


def test_the_focus_goes_into_the_composer_and_back_to_what_had_it(tab):
    tab.launcher.focus()
    tab.page.keyboard.press("Enter")
    tab.opened()
    expect(tab.chat.composer).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_be_hidden()
    expect(tab.launcher).to_be_focused()
    tab.run("addEventListener('keydown', (event) => (window.pageStays = event.defaultPrevented))")
    tab.page.keyboard.press("Space")
    tab.opened()
    expect(tab.chat.composer).to_be_focused()
    assert tab.run("pageStays")
    tab.close()
    expect(tab.launcher).to_be_focused()


def test_a_button_of_the_site_opens_it_with_a_text_and_has_the_focus_afterwards(tab):
    button = tab.page.get_by_role("button", name="Ask how heavy")
    button.click()
    tab.opened()
    expect(tab.chat.composer).to_have_value("How heavy?")
    expect(tab.chat.composer).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_closing_takes_no_focus_from_the_page(tab):
    tab.open()
    field = tab.page.get_by_label("Your name")
    field.fill("Ada")
    expect(tab.dialog).to_be_visible()
    tab.run("document.querySelector('llm-chat-widget').close()")
    expect(field).to_be_focused()


def test_escape_stops_an_answer_and_closes_what_is_open_inside_first(tab, script):
    tab.open()
    tab.chat.ask("Tell me")
    script.next_reply().say("Anvils")
    expect(tab.chat.answer).to_contain_text("Anvils")
    tab.chat.log.focus()
    tab.page.keyboard.press("?")
    expect(tab.page.locator(".llm-chat-help")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator(".llm-chat-help")).to_be_hidden()
    expect(tab.chat.answer).to_have_attribute("data-status", "running")
    tab.page.keyboard.press("Escape")
    expect(tab.chat.answer).to_have_attribute("data-status", "stopped")
    expect(tab.dialog).to_be_visible()
    tab.chat.idle()
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_be_hidden()


def test_escape_on_the_page_beside_it_leaves_it_open(tab):
    tab.open()
    tab.page.get_by_label("Your name").focus()
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_be_visible()
    tab.page.get_by_label("Your name").press_sequentially("?a/")
    expect(tab.page.get_by_label("Your name")).to_have_value("?a/")


# ---- Sizes ----


def test_on_a_large_screen_it_is_a_panel_in_the_corner_beside_a_page_that_stays_usable(visitor):
    tab = visitor().go(width=1280, height=800).open()
    box = tab.dialog.bounding_box()
    assert (box["width"], box["height"]) == (400, 640)
    assert (box["x"] + box["width"], box["y"] + box["height"]) == (1260, 780)
    assert not tab.dialog.evaluate("element => element.matches(':modal')")
    tab.page.get_by_label("Your name").fill("Ada")
    tab.page.get_by_role("link", name="anvils").click()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (740, 360), (320, 256)])
def test_on_a_small_screen_it_is_modal_and_fills_it(visitor, width, height):
    tab = visitor().go(width=width, height=height).open()
    assert tab.dialog.evaluate("element => element.matches(':modal')")
    assert tab.dialog.bounding_box() == {"x": 0, "y": 0, "width": width, "height": height}
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    expect(tab.chat.composer).to_be_in_viewport(ratio=1)
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_be_hidden()
    expect(tab.launcher).to_be_focused()


def test_it_follows_a_window_that_becomes_small_and_large(tab):
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.open()
    tab.page.set_viewport_size(PHONE)
    tab.page.wait_for_selector("dialog:modal")
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.page.wait_for_selector("dialog[open]:not(:modal)")
    assert tab.dialog.bounding_box()["width"] == 400


def test_a_phones_keyboard_leaves_the_composer_in_sight(visitor):
    tab = visitor().go(**PHONE).open()
    tab.run("""() => {
      for (const [name, value] of [["height", 400], ["offsetTop", 30]]) {
        Object.defineProperty(visualViewport, name, { value, configurable: true });
      }
      visualViewport.dispatchEvent(new Event("resize"));
    }""")
    assert tab.dialog.bounding_box() == {"x": 0, "y": 30, "width": 360, "height": 400}


def test_from_right_to_left_the_corner_is_the_left_one(visitor):
    tab = visitor().go("/host/?dir=rtl", width=1280, height=800)
    assert tab.launcher.bounding_box()["x"] == 20
    assert tab.open().dialog.bounding_box()["x"] == 20


def test_a_site_sets_sizes_colours_and_the_layer(tab):
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.run("""() => {
      const { style } = document.documentElement;
      style.setProperty("--llm-chat-widget-width", "30rem");
      style.setProperty("--llm-chat-widget-height", "50rem");
      style.setProperty("--llm-chat-widget-edge", "10px");
      style.setProperty("--llm-chat-widget-layer", "7");
      style.setProperty("--llm-chat-accent", "rgb(1, 2, 3)");
    }""")
    assert tab.launcher.evaluate("element => getComputedStyle(element).backgroundColor") == "rgb(1, 2, 3)"
    assert tab.widget.evaluate("element => getComputedStyle(element).zIndex") == "7"
    box = tab.open().dialog.bounding_box()
    assert (box["width"], box["height"], box["x"] + box["width"]) == (480, 800, 1270)


# ---- The launcher's mark, and what comes back ----


def test_the_launcher_tells_that_an_answer_runs_and_has_arrived(tab, script):
    tab.run(EVENTS)
    tab.open()
    tab.chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Half")
    expect(tab.chat.answer).to_contain_text("Half")
    tab.close()
    expect(tab.mark).to_have_text("An answer is running.")
    expect(tab.page.locator("llm-chat-widget[running]")).to_be_attached()
    reply.finish()
    expect(tab.mark).to_have_text("There is a new answer.")
    assert Conversation.objects.get().unread
    assert "read" not in [frame["type"] for frame in tab.chat.sent]
    tab.open()
    expect(tab.mark).to_have_text("")
    tab.chat.wait_for_frames("read")
    told = ["open", "ready", "close", "unread", "open"]
    assert tab.run("window.told") == [f"{name} llm-chat-widget" for name in told]


def test_it_is_open_again_after_a_reload_and_on_the_next_page_without_taking_the_focus(tab, script):
    tab.open()
    tab.chat.talk(script, "Do you deliver?", "Yes")
    for leave in (tab.page.reload, tab.page.get_by_role("link", name="Second page").click):
        leave()
        tab.opened()
        expect(tab.chat.questions).to_contain_text(["Do you deliver?"])
        assert tab.run("document.activeElement.localName") == "body"
    assert tab.page.url.endswith("/host/two/")
    tab.close()
    tab.page.reload()
    tab.page.wait_for_load_state("networkidle")
    expect(tab.dialog).to_be_hidden()


def test_a_new_chat_is_kept_for_the_next_page(tab, script):
    tab.open()
    tab.chat.talk(script, "Do you deliver?", "Yes")
    tab.button("New chat").click()
    tab.page.wait_for_selector("llm-chat[empty]")
    expect(tab.chat.composer).to_be_focused()
    tab.chat.connected().talk(script, "Anything else?", "No")
    assert tab.chat.conversation != "support"
    page = tab.dialog.get_by_role("link", name="Open as a page").get_attribute("href")
    tab.page.get_by_role("link", name="Second page").click()
    tab.opened()
    expect(tab.chat.questions).to_contain_text(["Anything else?"])
    tab.page.goto(page)
    expect(tab.chat.connected().questions).to_contain_text(["Anything else?"])
    assert Conversation.objects.count() == 2


def test_an_answer_that_runs_while_the_visitor_goes_to_another_page_is_told_there(tab, script):
    tab.open()
    tab.chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Half")
    expect(tab.chat.answer).to_contain_text("Half")
    tab.close()
    tab.page.get_by_role("link", name="Second page").click()
    expect(tab.mark).to_have_text("An answer is running.")
    tab.chat.connected()
    expect(tab.dialog).to_be_hidden()
    reply.finish()
    expect(tab.mark).to_have_text("There is a new answer.")
    assert Conversation.objects.get().unread
    tab.page.get_by_role("link", name="Acme").click()
    expect(tab.mark).to_have_text("There is a new answer.")
    tab.open()
    tab.chat.expect_answer("Half")


def test_a_small_screen_shows_the_page_to_which_the_visitor_goes(visitor):
    tab = visitor().go(**PHONE).open()
    tab.page.reload()
    tab.opened()
    tab.go("/host/two/")
    tab.page.wait_for_load_state("networkidle")
    expect(tab.dialog).to_be_hidden()
    tab.page.reload()
    tab.page.wait_for_load_state("networkidle")
    expect(tab.dialog).to_be_hidden()


def test_a_question_that_waits_in_the_queue_is_there_after_a_reload(visitor, script):
    tab = visitor().go("/host/beside/")
    tab.launcher.click()
    widget = tab.dialog
    composer = widget.get_by_label("Message", exact=True)
    composer.fill("One")
    composer.press("Enter")
    reply = script.next_reply()
    reply.say("Uno")
    expect(widget.locator("article[data-role=assistant]")).to_contain_text("Uno")
    composer.fill("Two")
    composer.press("Enter")
    expect(widget.locator("[data-queued]")).to_contain_text(["Two"])
    tab.page.reload()
    expect(widget.locator("[data-queued]")).to_contain_text(["Two"])
    reply.finish()
    script.next_reply().finish()


# ---- Several ----


def test_two_widgets_have_a_chat_and_ids_of_their_own_and_one_is_open_at_a_time(visitor, script):
    tab = visitor().go("/host/both/")
    sales = tab.page.locator("#buy")
    places = [each.bounding_box() for each in (tab.launcher, sales.locator("> a"))]
    assert places[1]["y"] + places[1]["height"] <= places[0]["y"]
    tab.open()
    sales.evaluate("element => element.open('Buy one')")
    expect(tab.dialog).to_be_hidden()
    expect(sales.get_by_label("Message", exact=True)).to_have_value("Buy one")
    assert [each.get_attribute("conversation") for each in tab.page.locator("llm-chat").all()] == ["support", "sales"]
    ids = tab.run(IDS)
    assert len(ids) > 10
    assert len(ids) == len(set(ids))
    icons = "[...document.querySelectorAll('use')].filter(each => !document.querySelector(each.getAttribute('href')))"
    assert tab.run(f"{icons}.length") == 0


def test_a_page_with_a_chat_of_another_assistant_has_both(visitor, script):
    tab = visitor().go("/host/beside/")
    tab.launcher.click()
    composer = tab.dialog.get_by_label("Message", exact=True)
    composer.fill("One")
    composer.press("Enter")
    script.next_reply().finish()
    expect(tab.dialog.locator("article[data-status=complete]")).to_have_count(2)
    other = tab.page.locator("main llm-chat")
    other.get_by_role("log").focus()
    tab.page.keyboard.press("x")
    expect(other.get_by_label("Message", exact=True)).to_have_value("x")
    ids = tab.run(IDS)
    assert len(ids) == len(set(ids))


def test_where_the_page_shows_the_same_conversation_the_launcher_leads_there(visitor):
    tab = visitor().go("/host/same/")
    tab.chat.connected()
    tab.run("document.body.style.paddingBottom = '300vh'; scrollTo(0, document.body.scrollHeight)")
    tab.launcher.click()
    composer = tab.page.locator("main").get_by_label("Message", exact=True)
    expect(composer).to_be_focused()
    expect(composer).to_be_in_viewport()
    expect(tab.dialog).to_be_hidden()
    expect(tab.page.locator("llm-chat")).to_have_count(1)


def test_a_site_opens_a_widget_without_a_launcher(visitor):
    tab = visitor().go("/host/quiet/")
    expect(tab.launcher).to_have_count(0)
    tab.run("document.querySelector('llm-chat-widget').toggle()")
    tab.opened()
    tab.run("document.querySelector('llm-chat-widget').toggle()")
    expect(tab.dialog).to_be_hidden()


# ---- Accessibility ----


@pytest.mark.parametrize("look", hosts.LOOKS)
def test_axe_finds_nothing_on_the_page_with_the_widget_open_and_closed(visitor, script, look):
    tab = visitor(reduced_motion="reduce", color_scheme="dark" if look == "dark" else "light").go(f"/host/?look={look}")
    bare = violations(tab.page)
    tab.open()
    assert violations(tab.page) == bare == []
    tab.chat.talk(script, answer="# Title\n\n```python\nprint(1)\n```\n")
    assert violations(tab.page) == []
    tab.page.set_viewport_size(PHONE)
    tab.page.wait_for_selector("dialog:modal")
    assert violations(tab.page) == []
    tab.close()
    assert violations(tab.page) == []


def test_axe_finds_nothing_beside_another_chat_and_with_two_widgets(visitor):
    tab = visitor(reduced_motion="reduce").go("/host/both/").open()
    assert violations(tab.page) == []
    tab.close()
    tab.go("/host/beside/").launcher.click()
    expect(tab.dialog.get_by_label("Message", exact=True)).to_be_focused()
    assert violations(tab.page) == []


def test_the_dialog_has_a_name_and_its_controls_show_the_focus(tab):
    tab.open()
    expect(tab.page.get_by_role("dialog", name="Support", exact=True)).to_be_visible()
    expect(tab.page.get_by_role("region", name="Support", exact=True)).to_be_attached()
    for name in ("New chat", "Close"):
        button = tab.button(name)
        assert min(button.bounding_box()[side] for side in ("width", "height")) >= 32
    tab.dialog.focus()
    seen = []
    for _ in range(3):
        tab.page.keyboard.press("Tab")
        seen.append(tab.run("document.activeElement.title"))
        assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert seen == ["New chat", "Open as a page", "Close"]


def test_paper_and_forced_colours(tab):
    tab.open()
    tab.page.emulate_media(media="print")
    expect(tab.dialog).to_be_hidden()
    expect(tab.launcher).to_be_hidden()
    tab.page.emulate_media(media="screen", forced_colors="active")
    tab.close()
    assert tab.launcher.evaluate("element => getComputedStyle(element).borderTopWidth") == "1px"
    expect(tab.launcher).to_be_visible()


@pytest.mark.parametrize("look", ["plain", "dark"])
def test_it_follows_the_colours_of_the_page(visitor, look):
    tab = visitor(color_scheme="light").go(f"/host/?look={look}").open()
    colours = {"plain": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}
    for element in (tab.dialog, tab.page.locator("llm-chat")):
        assert element.evaluate("element => getComputedStyle(element).backgroundColor") == colours[look]


def test_who_signs_in_elsewhere_can_still_open_it_on_a_page_that_is_for_everybody(group, visitor):
    tab = visitor().go("/host/article/")
    User.objects.create_user("ada", password="pass")
    other = tab.page.context.new_page()
    other.goto(tab.chat.url + "/accounts/login/")
    other.get_by_label("Username").fill("ada")
    other.get_by_label("Password").fill("pass")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/chat/")
    tab.open()
    expect(tab.chat.composer).to_be_visible()
    assert Message.objects.count() == 0
