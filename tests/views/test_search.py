"""Search on the page."""

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
def test_what_is_found_leads_to_the_conversation_and_shows_where(results, converse):
    converse(uid="c1", answer="It is <b>Rayleigh</b> scattering.")
    converse(uid="c2", title="Grass", answer="Chlorophyll.")
    found, status, page = results("scattering")
    assert (found, status) == (["c1"], "1 conversation found.")
    assert 'href="/chat/c1/"' in page
    assert "It is &lt;b&gt;Rayleigh&lt;/b&gt; <mark>scattering</mark>." in page


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
def test_a02_what_was_stored_with_a_replacement_is_found_by_what_was_written(results, converse):
    converse(answer="Half: \ufffd")
    found, _, page = results("\0")
    assert found == ["c1"]
    assert "<mark>\ufffd</mark>" in page


@pytest.mark.django_db
def test_nothing_found_and_nothing_asked_are_said(results, converse):
    converse()
    assert results("<zebra>")[:2] == ([], "Nothing found for “&lt;zebra&gt;”.")
    assert results("  ")[:2] == ([], "What are you looking for?")


@pytest.mark.django_db
def test_only_the_newest_of_many_are_shown(results, converse, monkeypatch):
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
def test_a_snippet_is_what_stands_around_the_first_hit(text, words, shown):
    assert snippet(text, words).replace(" …", "…") == shown.replace(" …", "…")
