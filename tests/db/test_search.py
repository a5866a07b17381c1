"""Search over an owner's conversations, on SQLite and on a real PostgreSQL."""

import pytest
from django.utils import timezone

from chat.db.search import LIMIT, MAX_WORDS, search
from chat.models import Conversation
from chat.owners import Owner

pytestmark = pytest.mark.django_db(databases="__all__")
ANN, BOB = Owner("visitor:ann"), Owner("visitor:bob")


@pytest.fixture
def written(database):
    """Store a conversation with messages."""

    def written(uid, *texts, title="", owner=ANN):
        made = Conversation.objects.create(owner=owner.key, uid=uid, title=title, updated_at=timezone.now())
        for number, text in enumerate(texts):
            made.message_set.create(uid=f"m{number}", role="user", text=text)
        return made

    return written


def found(query):
    return [hit.conversation.uid for hit in search(ANN, query).hits]


def test_all_words_must_be_found_in_the_title_or_in_any_message(written):
    written("both", "Rayleigh scattering", "The sky")
    written("titled", "Only scattering", title="A sky")
    written("one", "Scattering of seeds")
    assert found("sky scattering") == ["titled", "both"]
    assert found("SKY") == ["titled", "both"]
    assert found("scattering zebra") == []


def test_the_newest_come_first_and_all_are_counted(written, monkeypatch):
    monkeypatch.setattr("chat.db.search.LIMIT", 2)
    for number in range(3):
        written(f"c{number}", "sky", "sky")
    result = search(ANN, "sky")
    assert [hit.conversation.uid for hit in result.hits] == ["c2", "c1"]
    assert result.count == 3
    assert LIMIT == 50


def test_the_messages_of_other_owners_are_not_found(written):
    written("bobs", "sky", title="sky", owner=BOB)
    assert found("sky") == []


def test_a_hit_has_the_text_of_the_first_message_with_one_of_the_words(written):
    written("c1", "Hello", "The sky is blue", "Blue sky")
    written("c2", "Hello", title="Blue")
    assert [hit.text for hit in search(ANN, "blue").hits] == ["", "The sky is blue"]
    assert [hit.text for hit in search(ANN, "blue hello").hits] == ["Hello", "Hello"]


def test_a_word_is_found_by_its_beginning(written):
    written("c1", "**Scattering**, `code_name`, 3 Äpfel")
    assert found("scat") == found("code") == found("name") == found("Äpfel") == ["c1"]


def test_in_the_middle_of_a_word_postgres_finds_nothing(written, database):
    written("c1", "Scattering")
    assert found("catter") == ([] if database == "postgres" else ["c1"])


@pytest.mark.parametrize("query", ["C++", "x=(1)", "b/c", "100%", "_y", "it's", "a:*", "天", "!&|", "\\", "สวัส"])
def test_a_query_that_is_not_a_word_is_found_literally(written, query):
    written("c1", "C++ x=(1) a/b/c 100% x_y it's a:* 今天空 !&| \\ สสวัสดี")
    written("c2", "nothing")
    assert found(query) == ["c1"]


CASES = [
    ("ärger", "Der Ärger"),
    ("ÄRGER", "der ärger"),
    ("жизнь", "ЖИЗНЬ"),
    ("éclair", "ÉCLAIR"),
]
"""Queries that find a text on every database."""

FOLDED = [
    ("STRASSE", "die straße"),
    ("straße", "DIE STRASSE"),
    ("istanbul", "İSTANBUL"),
    ("İstanbul", "istanbul"),
    ("ISPARTA", "\u0131sparta"),
    ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
    ("a\u0308rger", "Ärger"),
    ("ärger", "A\u0308RGER"),
    ("ﬁnden", "FINDEN"),
    ("ä_b", "Ä_B"),
    ("ä%", "100 Ä%"),
    ("ä\\", "Ä\\"),
]
"""Queries that find a text on SQLite only, because PostgreSQL compares letters one by one."""


@pytest.mark.parametrize("place", ["title", "text"])
@pytest.mark.parametrize(("query", "text"), CASES)
def test_b32_case_is_ignored_in_every_alphabet(written, place, query, text):
    written("c1", text if place == "text" else "", title=text if place == "title" else "")
    written("c2", "Arger, strase, 100 Ae, Ä.b")
    assert found(query) == ["c1"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", ["title", "text"])
@pytest.mark.parametrize(("query", "text"), FOLDED)
def test_b32_sqlite_finds_a_letter_however_it_is_written(written, place, query, text):
    written("c1", text if place == "text" else "", title=text if place == "title" else "")
    written("c2", "Arger, strase, 100 Ae, Ä.b")
    assert found(query) == ["c1"]


def test_b32_different_letters_do_not_match(written):
    written("c1", "Ärger")
    assert found("arger") == found("Äger") == found("ä.ger") == []


@pytest.mark.parametrize("query", ["", "  ", "\0"])
def test_a_query_without_words_finds_nothing(written, query):
    written("c1", "sky")
    assert search(ANN, query).count == 0


def test_a_query_is_cut_at_its_longest(written):
    written("c1", " ".join("abcdefghijklmn"))
    words = search(ANN, " ".join("abcdefghijklmn")).words
    assert len(words) == MAX_WORDS
    assert found("x" * 100_000) == []


def test_a_message_of_a_million_letters_is_searched(written):
    written("c1", "sky " + " ".join(f"{number:x}" for number in range(180_000)))
    assert found("sky") == ["c1"]
