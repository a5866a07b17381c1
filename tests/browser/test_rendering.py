"""Awkward Markdown on the real page: the same live as after a reload, and every character of it in sight."""

import os
import random
from collections import Counter
from html import unescape
from itertools import zip_longest
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from chat.text import storable
from tests.html.markdown.answers import CORPUS
from tests.html.markdown.page import needed

PAGES = 7
"""Tabs that are asked side by side; each shows fewer answers than a page shows at first."""

COUNT_PATCHES = "patches = 0; addEventListener('chat:patch', () => { patches += 1 }, true)"
BLOCKS = "articles => articles.map(article => article.querySelector('[data-blocks]')?.innerHTML ?? '')"

SEEN = """articles => {
    const paper = (element) => {
        const { backgroundColor } = getComputedStyle(element);
        return backgroundColor === "rgba(0, 0, 0, 0)" ? paper(element.parentElement) : backgroundColor;
    };
    const isSeen = (text) => {
        const range = document.createRange();
        range.selectNodeContents(text);
        const { color, fontSize } = getComputedStyle(text.parentElement);
        return text.parentElement.checkVisibility({ opacityProperty: true, visibilityProperty: true })
            && color !== paper(text.parentElement) && parseFloat(fontSize) > 6
            && [...range.getClientRects()].some(({ width, height, right }) => width && height && right > 0);
    };
    return articles.map((article) => {
        const blocks = article.querySelector("[data-blocks]");
        if (!blocks) return "";
        const seen = [];
        const texts = document.createTreeWalker(blocks, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) if (isSeen(texts.currentNode)) seen.push(texts.currentNode.data);
        for (const link of blocks.querySelectorAll("a")) seen.push(link.getAttribute("href"), link.title);
        for (const math of blocks.querySelectorAll("math")) seen.push(math.getAttribute("alttext"));
        for (const box of blocks.querySelectorAll("llm-chat-box")) seen.push(getComputedStyle(box, "::before").content);
        return seen.join(" ");
    });
}"""
"""What of an answer a reader sees: text that has a place and a colour, and what links, formulas and fences tell."""


def pieces_of(text, chance):
    """``text`` cut at random places, a few pieces or many."""
    count = chance.randint(1, 12)
    places = sorted(chance.randrange(len(text) + 1) for _ in range(count))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def answer(chats, script, texts, number, chance):
    """Each of the texts comes as the answer number ``number`` of its tab, a piece in each frame of the one in front."""
    front = chats[-1].page
    chats = chats[: len(texts)]
    replies = []
    for chat in chats:
        chat.ask(f"Question {number}")
        replies.append(script.next_reply())
    for row in zip_longest(*(pieces_of(text, chance) for text in texts), fillvalue=""):
        for reply, piece in zip(replies, row, strict=True):
            if piece:
                reply.say(piece)
        front.evaluate("() => new Promise(requestAnimationFrame)")
    for chat, reply in zip(chats, replies, strict=True):
        reply.finish()
        expect(chat.answers.nth(number)).to_have_attribute("data-status", "complete")
        chat.idle()


def missing(text, seen):
    """The characters of ``text`` that are not ``seen``, with the text; nothing where they all are."""
    lost = needed(storable(text)) - (Counter(unquote(seen)) | Counter(unescape(unquote(seen))))
    return (text, lost) if lost else None


@pytest.mark.parametrize("seed", [int(os.environ.get("SEED", random.randrange(1_000_000)))])  # the test's name tells it
def test_answers_look_the_same_live_and_reloaded_and_nothing_of_them_is_lost(script, site, visit, console, seed):
    chance = random.Random(seed)
    assert len(set(CORPUS)) >= 120
    chats = [visit(site.url) for _ in range(PAGES)]
    for chat in chats:
        chat.page.add_init_script(COUNT_PATCHES)
        chat.open()
    rows = [CORPUS[start : start + PAGES] for start in range(0, len(CORPUS), PAGES)]
    assert len(rows) <= 25
    for number, texts in enumerate(rows):
        answer(chats, script, texts, number, chance)
    assert sum(chat.page.evaluate("patches") for chat in chats) > 3 * len(CORPUS)
    for index, chat in enumerate(chats):
        texts = CORPUS[index::PAGES]
        live = chat.answers.evaluate_all(BLOCKS)
        chat.reload()
        assert chat.answers.evaluate_all(BLOCKS) == live
        seen = chat.answers.evaluate_all(SEEN)
        assert [lost for pair in zip(texts, seen, strict=True) if (lost := missing(*pair))] == []
    assert console == []
