"""Sources on the page: listed as they are found, cited by links, the same after a reload, for all who read."""

import re
import threading

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, Source, tool
from chat.assistants.discovery import registry
from tests.browser.test_accessibility import VIEWS, violations

MAY_END = threading.Event()
PAGES = [
    Source(
        "Adjusting the brakes of a touring bicycle in wet weather", "https://www.bikes.example/brakes", "They stop."
    ),
    Source('<b>"Own"</b> page', "/manual/saddle/", "The saddle <i>is</i> comfortable."),
    Source("كيف تصلح الفرامل", "https://ar.bikes.example/brakes?page=2"),
]


class Default(Assistant):
    """Helps customers."""

    @tool
    def manual(self, first: int = 0, last: int = 3):
        """Pages of the manual."""
        return PAGES[first:last]

    @tool
    def slow(self):
        """The same, when the test lets it."""
        MAY_END.wait(10)
        return PAGES[2]


@pytest.fixture(autouse=True)
def assistant():
    MAY_END.clear()
    with registry.replaced(Default):
        yield
    MAY_END.set()


def listed(chat):
    return chat.answer.locator("[data-sources] a")


def shown(chat):
    """Return the markup of the answer's parts and of its list, without the white space between elements."""
    blocks = chat.answer.locator("[data-parts], [data-sources]").all()
    return [re.sub(r">\s+<", "><", block.inner_html()).strip() for block in blocks]


def test_sources_are_listed_while_the_answer_runs_and_its_citations_lead_to_them(chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.say("Let me see [1].")
    reply.call("manual", last=2)
    reply.finish("tool-calls")
    second = script.next_reply()
    expect(listed(chat)).to_have_count(2)
    second.call("slow")
    second.finish("tool-calls")
    MAY_END.set()
    expect(listed(chat)).to_have_count(3)
    last = script.next_reply()
    last.say("As [1] and [3] say, not [4], `[2]` or [2](https://x.example/).")
    cited = chat.answer.locator(".llm-chat-cite")
    expect(cited).to_have_count(2)
    expect(chat.answer).to_have_attribute("data-status", "running")
    assert [link.get_attribute("href") for link in cited.all()] == [PAGES[0].url, PAGES[2].url]
    assert cited.first.get_attribute("title") == PAGES[0].title
    expect(listed(chat).nth(1)).to_contain_text('<b>"Own"</b> page')
    last.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()
    before = shown(chat)
    chat.reload()
    assert shown(chat) == before


def test_a_citation_and_a_source_open_beside_the_chat(chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.call("manual", first=1, last=2)
    reply.finish("tool-calls")
    last = script.next_reply()
    last.say("As [1] says.")
    last.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    for link in (chat.answer.locator(".llm-chat-cite"), listed(chat)):
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noreferrer")
        assert link.evaluate("link => link.href").endswith("/manual/saddle/")


def test_a_copy_as_rich_text_has_the_links_and_not_the_list(chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.call("manual")
    reply.finish("tool-calls")
    last = script.next_reply()
    last.say("As [1] says.")
    last.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.click("Copy")
    expect(chat.status).to_have_text("Copied")
    read = "async () => (await (await navigator.clipboard.read())[0].getType('text/html')).text()"
    html = chat.page.evaluate(read)
    assert f'href="{PAGES[0].url}"' in html
    assert html.count("<a ") == 1
    assert "llm-chat" not in html
    assert chat.clipboard() == "As [1] says."


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_sources(script, site, visit, view):
    page = visit(site.url, view, **VIEWS[view]).open().page
    field = page.locator(".llm-chat-composer textarea")
    field.fill("Why?")
    field.press("Enter")
    reply = script.next_reply()
    reply.call("manual")
    reply.finish("tool-calls")
    last = script.next_reply()
    last.say("The brakes stop [1] the bicycle, and the saddle is comfortable [2][3].")
    expect(page.locator(".llm-chat-cite")).to_have_count(3)
    assert violations(page) == []
    last.finish()
    expect(page.locator("article[data-role=assistant]")).to_have_attribute("data-status", "complete")
    assert violations(page) == []
    too_wide = "list => list.scrollWidth > list.clientWidth"
    assert not page.locator(".llm-chat-sources").evaluate(too_wide)


def test_paper_has_the_addresses_of_sources(chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.call("manual")
    reply.finish("tool-calls")
    last = script.next_reply()
    last.say("As [1] says.")
    last.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.page.emulate_media(media="print")
    address = "link => getComputedStyle(link, '::after').content"
    assert [link.evaluate(address) for link in listed(chat).all()] == [f'"{source.url}"' for source in PAGES]
    expect(chat.answer.locator(".llm-chat-source-host").first).to_be_hidden()
