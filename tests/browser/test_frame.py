"""The frame of the app's page: one bar, its menu, the theme, the drawer, the empty chat, installing, signing in."""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from chat.models import Conversation, Share

PASSWORD = "a long password"
PHONE = {"width": 360, "height": 740}
HEIGHT = "element => element.getBoundingClientRect().height"
BACKGROUND = "getComputedStyle(document.querySelector('.llm-chat-page')).backgroundColor"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 28)"


def bar(chat):
    return chat.page.locator(".llm-chat-page-bar")


def opened(chat):
    """Open the menu of the bar, and return it."""
    chat.page.get_by_role("button", name="Menu").click()
    menu = chat.page.locator("#llm-chat-menu")
    expect(menu).to_be_visible()
    return menu


def violations(page):
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]


@pytest.fixture
def member(transactional_db):
    return User.objects.create_superuser("ada", password=PASSWORD)


def sign_in(chat, password=PASSWORD):
    chat.page.goto(chat.url + "/accounts/login/?next=/chat/")
    chat.page.get_by_label("Username").fill("ada")
    chat.page.get_by_label("Password").fill(password)
    chat.page.get_by_role("button", name="Sign in").click()


def test_a_phone_has_one_bar_with_the_title_and_a_long_one_is_cut_in_one_line(chat, script):
    chat.page.set_viewport_size(PHONE)
    chat.talk(script, question="Why is the sky blue, and why does it turn red in the evening when the sun is low?")
    title = bar(chat).get_by_role("heading", level=1)
    expect(title).to_contain_text("Why is the sky blue")
    assert title.evaluate("element => element.scrollWidth > element.clientWidth")
    assert bar(chat).evaluate(HEIGHT) < 52
    top = chat.log.evaluate("element => element.getBoundingClientRect().top")
    assert top < 52, "nothing else is above the messages"
    assert chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("width", "drawer"), [(820, True), (959, True), (960, False), (1920, False)])
def test_the_sidebar_is_a_drawer_on_a_tablet_and_beside_the_chat_on_wider_screens(chat, width, drawer):
    chat.page.set_viewport_size({"width": width, "height": 900})
    sidebar, opener = chat.page.locator("llm-chat-sidebar"), bar(chat).get_by_role("button", name="Conversations")
    assert sidebar.is_visible() is not drawer
    assert opener.is_visible() is drawer
    assert bar(chat).get_by_role("link", name="New chat").is_visible() is drawer
    if drawer:
        opener.click()
        expect(sidebar).to_be_visible()
    assert sidebar.evaluate("element => element.getBoundingClientRect().width") == 280


def test_at_four_hundred_percent_the_messages_keep_their_room_while_one_types(chat, script):
    chat.talk(script, answer="A line.\n\n" * 20)
    chat.page.set_viewport_size({"width": 320, "height": 256})
    expect(bar(chat)).to_be_hidden()
    for text in ("", "one line", "many lines\n" * 9):
        chat.composer.fill(text)
        expect(chat.composer).to_be_focused()
        assert chat.log.evaluate(HEIGHT) >= 0.4 * 256, repr(text)
    chat.log.focus()
    expect(bar(chat)).to_be_visible()


def test_an_empty_chat_asks_in_large_type_with_the_field_beside_it(chat):
    sentence = chat.page.get_by_text("What would you like to know?")
    assert sentence.evaluate("element => getComputedStyle(element).fontSize") == "28px"
    gap = chat.place(chat.composer) - chat.place(sentence)
    assert 0 < gap < 120
    expect(chat.page.locator(".llm-chat-start")).to_have_text("scripted")  # the model


@pytest.mark.parametrize("width", [360, 1280])
def test_the_menu_opens_below_its_button_and_ends_where_the_button_does(chat, width):
    chat.page.set_viewport_size({"width": width, "height": 640})
    menu = opened(chat).bounding_box()
    button = chat.page.get_by_role("button", name="Menu").bounding_box()
    assert 0 <= menu["y"] - button["y"] - button["height"] < 10
    assert menu["x"] + menu["width"] == pytest.approx(button["x"] + button["width"], abs=1)


def test_the_menu_has_no_entries_for_a_conversation_that_does_not_exist_yet(chat, script):
    menu = opened(chat)
    expect(menu.get_by_role("link", name="Print")).to_be_hidden()
    expect(menu.get_by_role("link", name="Sign in")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Menu")).to_be_focused()
    chat.talk(script)
    expect(opened(chat).get_by_role("link", name="Print")).to_be_visible()


def test_the_theme_is_kept_on_the_device_and_followed_by_other_tabs(chat, visit):
    chat.page.emulate_media(color_scheme="light")
    other = chat.page.context.new_page()
    other.emulate_media(color_scheme="light")
    other.goto(chat.url + "/chat/")
    expect(opened(chat).get_by_role("radio", name="System")).to_be_checked()
    assert chat.page.evaluate(BACKGROUND) == LIGHT
    chat.page.get_by_text("Dark", exact=True).click()
    for page in (chat.page, other):
        page.wait_for_function(f"() => {BACKGROUND} === '{DARK}'")
    shown = "[...document.querySelectorAll('[name=theme-color]')].filter((one) => matchMedia(one.media).matches)"
    assert chat.page.evaluate(f"{shown}.map((one) => one.content)") == ["#14171c"]
    chat.reload()
    assert chat.page.evaluate(BACKGROUND) == DARK
    expect(opened(chat).get_by_role("radio", name="Dark")).to_be_checked()
    chat.page.get_by_text("System", exact=True).click()
    chat.page.wait_for_function(f"() => {BACKGROUND} === '{LIGHT}'")
    chat.page.emulate_media(color_scheme="dark")
    assert chat.page.evaluate(BACKGROUND) == DARK


def test_the_theme_is_there_before_the_first_paint(chat):
    chat.page.evaluate("localStorage.setItem('llm-chat-theme', 'dark')")
    chat.page.emulate_media(color_scheme="light")
    # The body begins after the head's scripts have run: nothing can have been painted before.
    chat.page.add_init_script("""new MutationObserver((_, observer) => {
      if (!document.body) return;
      window.scheme = getComputedStyle(document.documentElement).colorScheme;
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true })""")
    for path in ("/chat/", "/accounts/login/"):
        chat.page.goto(chat.url + path)
        assert chat.page.evaluate("window.scheme") == "dark", path


def test_a_site_without_manifest_src_works_and_its_console_has_at_most_one_line_about_it(
    script, site, visit, console, settings
):
    directives = {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]}
    del directives["manifest-src"]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}
    chat = visit(site.url).open()
    assert "manifest-src" not in chat.page.request.get(chat.page.url).headers["content-security-policy"]
    chat.talk(script)
    assert len(console) <= 1
    assert all("manifest" in line for line in console)


def test_signing_in_says_what_is_wrong_beside_its_fields_and_leads_back(chat, member):
    sign_in(chat, "wrong")
    page = chat.page
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    for name in ("Username", "Password"):
        expect(page.get_by_label(name)).to_have_accessible_description(re.compile("correct username and password"))
        expect(page.get_by_label(name)).to_have_attribute("aria-invalid", "true")
    assert violations(page) == []
    page.get_by_role("link", name="Back to the chat").click()
    expect(page).to_have_url(re.compile("/chat/$"))


def test_an_account_is_in_the_menu(chat, member):
    sign_in(chat)
    chat.connected()
    menu = opened(chat)
    expect(menu).to_contain_text("ada")
    expect(menu.get_by_role("link", name="Admin")).to_have_attribute("href", "/admin/")
    assert violations(chat.page) == []
    menu.get_by_role("button", name="Sign out").click()
    chat.connected()
    expect(opened(chat).get_by_role("link", name="Sign in")).to_be_visible()


@pytest.fixture
def sharing(settings, script):
    settings.CHAT = {**settings.CHAT, "SHARING": True}


def test_a_conversation_is_shared_read_by_a_stranger_and_revoked(sharing, chat, script, visit, console):
    chat.talk(script, question="Why?", answer="Because of **scattering**.")
    opened(chat).get_by_role("link", name="Share").click()
    chat.page.get_by_role("button", name="Create a link").click()
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.page.get_by_role("button", name="Copy link").click()
    expect(chat.page.get_by_role("button", name="Copied")).to_be_visible()
    link = chat.clipboard()
    assert violations(chat.page) == []
    stranger = visit(chat.url, "stranger", color_scheme="dark").page
    stranger.goto(link)
    expect(stranger.locator("strong")).to_have_text("scattering")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Why?")
    assert violations(stranger) == []
    chat.page.get_by_role("button", name="Revoke").click()
    expect(chat.page.get_by_role("button", name="Revoke")).to_have_count(0)
    assert stranger.goto(link).status == 404
    assert not Share.objects.exists()
    assert "404" in console.pop()


def test_sharing_works_without_javascript(sharing, site, visit):
    chat = visit(site.url, java_script_enabled=False)
    chat.page.goto(site.url + "/chat/")
    chat.composer.fill("Why?")
    chat.send.click()
    expect(chat.questions).to_have_count(1)
    chat.page.get_by_role("button", name="Menu").click()
    chat.page.get_by_role("link", name="Share").click()
    chat.page.get_by_role("button", name="Create a link").click()
    link = chat.page.get_by_label("As of").input_value()
    chat.page.goto(link)
    expect(chat.page.locator("article")).to_contain_text("Why?")


def headers_stand_above_their_messages(page):
    """Check that who wrote each message, and when, can be read without pointing at it, and that nothing else is there.

    The header of a message shows only then in the chat, whose styles these pages share.
    """
    tops = """articles => articles.map((article) => {
        const header = article.querySelector("header");
        const parts = [article, header, header.nextElementSibling];
        const [above, first, below] = parts.map((one) => one.getBoundingClientRect());
        return getComputedStyle(header).opacity === "1" && above.top <= first.top && first.bottom <= below.top;
    })"""
    assert page.locator("article").evaluate_all(tops) == [True, True]
    expect(page.locator("svg[hidden]").locator("visible=true")).to_have_count(0)


def test_a_page_to_read_says_who_wrote_each_message_and_when(chat, script):
    chat.talk(script)
    chat.page.goto(f"{chat.url}/chat/{chat.conversation}/print/")
    headers_stand_above_their_messages(chat.page)


def test_a_conversation_in_the_admin_is_a_thread_under_the_strict_policy(chat, member, console):
    conversation = Conversation.objects.create(owner="visitor:ann", uid="c1", title="Sky", updated_at=timezone.now())
    conversation.message_set.create(uid="q", role="user", text="line\n" * 80)
    conversation.message_set.create(
        uid="a", role="assistant", text="x", parts=[{"type": "text", "text": "Some **bold** `code`"}]
    )
    sign_in(chat)
    chat.connected()
    chat.page.goto(f"{chat.url}/admin/llm_chat/conversation/{conversation.pk}/change/")
    question, answer = chat.page.locator("article").all()
    expect(answer.locator("strong", has_text="bold")).to_be_visible()
    assert question.evaluate(HEIGHT) < 600
    headers_stand_above_their_messages(chat.page)
    assert console == []
    assert violations(chat.page) == []
    console.clear()  # axe itself puts style elements into the page, to read the admin's imported style sheets
