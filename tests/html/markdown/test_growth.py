"""Words that are added to the HTML of a growing text, compared with a rendering of the whole text."""

# ruff: noqa: RUF001

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import extended, render_live
from tests.html.markdown.answers import ANSWERS
from tests.html.markdown.corpus import AWKWARD

WORDS = [
    " word",
    "a",
    " a. B",
    "1",
    ".",
    " 1.",
    " :x",
    "-",
    " - y",
    "!",
    " ",
    "www",
    " 5% z",
    "é",
    " 中文",
    ", b",
    " \t",
]
FRAGMENTS = [
    *("word", "a", "foo bar", " ", "  ", "\n", "\n\n", "- ", "* ", "1. ", "12345678901 ", "# ", "> ", "`", "```"),
    *(
        "```py\n",
        "~~~\n",
        "*",
        "**",
        "_",
        "~~",
        "~",
        "[",
        "](",
        "]: ",
        "[a]",
        "(http://x.y",
        "https://x.y/z",
        "www.a.b",
    ),
    *(
        "a@b.c",
        "|",
        "| a | b |\n|---|---|\n",
        "<b>",
        "<!-- ",
        "-->",
        "&amp",
        "&",
        "$",
        "\\(",
        "\\[",
        "\\",
        "!",
        "![",
        ")",
    ),
    *(
        "'",
        '"',
        "    ",
        "\t",
        "---",
        "===",
        "é",
        "中文",
        "，",
        "عربي",
        "1",
        "99.",
        "- [ ] ",
        "<div>",
        "</p>",
        ":",
        "http:",
    ),
    *("//", "www", "- - ", "\\)", "<pre>", "`code` ", "**b** ", "\r", "\x00"),
]


def differs(text, more):
    """Return what is added and what a rendering gives, where these are not the same."""
    blocks = render_live(text).blocks
    last = extended(blocks[-1], text, more) if blocks else None
    if last is None:
        return None
    added, whole = (*blocks[:-1], last), render_live(text + more).blocks
    return None if added == whole else (text, more, added[-1], whole[-1])


@pytest.mark.parametrize("number", range(4))
def test_words_behind_any_beginning_of_an_answer_look_as_in_the_whole(number):
    choose = random.Random(number)
    for document in (*AWKWARD, *ANSWERS):
        for end in range(choose.randrange(1, 20), len(document) + 1, 20):
            assert not differs(document[:end], choose.choice(WORDS))
            assert not differs(document[:end] + " word", choose.choice(WORDS))


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12), st.sampled_from(WORDS))
def test_words_behind_fragments_of_markdown_look_as_in_the_whole(fragments, more):
    text = "".join(fragments)
    assert not differs(text, more)
    assert not differs(f"{text} word", more)


@pytest.mark.parametrize(
    ("text", "more", "last"),
    [
        ("Some", " words", "<p>Some words</p>"),
        ("Some ", "words", "<p>Some words</p>"),
        ("- one\n- two", " more", "<ul>\n<li>one</li>\n<li>two more</li>\n</ul>"),
        ("## A **bold** title", " of", '<h3 data-level="2">A <strong>bold</strong> title of</h3>'),
        ("```py\nx and", " y", "and y</code></pre></llm-chat-box>"),
        ("a 1234567890123 ", "1234567890124 ", "<p>a 1234567890123 1234567890124</p>"),
    ],
)
def test_words_in_the_middle_of_a_line_are_added(text, more, last):
    added = extended(render_live(text).blocks[-1], text, more)
    assert added.endswith(last)
    assert not differs(text, more)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("1", "."),
        ("- 1", "."),
        ("word", "\nline"),
        ("word", " **b**"),
        ("see www", ".example.com"),
        ("see ww", "w.example.com"),
        ("a [link](http://a.b", " word"),
        ("costs $5 and", " six"),
        ("| a | b |\n|---|---|\n| one", " two"),
        ("**bold**", " word"),
        ("word\n", "word"),
        ("", "word"),
        ("x" * 300, "y"),
    ],
)
def test_where_markdown_may_give_them_a_meaning_nothing_is_added(text, more):
    blocks = render_live(text).blocks or ("",)
    assert extended(blocks[-1], text, more) is None
