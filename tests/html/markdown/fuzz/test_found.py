"""Texts that once ended a process no longer do, and neither do some random texts."""

from itertools import count, islice
from random import Random
from time import thread_time

import pytest

from chat.html.markdown import render
from tests.html.markdown.fuzz.__main__ import problem_of
from tests.html.markdown.fuzz.constructs import ATOMS, hostile_text
from tests.html.markdown.fuzz.found import FOUND
from tests.html.markdown.fuzz.isolated import outcome
from tests.html.markdown.page import Page, show

MANY = 200
"""Models do not repeat a construct more often than this."""


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_a01_no_text_ends_the_process_that_renders_it(text):
    assert problem_of(text, outcome(text)) == ""


def test_a_process_that_dies_is_noticed(monkeypatch):
    monkeypatch.setattr("chat.html.markdown.guards.MAX_ADDRESSES", 1_000_000)
    assert outcome("a@b.c " * 30_000).died == "exit code -11"


def test_a01_the_first_addresses_of_a_line_are_links_and_the_others_are_text():
    (block,) = render("a@b.c " * 150)
    links = [element for element, _ in Page(block).elements if element == "a"]
    assert len(links) == 100
    assert Page(block).text.count("a@b.c") == 150


@pytest.mark.parametrize("text", ["https://e.x/a<", "(www.e.x<", "见https://e.x/a。"])
def test_a08_addresses_in_a_text_without_spaces_are_links_up_to_a_limit(text):
    assert render(text * 400)[0].count("<a ") == 400
    begun = thread_time()
    assert "".join(render(text * (190_000 // len(text)))).startswith('<p class="llm-chat-plain">')
    assert thread_time() - begun < 1


def test_a01_at_signs_written_as_entities_count_and_are_kept():
    (block,) = render("a&#64;b.c " * 150)
    links = [element for element, _ in Page(block).elements if element == "a"]
    assert len(links) == 100
    assert Page(block).text.split() == ["a@b.c"] * 100 + ["a&#64;b.c"] * 50


def test_a01_addresses_on_many_lines_are_all_links():
    assert render("a@b.c\n" * 150)[0].count("<a ") == 150


@pytest.mark.parametrize(
    "text", ["`{}`", "```\n{}\n```", "$x{}$", "[{}](http://a.b)", "http://a.b/{}", "<{}>", "![{}](/a)"]
)
def test_a01_at_signs_outside_of_addresses_are_kept(text):
    addresses = "@" * 150
    assert "@" * 150 in "".join(show(render(text.format(addresses))).shown.split())


def test_a01_texts_without_a_construct_that_is_repeated_very_often_are_rendered_as_markdown():
    texts = (hostile_text(Random(seed)) for seed in count())
    ordinary = list(islice((text for text in texts if len(text) < 20_000 and not is_repetitive(text)), 100))
    assert sum(outcome(text).plain for text in ordinary) <= 5


def is_repetitive(text):
    constructs = (atom for atom in ATOMS if not atom.isspace() and not atom.strip().isalpha())
    return any(text.count(construct) > MANY for construct in constructs)
