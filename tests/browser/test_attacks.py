"""Texts that try to run or to load something, on the real page: whole, cut anywhere, in every place that shows them."""

import contextlib
import socket
import threading

import msgspec
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import expect

from chat.db.conversations import title_of
from chat.html.markdown.plain import printable
from chat.html.message_chunks import patch_chunk
from chat.models import Conversation
from chat.text import storable
from tests.html.markdown.corpus import ATTACKS
from tests.html.markdown.page import assert_allowed, growth

TRAP = "for (const name of ['alert', 'msgbox', 'print', 'open']) window[name] = () => { window.hasRun = true };"

TITLES = [title for title in dict.fromkeys(map(title_of, map(storable, ATTACKS))) if title]

ELEMENT = """(element) => {
    const ours = element.parentElement?.matches("llm-chat-box") ? ["tabindex", "role", "aria-label"] : [];
    const names = element.getAttributeNames().filter((name) => !ours.includes(name));
    const attributes = Object.fromEntries(names.map((name) => [name, element.getAttribute(name)]));
    return [element.tagName.toLowerCase(), attributes, element.protocol ?? ""];
}"""

IS_TEXTS = """(element) => {
    const bars = [...document.querySelectorAll("[data-template]")].map(({ innerHTML }) => innerHTML);
    const bar = element.closest("[data-bar]");
    return !bar?.parentElement.matches("llm-chat-box") || !bars.includes(bar.outerHTML);
}"""
"""Whether an element is the text's own, not one of a bar, which a box has cloned from its template."""

ANSWERED = f"""() => [...document.querySelectorAll("[data-role=assistant] .llm-chat-block *")]
    .filter({IS_TEXTS}).map({ELEMENT})"""

GROW = """(part, growth) => {
    const blocks = part.querySelector("[data-blocks]");
    const seen = new Map();
    for (const patches of growth) {
        for (const detail of patches) part.dispatchEvent(new CustomEvent("chat:patch", { detail }));
        for (const element of blocks.querySelectorAll("*")) {
            const shape = element.cloneNode().outerHTML;
            if (!seen.has(shape) && (IS_TEXTS)(element)) seen.set(shape, element);
        }
    }
    const again = document.createElement("template");
    again.innerHTML = blocks.innerHTML;
    return { elements: [...seen.values()].map(ELEMENT), html: blocks.innerHTML, again: again.innerHTML };
}""".replace("ELEMENT", ELEMENT).replace("IS_TEXTS", IS_TEXTS)
"""Apply patches one after the other: all elements that ever stood there, and whether a second parser sees the same."""


TELL = """([types, details]) => {
    const chat = document.querySelector("llm-chat");
    for (const detail of details) for (const type of types) chat.dispatchEvent(new CustomEvent(type, { detail }));
}"""


@pytest.fixture
def watched(site, visit, console):
    """Open pages on which nothing may run and from which nothing may be asked, but for the site's own."""
    asked, dialogs, pages = [], [], []

    def watched(**options):
        chat = visit(site.url, **options)
        chat.page.add_init_script(TRAP)
        chat.page.on("request", lambda request: asked.append(request.url))
        chat.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        chat.page.context.on("page", lambda page: dialogs.append(f"a page was opened: {page.url}"))
        pages.append(chat.page)
        return chat

    yield watched
    for page in pages:
        page.wait_for_load_state()
        page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
        assert page.evaluate("window.hasRun") is None
    own = (site.url + "/", site.url.replace("http", "ws") + "/")
    assert [url for url in asked if not url.startswith(own)] == []
    assert (dialogs, console) == ([], [])


def assert_harmless(elements):
    assert_allowed((tag, attributes) for tag, attributes, _ in elements)
    assert {protocol for tag, _, protocol in elements if tag == "a"} <= {"http:", "https:", "mailto:"}


def storable_values(data):
    """What of a chunk or an error the page can get: no half of a surrogate pair reaches it."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in data.items()}


def text_of(shown):
    return "\n".join(line.rstrip() for line in printable(storable(shown)).strip().split("\n"))


@pytest.fixture
def stored(script, watched):
    """The page of a visitor who has a conversation for each twenty attacks: as questions, as answers and as titles."""
    chat = watched().open()
    chat.ask("First")
    script.next_reply().finish()
    chat.idle()
    first = Conversation.objects.get()
    for number, title in enumerate(TITLES):
        conversation = Conversation.objects.create(
            owner=first.owner, uid=f"c{number}", title=title, updated_at=first.updated_at
        )
        for index, text in enumerate(map(storable, ATTACKS[20 * number : 20 * number + 20])):
            question = {"role": "user", "text": text, "parts": [{"type": "text", "text": text}]}
            answer = {**question, "role": "assistant"}
            for name, columns in (("q", question), ("a", answer)):
                conversation.tip = conversation.message_set.create(
                    uid=f"{name}{index}", parent=conversation.tip, **columns
                )
        conversation.save()
    return chat


def test_s09_an_answer_cut_at_any_place_stays_harmless(script, watched):
    chat = watched().open()
    chat.ask("Attack me")
    reply = script.next_reply()
    reply.say("Now")
    reply.finish()
    chat.expect_answer("Now")
    part = chat.page.locator("llm-chat-part").last
    part.evaluate("part => part.replaceWith(part.cloneNode(true))")  # one that has no patch's string of its own
    for text in ATTACKS:
        part.evaluate("""part => part.querySelector("[data-blocks]").replaceChildren()""")
        states = growth(text, range(1, len(text) + 1))
        data = [[msgspec.to_builtins(patch_chunk("m", 0, patch).data) for patch in patches] for patches in states]
        wire = [[*map(storable_values, patches)] for patches in data]
        grown = part.evaluate(GROW, wire)
        assert_harmless(grown["elements"])
        assert grown["again"] == grown["html"]


def test_s09_attacks_are_harmless_as_stored_answers_questions_and_titles(stored):
    page = stored.page
    for number in range(-(-len(ATTACKS) // 20)):
        texts = ATTACKS[20 * number : 20 * number + 20]
        stored.open(f"/chat/c{number}/")
        assert page.title().split() == TITLES[number].split()
        assert_harmless(page.evaluate(ANSWERED))
        questions = stored.questions.locator("[data-blocks]")
        assert list(map(text_of, questions.all_text_contents())) == list(map(text_of, texts))
        assert questions.locator(".llm-chat-block *").count() == 0
    links = page.locator(".llm-chat-conversation-link")
    assert sorted(filter(None, links.all_text_contents())) == sorted([*TITLES, "First"])
    assert links.locator("*").count() == 0


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "[x](javascript:alert(1))"])
def test_s09_a_question_that_attacks_is_text_from_its_sending_to_the_end(script, watched, text):
    chat = watched().open()
    chat.ask(text)
    expect(chat.questions.last).to_contain_text(text)
    reply = script.next_reply()
    reply.think(text)
    reply.say(text)
    reply.finish()
    chat.idle()
    expect(chat.page).to_have_title(text)
    expect(chat.page.locator(".llm-chat-conversation-link")).to_have_text(text)
    for place in (".llm-chat-block", ".llm-chat-conversation-link"):
        assert chat.page.locator(f":is({place}) :is(img, svg, script, a[href^=java])").count() == 0


def test_s09_the_message_of_an_error_is_shown_as_text(watched):
    chat = watched().open()
    errors = [
        {"message": f"m{number}", "text": attack, "status": "unsent", "error": attack}
        for number, attack in enumerate(ATTACKS)
    ]
    chat.page.evaluate(TELL, [["chat:problem", "chat:outgoing", "chat:refused"], [*map(storable_values, errors)]])
    notes = chat.page.locator(".llm-chat-alert, [data-error], .llm-chat-pending [data-blocks]")
    assert notes.count() > len(ATTACKS)
    assert chat.page.locator(":is(.llm-chat-alert, [data-error], .llm-chat-pending .llm-chat-block) *").count() == 0


def test_s09_the_admin_shows_attacks_as_text(stored, site):
    get_user_model().objects.create_superuser("root", password="secret")
    client = Client()
    client.force_login(get_user_model().objects.get())
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    stored.page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": site.url}])
    page = stored.page
    for conversation in Conversation.objects.filter(message__isnull=False).distinct():
        page.goto(f"{site.url}/admin/llm_chat/conversation/{conversation.pk}/change/")
        assert page.locator(".readonly").first.text_content().strip() == conversation.title.strip()
        assert page.locator("article[data-role]").count() == conversation.message_set.count() > 0
        assert (
            page.locator("article[data-role] :is(script, style, iframe, img, form, input:not(:disabled))").count() == 0
        )
    page.goto(f"{site.url}/admin/llm_chat/conversation/?all=")
    assert page.locator(".field-title").count() >= len(TITLES)
    assert page.locator(".field-title a *").count() == 0


LURES = """![a](ADDRESS/image?q=secret) ![b][1] [![c](ADDRESS/linked)](ADDRESS/link) <ADDRESS/auto> ADDRESS/bare

[1]: ADDRESS/reference "title"

<img src="ADDRESS/img" srcset="ADDRESS/srcset 2x"><iframe src="ADDRESS/frame"></iframe><embed src="ADDRESS/embed">
<link rel="preconnect" href="ADDRESS"><link rel="dns-prefetch" href="ADDRESS"><link rel="stylesheet" href="ADDRESS/css">
<video poster="ADDRESS/poster" src="ADDRESS/video"></video><object data="ADDRESS/object"></object>
<meta http-equiv="refresh" content="0;url=ADDRESS/meta"><base href="ADDRESS/"><form action="ADDRESS/form"></form>
<svg><image href="ADDRESS/svg"/><use href="ADDRESS/use#a"/></svg><a href="ADDRESS/a" ping="ADDRESS/ping">a</a>
<style>@import "ADDRESS/import"; p { background: url(ADDRESS/url) }</style><p style="background: url(ADDRESS/p)">

|![d](ADDRESS/cell)|
|---|
|<img src=ADDRESS/td>|

- [ ] ![e](ADDRESS/task) $\\includegraphics{ADDRESS/formula} \\href{ADDRESS/href}{x}$

```html
<img src="ADDRESS/code">
```
"""
"""Everything that a page could load by itself."""


@pytest.fixture
def elsewhere():
    """Provide the address of another server, to which nobody may connect; it is checked at the end."""
    met = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()
                    met.append(True)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert met == []


def test_s10_images_and_links_in_an_answer_make_the_page_ask_for_nothing(script, watched, elsewhere):
    lures = LURES.replace("ADDRESS", elsewhere)
    chat = watched().open()
    chat.ask(lures)
    reply = script.next_reply()
    reply.think(lures)
    for place in range(0, len(lures), 40):
        reply.say(lures[place : place + 40])
    reply.finish()
    chat.idle()
    links = chat.answer.locator(f"a[href^='{elsewhere}']:visible")
    assert links.count() >= 4
    for link in links.all():
        link.hover()
    chat.reload()
    expect(links.first).to_be_visible()
    assert (
        chat.page.locator("article :is(img, svg image, iframe, video, object, embed, link, style, form form)").count()
        == 0
    )
