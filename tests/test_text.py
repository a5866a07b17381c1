"""Texts without the characters that JSON or a database cannot hold."""

import json
from time import thread_time
from unicodedata import normalize

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat.text import folded, storable, storable_json

any_text = st.text(st.characters(exclude_categories=())) | st.text('\ud83d\ude00\\"u\0xé')
"""Any text, including NUL characters and lone surrogates."""


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("x\ud83d", "x\ufffd"),
        ("\ude00y", "\ufffdy"),
        ("x\ud83d\ude00y", "x😀y"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("a\0b", "a\ufffdb"),
        ("é😀\ufeff", "é😀\ufeff"),
    ],
)
def test_a02_characters_that_cannot_be_stored_are_replaced_and_halves_that_meet_are_joined(text, stored):
    assert storable(text) == stored


@given(any_text)
def test_a_storable_text_is_accepted_by_utf_8_and_postgres(text):
    stored = storable(text)
    assert "\0" not in stored
    stored.encode()
    assert storable(stored) == stored


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\uD83D!", "\ufffd!"),
        (r"\uDe00", "\ufffd"),
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00\ude00", "😀\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\\ud83d\ude00", "\\ud83d\ufffd"),
        (r"\ud83d\\ude00", "\ufffd\\ude00"),
        (r"\ud83d\n\ude00", "\ufffd\n\ufffd"),
        ("\ud83d\\ude00", "\ufffd\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_a02_halves_in_a_json_text_are_replaced_however_they_are_written(escaped, text):
    assert msgspec.json.decode(storable_json(f'"{escaped}"')) == text


values = st.recursive(st.none() | any_text, lambda inner: st.lists(inner) | st.dictionaries(any_text, inner))


@given(values, st.booleans())
@example(["\\\ud83d", {"\\\\\ude00": "\ud83d\ude00"}], True)
def test_a_json_text_keeps_its_value_except_for_lone_surrogates(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert msgspec.json.decode(storable_json(text)) == whole(value)


def whole(value):
    """Replace the lone surrogates in a value, but not NUL characters, which JSON allows as escapes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {whole(key): whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list) else value


def test_b32_thousands_of_accents_are_compared_in_linear_time():
    begun = thread_time()
    folded("a" + "\u0323\u0307" * 50_000)
    assert thread_time() - begun < 1


@pytest.mark.parametrize("text", ["E\u0301" * 100, "q\u0307\u0323" * 100, "\u2728\u2796" * 100])
def test_b32_ordinary_accents_and_rows_of_symbols_are_compared_as_they_are(text):
    assert folded(text) == normalize("NFC", text).casefold()
