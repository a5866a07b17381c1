"""Searching on the page."""

import re

import pytest

from chat.owners import Owner
from chat.views.search import snippet

BOB = Owner("visitor:bob")


@pytest.fixture
def results(ann):
    def results(query):
        page = ann.get("/chat/", {"q": query, "fragment": ""}).content.decode()
        status = re.search(r'role="status">(.*?)</p>', page, re.S)[1]
        return re.findall(r'data-result="(\w+)"', page), " ".join(status.split()), page

    return results


@pytest.mark.django_db
def test_a_result_links_to_its_conversation_and_shows_the_snippet(results, converse):
    converse(uid="c1", answer="It is <b>Rayleigh</b> scattering.")
    converse(uid="c2", title="Grass", answer="Chlorophyll.")
    found, status, page = results("scattering")
    assert (found, status) == (["c1"], "1 conversation found.")
    assert 'href="/chat/c1/?hit=a-c1#llm-chat-hit"' in page
    assert 'href="/chat/c1/options/"' in page
    assert "<time" in page
    assert "It is &lt;b&gt;Rayleigh&lt;/b&gt; <mark>scattering</mark>." in page


@pytest.mark.django_db
def test_a_word_of_the_title_is_marked_there_and_not_repeated_below(results, converse):
    converse(title="Why is the sky blue?", question="Why is the sky blue?", answer="It is.")
    page = results("blue")[2]
    assert "Why is the sky <mark>blue</mark>?</a>" in page
    assert page.count("<mark>") == 1
    assert "llm-chat-snippet" not in page


@pytest.mark.django_db
def test_a_snippet_shows_what_follows_the_title(results, converse):
    converse(title="A long first line that was c…", question="A long first line that was cut. Needle!", answer="It is.")
    page = results("needle")[2]
    assert ">ut. <mark>Needle</mark>!</p>" in page


@pytest.mark.django_db
def test_the_message_that_was_found_is_marked_on_the_page(ann, converse):
    converse()
    assert ann.get("/chat/c1/?hit=a-c1").content.decode().count('id="llm-chat-hit"') == 1
    assert 'id="llm-chat-hit"' not in ann.get("/chat/c1/?hit=").content.decode()


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("Viel Ärger hier", "ärger", "Viel <mark>Ärger</mark> hier"),
        ("Die Straße dort", "STRASSE", "Die <mark>Straße</mark> dort"),
        ("Die Straße", "strass", "Die <mark>Straß</mark>e"),
        ("A\u0308rger", "ärger", "<mark>A\u0308rger</mark>"),
        ("İstanbul", "istanbul", "<mark>İstanbul</mark>"),
        ("ßß", "s", "<mark>ß</mark><mark></mark><mark>ß</mark><mark></mark>"),
        ("\u0308 <b>", "<B>", "\u0308 <mark>&lt;b&gt;</mark>"),
    ],
)
def test_b32_a_word_is_marked_as_the_text_has_it(text, word, shown):
    assert snippet(text, [word]).replace("<mark></mark>", "") == shown.replace("<mark></mark>", "")


@pytest.mark.parametrize("before", ["x" * 5_000, "ß" * 5_000, "a\u0308" * 5_000])
def test_b32_a_snippet_begins_near_its_word_however_long_the_text_is(before):
    shown = snippet(f"{before} Needle {before}", ["needle"])
    assert "<mark>Needle</mark>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")


@pytest.mark.django_db
def test_a02_a_replaced_character_is_found_by_the_original_one(results, converse):
    converse(answer="Half: \ufffd")
    found, _, page = results("\0")
    assert found == ["c1"]
    assert "<mark>\ufffd</mark>" in page


@pytest.mark.django_db
def test_an_empty_result_and_an_empty_query_have_a_sentence(results, converse):
    converse()
    assert results("<zebra>")[:2] == ([], "Nothing found for “&lt;zebra&gt;”.")
    assert results("  ")[:2] == ([], "What are you looking for?")


@pytest.mark.django_db
def test_only_the_newest_of_many_results_are_shown(results, converse, monkeypatch):
    monkeypatch.setattr("chat.db.search.LIMIT", 2)
    for number in range(3):
        converse(uid=f"c{number}")
    assert results("sky")[:2] == (["c2", "c1"], "3 conversations found. Showing the newest 2.")


@pytest.mark.django_db
def test_the_search_page_keeps_the_query_in_its_field(ann):
    page = ann.get("/chat/", {"q": '"><script>'}).content.decode()
    assert 'value="&quot;&gt;&lt;script&gt;"' in page
    assert "<title>Search</title>" in page
    assert '"><script>' not in page


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("a <i>Blue</i> b", ["blue", "b"], "a &lt;i&gt;<mark>Blue</mark>&lt;/i&gt; <mark>b</mark>"),
        ("x " * 100 + "hit" + " y" * 100, ["hit"], "…" + "x " * 30 + "<mark>hit</mark>" + " y" * 68 + "…"),
        ("a\n\n  b", ["b"], "a <mark>b</mark>"),
        ("1 + (1)", ["(1)"], "1 + <mark>(1)</mark>"),
        ("Only the title has it", ["zebra"], "Only the title has it"),
        ("", ["zebra"], ""),
        ("&lt; &", ["lt"], "&amp;<mark>lt</mark>; &amp;"),
    ],
)
def test_a_snippet_is_the_text_around_the_first_hit(text, words, shown):
    assert snippet(text, words).replace(" …", "…") == shown.replace(" …", "…")
