"""Pages that a server turns away: of another version, without a session, without cookies."""

import itertools

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant
from chat.assistants.discovery import registry

OUTDATED = "This page is out of date."
CLOSED = "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('closed') } })"


class Versions:
    """Which version of the page the site serves, and which one its sockets expect: a deployment, or a part of one."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.serve("1")

    def serve(self, page, socket=None):
        self._monkeypatch.setattr("chat.templatetags.llm_chat.PAGE_VERSION", page)
        self._monkeypatch.setattr("chat.consumers.PAGE_VERSION", page if socket is None else socket)


class Alternating:
    """The versions that pages have from processes behind a balancer, each asked in turn."""

    def __init__(self, *versions):
        self._versions = itertools.cycle(versions)

    def __str__(self):
        return next(self._versions)


@pytest.fixture
def versions(monkeypatch):
    return Versions(monkeypatch)


@pytest.fixture
def chat(script, versions, site, visit):
    """A page of the version that the site serves, which comes back at once; ``loads`` are its loads from then on."""
    chat = visit(site.url)
    chat.page.add_init_script(
        """customElements.whenDefined("llm-chat-connection").then(() => {
            document.querySelector("llm-chat-connection").backoff = () => 20 })"""
    )
    chat.open()
    chat.loads = []
    chat.page.on("load", lambda page: chat.loads.append(page.url))
    return chat


def outdated(chat):
    return chat.page.locator("[data-reason=outdated]")


def wait_for_sockets(chat, count):
    """Until the page has opened so many more of them: it has been turned away so often."""
    wanted = chat.sockets + count
    while chat.sockets < wanted:
        chat.page.wait_for_event("websocket")


def test_a12_a_page_of_an_older_version_reloads_once_and_keeps_its_draft(chat, site, versions, console):
    chat.composer.fill("Half a thought")
    versions.serve("2")
    site.restart()
    chat.page.wait_for_selector("llm-chat[version='2']", state="attached")
    chat.connected()
    expect(chat.composer).to_have_value("Half a thought")
    expect(outdated(chat)).to_be_hidden()
    assert len(chat.loads) == 1
    assert [message for message in console if "WebSocket" not in message] == []


def test_a12_a_question_that_was_not_sent_yet_is_sent_once_after_the_reload(chat, site, versions, script):
    chat.try_after(500)
    versions.serve("2")
    site.stop()
    chat.disconnected()
    chat.ask("Not lost")
    site.start()
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    expect(chat.questions).to_have_count(1)
    assert len(chat.loads) == 1
    assert script.waiting == 0


def test_a12_a_page_that_a_cache_keeps_old_reloads_once_and_says_so(chat, site, versions):
    versions.serve("1", socket="2")
    site.restart()
    expect(outdated(chat)).to_be_visible()
    expect(chat.page.get_by_role("link", name="Reload the page")).to_be_visible()
    expect(chat.page.locator("[role=alert]")).to_contain_text(OUTDATED)
    wait_for_sockets(chat, 5)
    expect(chat.page.get_by_text("No connection.")).to_be_hidden()
    assert len(chat.loads) == 1
    versions.serve("1")
    expect(outdated(chat)).to_be_hidden()
    chat.connected()


@pytest.mark.parametrize("pages", [("2", "1"), ("1", "2"), ("1", "1", "2")])
def test_a12_two_versions_behind_a_balancer_do_not_send_a_page_to_and_fro(chat, site, versions, pages):
    versions.serve(Alternating(*pages), socket="neither")
    site.restart()
    expect(outdated(chat)).to_be_visible()
    wait_for_sockets(chat, 3)
    assert len(chat.loads) <= 2, "once for each version"
    versions.serve("1", socket=chat.page.locator("llm-chat").get_attribute("version"))
    chat.connected()
    expect(outdated(chat)).to_be_hidden()


def test_a12_what_is_written_elsewhere_on_the_page_is_not_lost(chat, site, versions, script):
    chat.talk(script)
    chat.click("Edit", chat.questions.last)
    field = chat.page.get_by_label("Edit the question")
    field.fill("Another question")
    versions.serve("2")
    site.restart()
    expect(outdated(chat)).to_be_visible()
    expect(field).to_have_value("Another question")
    assert chat.loads == []
    chat.page.get_by_role("button", name="Cancel").click()
    chat.page.wait_for_selector("llm-chat[version='2']", state="attached")
    assert len(chat.loads) == 1


def test_a12_a_page_that_cannot_note_that_it_has_reloaded_does_not(script, versions, site, visit):
    chat = visit(site.url)
    chat.page.add_init_script(CLOSED)
    chat.open()
    versions.serve("1", socket="2")
    loads = []
    chat.page.on("load", lambda page: loads.append(page.url))
    site.restart()
    expect(outdated(chat)).to_be_visible()
    assert loads == []


NO_COOKIES = "This page needs cookies."
ENDED = "Your session has ended. Reload the page"
CACHED = "performance.getEntriesByType = () => [{ transferSize: 0 }]"


def said(inside):
    return inside.locator("llm-chat-admission > :visible")


def test_b30_a_browser_that_keeps_no_cookies_shows_a_notice(script, site, visit, settings):
    settings.SESSION_COOKIE_DOMAIN = "elsewhere.example"  # which the browser does not take
    chat = visit(site.url)
    for _ in range(2):
        chat.page.goto(site.url + "/chat/")
        expect(said(chat.page)).to_have_text(NO_COOKIES)
        expect(chat.page.locator("llm-chat [role=alert]")).to_have_text(NO_COOKIES)
    chat.ask("Hello?")
    expect(chat.composer).to_have_value("Hello?")
    expect(chat.page.get_by_text("Reload").locator("visible=true")).to_have_count(0)
    settings.SESSION_COOKIE_DOMAIN = None
    chat.reload()
    expect(said(chat.page)).to_have_count(0)
    expect(chat.composer).to_have_value("Hello?")


def test_b30_a_frame_in_another_site_that_gets_no_cookies_shows_a_notice(script, site, visit, settings):
    settings.X_FRAME_OPTIONS = "ANY"  # not a value that browsers know
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": None}}
    page = visit(site.url).page
    page.goto(site.url.replace("127.0.0.1", "localhost") + "/healthz")
    embed = "url => document.body.append(Object.assign(document.createElement('iframe'), { src: url, width: 600 }))"
    page.evaluate(embed, site.url + "/chat/")
    expect(said(page.frame_locator("iframe"))).to_have_text(NO_COOKIES)


@pytest.mark.parametrize("blocked", ["Object.defineProperty(navigator, 'cookieEnabled', { get: () => false })", CLOSED])
def test_b30_a_browser_that_says_so_itself_is_believed(script, site, visit, settings, blocked):
    settings.SESSION_COOKIE_DOMAIN = "elsewhere.example"
    page = visit(site.url).page
    page.add_init_script(blocked)
    page.goto(site.url + "/chat/")
    expect(said(page)).to_have_text(NO_COOKIES)


def test_b30_a_page_out_of_a_cache_asks_for_one_reload_before_it_blames_the_cookies(script, site, visit, settings):
    settings.SESSION_COOKIE_DOMAIN = "elsewhere.example"
    page = visit(site.url).page
    page.add_init_script(CACHED)
    page.goto(site.url + "/chat/")
    expect(said(page)).to_have_text(ENDED)
    said(page).get_by_role("link").click()
    expect(said(page)).to_have_text(NO_COOKIES)


def test_b30_a_session_that_ends_later_has_ended_however_often(script, site, visit):
    chat = visit(site.url)
    chat.page.add_init_script(CACHED)
    chat.open()
    for _ in range(2):
        chat.page.context.clear_cookies()
        site.restart()
        expect(said(chat.page)).to_have_text(ENDED)
        said(chat.page).get_by_role("link").click()
        chat.connected()
        chat.settled()


class Members(Assistant):
    """Nobody may use it while ``closed`` is true."""

    name = "default"
    closed = False

    def has_permission(self):
        return not self.closed


@pytest.fixture
def members():
    Members.closed = False
    with registry.replaced(Members):
        yield Members


def test_without_permission_the_page_shows_what_was_said_and_no_form(members, chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    members.closed = True
    chat.reload()
    chat.expect_answer("Here")
    expect(chat.page.get_by_text("You may not use this chat.")).to_be_visible()
    expect(chat.composer).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Try again")).to_be_hidden()


def test_a_permission_that_is_lost_meanwhile_keeps_the_text_and_does_not_retry(members, chat, script):
    chat.open()
    members.closed = True
    chat.ask("Tell me")
    expect(chat.page.locator(".llm-chat-forbidden")).to_be_visible()
    expect(chat.page.locator("[data-status=unsent]")).to_contain_text("Tell me")
    expect(chat.composer).to_be_hidden()
    assert script.waiting == 0
