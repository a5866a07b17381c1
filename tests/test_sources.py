"""The stored form of sources, and their numbers in an answer."""

import json

from hypothesis import given
from hypothesis import strategies as st

from chat.sources import (
    MAX_NUMBER,
    AnswerSource,
    Sources,
    source_chunk,
    source_of,
    stored,
    with_numbers,
    without_marks,
)
from chat.streams.redis.entries import add, read

ONE = stored("One", "https://www.one.example/a", "First.")
TWO = stored("Two", "/two/", "")


def test_sources_are_numbered_in_their_order_and_a_url_once():
    sources = Sources()
    assert sources.add([ONE, "text", TWO, ONE]) == (
        AnswerSource(1, "One", "https://www.one.example/a", "First."),
        AnswerSource(2, "Two", "/two/"),
    )
    assert sources.add({**TWO, "title": "Another"}) == ()
    assert sources.add(stored("Three", "/three/", "")) == (AnswerSource(3, "Three", "/three/"),)
    assert [source.number for source in sources.found] == [1, 2, 3]
    assert sources.numbers == {"https://www.one.example/a": 1, "/two/": 2, "/three/": 3}


def test_what_is_no_source_has_no_number():
    sources = Sources()
    for output in (None, 7, "text", [], [None, ["x"]], {"url": "/a/"}, [{"title": "x", "url": "/a/"}], {"x": [ONE]}):
        assert sources.add(output) == ()
        assert without_marks(output) == with_numbers(output, {"/a/": 1}) == output


def test_an_answer_has_only_so_many_sources():
    sources = Sources()
    assert len(sources.add([stored(str(n), f"/{n}/", "") for n in range(MAX_NUMBER + 1)])) == MAX_NUMBER
    late = stored("late", f"/{MAX_NUMBER}/", "")
    assert with_numbers(late, sources.numbers) == {"title": "late", "url": f"/{MAX_NUMBER}/"}


def test_clients_read_sources_without_numbers_and_models_with_them():
    output = [ONE, {"more": 2}, TWO]
    assert without_marks(output) == [
        {"title": "One", "url": "https://www.one.example/a", "excerpt": "First."},
        {"more": 2},
        {"title": "Two", "url": "/two/"},
    ]
    assert with_numbers(output, {"https://www.one.example/a": 4, "/two/": 2}) == [
        {"source": 4, "title": "One", "url": "https://www.one.example/a", "excerpt": "First."},
        {"more": 2},
        {"source": 2, "title": "Two", "url": "/two/"},
    ]
    assert with_numbers(TWO, {"/two/": 2}) == {"source": 2, "title": "Two", "url": "/two/"}


def test_a_page_of_the_site_has_no_host_and_www_is_left_out():
    assert AnswerSource(1, "One", "https://www.One.example:8000/a").host == "one.example"
    assert AnswerSource(1, "Two", "/two/").host == ""


sources = st.builds(AnswerSource, st.integers(1, MAX_NUMBER), st.text(), st.text(), st.text())


@given(sources)
def test_a_source_survives_its_chunk_and_the_stream_in_redis(source):
    chunk = source_chunk(source)
    *_, field, value = add("key", 0, chunk)
    found = read([(b"0-1", {field: value})])
    assert [source_of(chunk) for chunk in found.chunks] == [source]


def test_the_chunk_is_that_of_the_ai_sdk():
    *_, value = add("key", 0, source_chunk(AnswerSource(2, "Two", "/two/")))
    assert json.loads(value) == {"type": "source-url", "sourceId": "2", "url": "/two/", "title": "Two"}
    *_, value = add("key", 0, source_chunk(AnswerSource(1, "One", "/one/", "First.")))
    assert json.loads(value)["providerMetadata"] == {"llm_chat": {"excerpt": "First."}}
