"""The whole way with the real model that the app brings along: a question in Chromium, an answer of SmolLM2's."""

import itertools
import re

import pytest
from playwright.sync_api import expect

from chat.models import Message
from tests.browser.conftest import ANSWER

pytestmark = pytest.mark.model

COLLECT = """selector => {
  window.states = [];
  window.loading = false;
  new MutationObserver(() => {
    window.loading ||= document.querySelector("llm-chat-transcript[loading]") !== null;
    const answer = [...document.querySelectorAll(selector)].at(-1);
    const text = answer?.querySelector("[data-parts]").textContent.trim();
    if (text && answer.dataset.status === "running" && text !== window.states.at(-1)) window.states.push(text);
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


@pytest.fixture
def local(settings):
    """The site's own default: no key, no address, the local model."""
    backend = {"BACKEND": "chat.backends.local.LocalBackend", "OPTIONS": {}}
    settings.CHAT = {"BACKENDS": {"default": backend}, "GRACE_PERIOD": 0.5}


def test_a_real_answer_grows_survives_a_reload_is_stopped_and_is_kept(local, site, visit, console):
    chat = visit(site.url).open()
    chat.page.evaluate(COLLECT, ANSWER)
    chat.ask("Why is the sky blue? Explain in several paragraphs.")
    chat.page.wait_for_function("() => window.states.length >= 5", timeout=60_000)
    states = chat.page.evaluate("window.states")
    assert chat.page.evaluate("window.loading")  # it lasts less than half a second
    assert all(len(before) < len(after) for before, after in itertools.pairwise(states))

    chat.reload()
    expect(chat.answer).to_contain_text(states[0].split("\n")[0])
    expect(chat.answer).to_have_attribute("data-status", re.compile("complete|cut"), timeout=60_000)
    first = Message.objects.get(role="assistant")
    assert first.model == "SmolLM2-135M-Instruct"
    assert len(first.text) > len(states[-1]) / 2

    chat.ask("Now tell me a very long story about the sea.")
    expect(chat.answers).to_have_count(2)
    expect(chat.answer.locator("[data-parts]")).to_have_text(re.compile(r"\w+"))
    chat.stop.click()
    expect(chat.answer).to_have_attribute("data-status", "stopped")
    stopped = chat.answer.locator("[data-parts]").inner_text()

    site.restart()
    chat.reload()
    expect(chat.questions).to_have_count(2)
    expect(chat.answers).to_have_count(2)
    expect(chat.answer).to_have_attribute("data-status", "stopped")
    assert chat.answer.locator("[data-parts]").inner_text() == stopped
    assert [line for line in console if "WebSocket" not in line] == []  # the restart closes the page's socket
