"""What a tool may return as a source, and how it is stored."""

import json
from urllib.parse import urljoin, urlsplit

import pytest
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from chat.assistants import Progress, Source
from chat.assistants.calling import FAILED, Outcome
from chat.assistants.results import CUT, MAX_RESULT, MAX_SOURCES, decoded, encoded
from chat.assistants.sources import MAX_EXCERPT, MAX_TITLE, MAX_URL
from chat.sources import Sources, is_stored, stored
from tests.assistants.test_calling import outcome_of

PAGE = Source("The brake", "/manual/1/", "It stops.")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTP://example.com:8000/a?b=c#d",
        "https://user@example.com/",
        "https://bücher.example/ü",
        "http://[::1]/",
        "/",
        "/manual/1/?page=2#brake",
        lazystr("/lazy/"),
    ],
)
def test_web_addresses_and_paths_of_the_site_are_sources(url):
    assert Source("x", url).url == str(url)


REFUSED = [
    *("", "manual/1/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "http:evil.example"),
    *(
        "http:/evil.example",
        "http:///evil.example",
        "https://",
        "https://@/",
        "https://:80/",
        "http://[::1",
        "#a",
        "?a",
    ),
    *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "mailto:a@b.example", "ftp://b.example", "//"),
    *("https://a.example/ b", "/a\tb", "/\t/evil.example", "/\n/evil.example", " /a", "/a\x00", "/a\x7f", "/a\x85"),
    *("/a\u2028b", "\x01https://a.example", "java\nscript:alert(1)", "https:\\\\evil.example"),
]


@pytest.mark.parametrize("url", REFUSED)
def test_every_other_url_is_refused(url):
    with pytest.raises(ValueError, match="Source expects a URL that begins with"):
        Source("x", url)


@given(st.text(max_size=30) | st.from_regex(r"\A(https?://|/)[^\s]{0,20}\Z"))
def test_what_is_accepted_leads_to_the_web_and_a_path_to_this_site(url):
    try:
        Source("x", url)
    except ValueError:
        return
    target = urlsplit(urljoin("https://this.example/chat/", url))
    assert target.scheme in ("http", "https")
    assert target.hostname == "this.example" if url.startswith("/") else target.hostname


def test_a_url_that_is_too_long_is_refused_and_not_cut():
    Source("x", "/" + "a" * (MAX_URL - 1))
    with pytest.raises(ValueError, match=f"at most {MAX_URL} characters, got {MAX_URL + 1}"):
        Source("x", "/" + "a" * MAX_URL)


@pytest.mark.parametrize("fields", [(None, "/a/"), ("x", None), ("x", "/a/", None), (7, "/a/"), ("x", b"/a/")])
def test_what_is_not_text_is_refused(fields):
    with pytest.raises(TypeError, match="as text, got"):
        Source(*fields)


def test_a_source_cannot_be_changed():
    with pytest.raises(AttributeError):
        PAGE.url = "javascript:alert(1)"


def test_titles_are_one_line_and_long_texts_are_cut():
    found = Source(" a\n  b\t", "/a/", "x" * (MAX_EXCERPT + 1)).stored()
    assert found == stored("a b", "/a/", "x" * (MAX_EXCERPT - 1) + "…")
    assert len(Source("y" * 1_000, "/a/").stored()["title"]) == MAX_TITLE
    assert Source("  ", "/a/").stored() == stored("/a/", "/a/", "")


async def test_lazy_texts_are_in_the_language_of_the_page():
    def work(self):
        """Work."""
        return Source(gettext_lazy("Yes"), "/a/", gettext_lazy("No"))

    async def awork(self):
        """Work."""
        return [Source(gettext_lazy("Yes"), "/a/", gettext_lazy("No"))]

    expected = stored("Ja", "/a/", "Nein")
    assert await outcome_of(work, language="de") == Outcome("done", expected)
    assert await outcome_of(awork, language="de") == Outcome("done", [expected])


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (PAGE, PAGE.stored()),
        ([PAGE], [PAGE.stored()]),
        ((PAGE, PAGE), [PAGE.stored(), PAGE.stored()]),
        ([{"found": 1}, PAGE, "text", None], [{"found": 1}, PAGE.stored(), "text", None]),
    ],
)
async def test_a_tool_returns_a_source_or_a_list_with_sources(result, output):
    def work(self):
        """Work."""
        return result

    async def awork(self):
        """Work."""
        yield Progress("Looking")
        yield result

    assert await outcome_of(work) == await outcome_of(awork) == Outcome("done", output)


@pytest.mark.parametrize("result", [{"pages": [PAGE]}, [[PAGE]], {"page": PAGE}, [{"page": PAGE}], [PAGE, [PAGE]]])
async def test_a_source_elsewhere_is_an_error_that_says_what_was_expected(result, caplog):
    def work(self):
        """Work."""
        return result

    assert await outcome_of(work) == Outcome("failed", error=FAILED)
    assert "expected a Source or a list of them" in caplog.text


@pytest.mark.parametrize("wrap", [lambda found: found, lambda found: [found], lambda found: (1, found)])
async def test_plain_data_cannot_pass_for_a_source(wrap, caplog):
    def work(self):
        """Work."""
        return wrap({"llm_chat": "source", "title": "x", "url": "javascript:alert(1)"})

    assert await outcome_of(work) == Outcome("failed", error=FAILED)
    assert "return a Source" in caplog.text


def test_what_databases_cannot_hold_is_replaced():
    found = decoded(encoded(Source("a\0\ud800", "/\ud800", "b\udfff\0")))
    assert found == stored("a\ufffd\ufffd", "/\ufffd", "b\ufffd\ufffd")


def test_a_list_that_is_too_long_keeps_whole_sources():
    many = [Source("t" * MAX_TITLE, f"/{number}/", "e" * MAX_EXCERPT) for number in range(MAX_SOURCES)]
    text = encoded(many)
    found = decoded(text)
    assert MAX_RESULT - 3_000 < len(text) <= MAX_RESULT
    assert found[-1] == CUT
    assert found[:-1] == [source.stored() for source in many[: len(found) - 1]]


def test_a_result_has_only_so_many_sources():
    found = decoded(encoded([Source("x", f"/{number}/") for number in range(MAX_SOURCES + 5)]))
    assert [is_stored(item) for item in found] == [True] * MAX_SOURCES + [False]
    assert found[-1] == CUT
    assert len(decoded(encoded([Source("x", f"/{number}/") for number in range(MAX_SOURCES)]))) == MAX_SOURCES


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_plain_data_is_stored_as_before_and_has_no_sources(result):
    output = decoded(encoded(result))
    assert Sources().add(output) == ()
    assert json.loads(json.dumps(output)) == output
