"""Citations in a text: links to the sources of its answer, the same live and stored, and footnotes of an export."""

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import diff, extended, highlight, notes, render, render_live, with_footnotes
from chat.html.markdown.limits import MAX_CITATIONS
from chat.sources import AnswerSource

from .answers import ANSWERS
from .corpus import AWKWARD
from .page import Reader
from .test_blocks import PIECES
from .test_growth import FRAGMENTS, WORDS

SOURCES = (AnswerSource(1, "One", "https://one.example/?a=1&b=2"), AnswerSource(2, 'Two "<b>', "/two/"))
ONE = '<a class="llm-chat-cite" href="https://one.example/?a=1&amp;b=2" title="One" target="_blank" rel="noreferrer">'
TWO = '<a class="llm-chat-cite" href="/two/" title="Two &quot;&lt;b&gt;" target="_blank" rel="noreferrer">'

CITED = [
    ("As said [2].", 1),
    ("[1][2]", 2),
    ("[2][3]", 1),
    ("[1] [2]\n[1]", 3),
    ("word[2]word", 1),
    ("[[2]]", 1),
    ("[2][]", 1),
    ("[][2]", 1),
    ("\\[2]", 1),
    ("\\\\[2]", 1),
    ("**[2]** *a [1]*", 2),
    ("# Title [2]", 1),
    ("> quoted [1]", 1),
    ("- one [1]\n- [ ] two [2]\n- [2] three", 3),
    ("| a [1] | b |\n|---|---|\n| c | d [2] |", 2),
    ("<b>[2]</b>", 1),
    ("costs $5 [1] and $6", 1),
    ("`a [2]", 1),
    ("```a``` [2]\n\n[1]", 2),
    ("```\n[2]\n```\n[1]", 1),
    ("`a\n\nb` [2]", 1),
    ("see [2]: there", 1),
    ("[2]: http://evil.example\n\nsee [2]", 2),
    ("[ 2 ]: http://evil.example\n\nsee [2]", 1),
    ("[1]: /path\n\n[1]", 2),
]
NOT_CITED = [
    *("[0]", "[02]", "[3]", "[2000]", "[-1]", "[1, 2]", "[1-2]", "[^2]", "[a]", "[ 2 ]", "2", "[2", "(2)"),
    *("[2](x)", "[2](http://x.example)", "[2](/x)", "[see [2]](http://x.example)", "![2](http://x.example/i.png)"),
    *("- ```\n  " + "x " * 400 + "[2]\n  ```", "1. ~~~\n   [2]\n   ~~~", "> - ```\n>   [2]"),
    *("`[2]`", "`` a`[2] ``", "```\n[2]\n```", "~~~py\n[2]", "> ```\n> [2]\n> ```", "- ```\n  x[2]\n  ```"),
    *("$[2]$", "$$[2]$$", "\\([2]\\)", "\\[2\\]", "\\[\nx[2]\n\\]"),
    *("http://x.example/[2]", "<http://x.example/[2]>", "[x]: http://x.example/[2]", "www.x.example/[2]"),
    *("[x][a]\n\n[a]: http://x.example/[2]", "&#91;2&#93;"[:5]),
]


def links(blocks):
    return "".join(blocks).count('class="llm-chat-cite"')


def references(text):
    return len(re.findall(r"\[\^[0-9]+\]", text))


def test_a_citation_is_a_link_to_its_source_that_is_named_by_its_title():
    assert render("As [1] and [2] say.", SOURCES) == (f"<p>As {ONE}[1]</a> and {TWO}[2]</a> say.</p>",)


@pytest.mark.parametrize(("text", "count"), CITED)
def test_citations_are_links_on_the_page_and_references_in_the_export(text, count):
    assert links(render(text, SOURCES)) == count
    assert references(with_footnotes(text, 2)) == count


@pytest.mark.parametrize("text", NOT_CITED)
def test_what_is_no_citation_stays_as_it_is(text):
    assert render(text, SOURCES) == render(text)
    assert with_footnotes(text, 2) == text


@pytest.mark.parametrize("text", [text for text, _ in CITED])
def test_without_sources_nothing_is_cited(text):
    assert links(render(text)) == 0
    assert with_footnotes(text, 0) == text


def test_a_number_leads_to_its_source_even_if_the_text_defines_it():
    text = "See [2] and [a][2].\n\n[2]: http://evil.example\n[b]: http://b.example\n\n[b]"
    html = "".join(render(text, SOURCES))
    assert html.count('href="http://evil.example"') == 1  # the address that the definition shows
    assert html.count(TWO) == 3
    assert '<a href="http://b.example" target="_blank" rel="noreferrer">b</a>' in html
    assert 'href="http://evil.example"' in render(text)[0]


def test_a_source_whose_address_the_sanitiser_refuses_is_no_link():
    unsafe = (AnswerSource(1, "x", "javascript:alert(1)"),)
    assert render("[1]", unsafe) == ("<p>[1]</p>",)


def test_titles_bring_no_markup():
    attack = (AnswerSource(1, '"><script>alert(1)</script><a title="', "/a/"),)
    (block,) = render("[1]", attack)
    assert "<script" not in block
    assert block.count("<a ") == 1


def test_the_cache_keeps_the_answers_apart():
    other = (AnswerSource(1, "Other", "/other/"),)
    text = "A [1] b.\n\nEnd."
    found = [render(text, sources)[0] for sources in (SOURCES, other, (), SOURCES, other, ())]
    assert found[:3] == found[3:]
    assert len(set(found)) == 3


def test_a_text_with_too_many_citations_has_none():
    assert links(render("[1] " * MAX_CITATIONS, SOURCES)) == MAX_CITATIONS
    assert links(render("[1] " * (MAX_CITATIONS + 1), SOURCES)) == 0
    assert links(render("[1]" + " `[x]`" * MAX_CITATIONS, SOURCES)) == 1


texts = st.lists(
    st.sampled_from([*PIECES, *(text for text, _ in CITED), *NOT_CITED, "[1]", "[2]", "[", "]", "2", " "]), max_size=8
).map("".join)


@given(texts)
def test_links_are_all_that_sources_change(text):
    html = "".join(render(text, SOURCES))
    plain = re.sub(r'<a class="llm-chat-cite"[^>]*>(\[[12]\])</a>', r"\1", html)
    if not re.search(r"\[\s*[12]\s*\]:", text):  # a definition makes other links without sources
        assert plain == "".join(render(text))
    for skipped in re.findall(r"<(code|math|a (?!class))\b(.*?)</", html, re.DOTALL):
        assert "llm-chat-cite" not in skipped[1]


@given(texts, st.lists(st.integers(1, 9), min_size=1))
def test_a_growing_text_ends_as_the_stored_one(text, sizes):
    reader, old, known, end = Reader(), (), 0, 0
    while end < len(text):
        end += sizes[end % len(sizes)]
        for wanted in render_live(text[:end], SOURCES).missing:
            highlight(*wanted)
        if new := render_live(text[:end], SOURCES).blocks:
            patches, known = diff(old, new, known)
            reader.apply(patches)
            old = new
    assert tuple(reader.blocks) == old == render(text, SOURCES)


def differs(text, more):
    """Return what is added and what a rendering gives, where these are not the same."""
    blocks = render_live(text, SOURCES).blocks
    last = extended(blocks[-1], text, more) if blocks else None
    if last is None:
        return None
    added, whole = (*blocks[:-1], last), render_live(text + more, SOURCES).blocks
    return None if added == whole else (text, more, added[-1], whole[-1])


@given(st.lists(st.sampled_from([*FRAGMENTS, "[1]", "[2]", "[1]: "]), min_size=1, max_size=12), st.sampled_from(WORDS))
def test_words_behind_citations_look_as_in_the_whole(fragments, more):
    text = "".join(fragments)
    assert not differs(text, more)
    assert not differs(f"{text} word", more)


@pytest.mark.parametrize("number", range(3))
def test_answers_with_citations_are_cited_alike_on_the_page_and_in_the_export(number):
    choose = random.Random(number)
    for document in (*AWKWARD, *ANSWERS):
        words = re.split(r"(?<=[a-z]) (?=[a-z])", document)
        cited = " [1] ".join(words[: choose.randrange(1, 40)])
        html = "".join(render(cited, SOURCES))
        if "llm-chat-code" not in html and "](" not in cited:
            assert links([html]) == references(with_footnotes(cited, 2)) - references(cited), cited


def test_footnotes_are_numbered_after_those_of_the_file_and_a_reference_is_no_definition():
    assert with_footnotes("a [2]\n[1]: b", 2, before=3) == "a [^5]\n[^4]\\: b"
    assert notes(SOURCES, before=3) == '[^4]: [One](<https://one.example/?a=1&b=2>)\n[^5]: [Two "\\<b\\>](</two/>)'


def test_a_title_in_a_footnote_is_text():
    source = AnswerSource(1, "(javascript:alert(1)) `a` *b* <i> $c$ | #d \\e", "/a/")
    (block,) = render(notes([source]).removeprefix("[^1]: "))
    assert block.startswith('<p><a href="/a/"')
    assert ">(javascript:alert(1)) `a` *b* &lt;i&gt; $c$ | #d \\e</a></p>" in block
    assert notes([AnswerSource(1, "x", "/a>b<c")]) == "[^1]: [x](</a%3Eb%3Cc>)"
    assert notes([AnswerSource(1, "[a](/b/)", "/c/")]) == "[^1]: [\\[a\\](/b/)](</c/>)"


@pytest.mark.parametrize("hostile", ["\\(", "`a``b", "[a", "[", "[x[a]", "\\[ ", "$a ", "<a", "[a](", "```\n", "> "])
def test_delimiters_that_are_never_closed_do_not_take_long(hostile):
    began = time.process_time()
    with_footnotes(hostile * (20_000 // len(hostile)), 2)
    assert time.process_time() - began < 2
