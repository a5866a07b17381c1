"""The chat on pages of a site: the host's elements, narrow columns, dialogs, two chats, swapped in by a script."""

import django
import pytest
from csp.constants import NONCE, NONE, SELF, STRICT_DYNAMIC
from playwright.sync_api import expect

IDS = "[...document.querySelectorAll('[id]')].map((element) => element.id)"
SWAP = """async (conversation) => {
  const response = await fetch(`/host/~fragment/?conversation=${conversation}`, { headers: { Accept: "text/html" } });
  const place = document.querySelector("#place");
  place.innerHTML = await response.text();
  for (const script of place.querySelectorAll("script")) { // so that they run, in their order, as htmx and Turbo do it
    const copy = document.createElement("script");
    for (const { name, value } of script.attributes) copy.setAttribute(name, value);
    copy.async = false;
    script.replaceWith(copy);
  }
}"""
LOOKS = """() => {
  const looks = (element) => Object.fromEntries([...getComputedStyle(element)].map((name) =>
    [name, getComputedStyle(element).getPropertyValue(name)]));
  const own = [...document.querySelectorAll("body > .chat, body > .chat *")];
  const before = own.map(looks);
  for (const link of document.querySelectorAll('link[href*="llm_chat"]')) link.disabled = true;
  const after = own.map(looks);
  return before.flatMap((look, n) => Object.keys(look).filter((name) => look[name] !== after[n][name]));
}"""
POLICY = {
    "default-src": [NONE],
    "script-src": [NONCE, STRICT_DYNAMIC],
    "style-src": [NONCE],
    "connect-src": [SELF],
    "img-src": [SELF],
    "form-action": [SELF],
    "manifest-src": [SELF],
    "base-uri": [NONE],
}


@pytest.fixture
def host(script, site, settings, visit, console, caplog):
    """Open a page of a site; nothing may be said in the console or the log."""
    settings.ROOT_URLCONF = "tests.support.embedded"
    yield lambda name: visit(site.url).open(f"/host/{name}/") if name != "swapped" else opened(visit(site.url))
    assert console == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def opened(chat):
    chat.page.goto(chat.url + "/host/swapped/")
    return chat


def unique_ids(page):
    ids = page.evaluate(IDS)
    return len(ids) > 5 and len(ids) == len(set(ids))


def test_e04_the_hosts_own_element_of_the_class_chat_is_left_alone(host, script):
    chat = host("own")
    chat.talk(script)
    assert chat.page.evaluate(LOOKS) == []
    sheets = chat.page.evaluate("document.querySelectorAll('link[href*=\"llm_chat\"]').length")
    assert sheets > 0


def test_e05_two_chats_on_a_page_have_ids_of_their_own_and_answer_at_once(host, script):
    page = host("two").page
    chats = [page.locator("llm-chat").nth(number) for number in range(2)]
    for number, chat in enumerate(chats):
        field = chat.get_by_label("Message", exact=True)
        field.fill(f"Question {number}")
        field.press("Enter")
    for reply in (script.next_reply(), script.next_reply()):
        reply.say("An answer with `code` in it.\n\n```\nx\n```")
        reply.finish()
    for number, chat in enumerate(chats):
        expect(chat.locator("article[data-role=assistant]")).to_have_attribute("data-status", "complete")
        expect(chat.locator("article[data-role=user]")).to_contain_text(f"Question {number}")
    assert unique_ids(page)
    icons = page.locator("article[data-role=assistant] [data-action=copy] svg").all()
    assert [icon.bounding_box()["width"] > 0 for icon in icons] == [True, True]


def test_e05_icons_stay_where_the_first_chat_of_a_page_leaves(host, script):
    chat = host("two")
    page = chat.page
    page.evaluate("document.querySelector('llm-chat').remove()")
    chat.talk(script)
    drawn = "document.querySelector('[data-action=copy] use').getBBox().width"
    assert page.evaluate(drawn) > 0


def test_e05_a_column_of_320_pixels_is_enough(host, script):
    chat = host("column")
    chat.page.set_viewport_size({"width": 320, "height": 640})
    chat.talk(script, answer="A sentence, and `a_long_name_without_any_place_to_break_it_anywhere_at_all`.\n\n" * 3)
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 320
    box = chat.send.bounding_box()
    assert box["x"] + box["width"] <= 320


def test_e05_a_dialog_shows_the_chat_when_it_opens(host, script):
    chat = host("dialog")
    expect(chat.composer).to_be_hidden()
    chat.page.evaluate("document.querySelector('body > dialog').showModal()")
    expect(chat.composer).to_be_visible()
    chat.talk(script)
    expect(chat.answer).to_be_in_viewport()
    chat.page.keyboard.press("Escape")
    expect(chat.composer).to_be_hidden()


def test_e05_a_heading_names_the_conversation_and_begins_another_one(host, script):
    chat = host("new")
    page, heading = chat.page, chat.page.locator("[data-title]")
    button = page.get_by_role("button", name="New chat")
    expect(heading).to_have_text("New chat")
    expect(button).to_be_hidden()
    for question in ("How heavy is an anvil?", "And a hammer?"):
        chat.talk(script, question, "Heavy.")
        expect(heading).to_have_text(question)
        assert unique_ids(page)
        page.reload()
        expect(heading).to_have_text(question)
        expect(chat.answer).to_contain_text("Heavy.")
        button.click()
        expect(heading).to_have_text("New chat")
        expect(button).to_be_hidden()
        expect(page.locator("article")).to_have_count(0)
    chat.composer.fill("A draft")
    page.reload()
    expect(chat.composer).to_have_value("A draft")
    assert page.url.endswith("/host/new/")


def test_e05_a_chat_below_the_fold_moves_nothing(host, script):
    chat = host("below").settled()
    assert chat.page.evaluate("scrollY") == 0
    chat.composer.scroll_into_view_if_needed()
    top = chat.page.evaluate("scrollY")
    chat.talk(script, answer="A line.\n\n" * 40)
    assert chat.page.evaluate("scrollY") == pytest.approx(top, abs=2)


def test_e05_a_chat_that_a_script_swaps_in_works_and_so_does_the_next_one(host, script):
    chat = host("swapped")
    for number in range(3):
        chat.page.evaluate(SWAP, f"swapped{number % 2}")
        chat.connected()
        chat.talk(script, question=f"Question {number}")
    expect(chat.questions).to_have_count(2)  # that of the first round, too
    assert unique_ids(chat.page)


def ask_and_look(chat, script):
    """Ask in the first chat of a page: its scripts run, and its style sheets count."""
    field = chat.composer.first
    field.fill("Why?")
    field.press("Enter")
    reply = script.next_reply()
    reply.say("Because.")
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    radius = "getComputedStyle(document.querySelector('.llm-chat-send')).borderRadius"
    assert chat.page.evaluate(radius) != "0px"


@pytest.mark.parametrize("name", ["one", "two"])
def test_e10_a_policy_with_nonces_and_strict_dynamic_lets_the_chat_work(host, script, settings, name):
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICY}
    ask_and_look(host(name), script)


@pytest.mark.skipif(django.VERSION < (6,), reason="Django has SECURE_CSP since 6.0.")
def test_e10_djangos_own_policy_with_nonces_lets_the_chat_work(host, script, settings):
    from django.utils.csp import CSP

    own = {NONCE: CSP.NONCE}
    settings.SECURE_CSP = {name: [own.get(source, source) for source in sources] for name, sources in POLICY.items()}
    chat = host("~secure")
    policy = chat.page.request.get(chat.page.url).headers["content-security-policy"]
    assert "'strict-dynamic'" in policy
    ask_and_look(chat, script)


def test_e10_the_chats_own_pages_work_under_such_a_policy(host, script, settings):
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICY}
    chat = host("one")
    chat.open("/chat/")
    chat.talk(script)
    expect(chat.page.locator("llm-chat-sidebar")).to_be_visible()
    chat.page.goto(chat.url + f"/chat/{chat.conversation}/print/")
    expect(chat.page.get_by_role("button", name="Print")).to_be_visible()
