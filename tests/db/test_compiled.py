"""Statements that are compiled once, on SQLite and on a real PostgreSQL."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connections
from django.utils import timezone

from chat.db.compiled import Insert, Statement, UnsupportedError, columns, select, together, update
from chat.models import Conversation, Message

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def conversation(uid="c1", **fields):
    fields = {"owner": "visitor:ann", "title": "Sky", "created_at": NOW, "updated_at": NOW, **fields}
    return Conversation(uid=uid, **fields)


def insert(**options):
    return Insert(Conversation, returning=Conversation._meta.concrete_fields, **options)


def test_a_row_is_inserted_and_comes_back_as_the_orm_reads_it(database):
    row = insert().insert(database, conversation(deleted_at=NOW, unread=True))
    stored = Conversation.objects.get()
    for field in Conversation._meta.concrete_fields:
        assert getattr(row, field.attname) == getattr(stored, field.attname), field.name
    assert (row.pk, row._state.adding, row._state.db) == (stored.pk, False, database)


def test_hostile_values_are_parameters(database):
    hostile = "%s'; DROP TABLE llm_chat_conversation; -- \" %(x)s ?"
    insert().insert(database, conversation(title=hostile))
    assert Conversation.objects.get().title == hostile


def test_json_is_stored_as_the_orm_stores_it(database):
    made = insert().insert(database, conversation())
    parts = [{"type": "text", "text": "é ' % %s"}]
    fields = {"conversation": made, "uid": "m1", "role": "user", "parts": parts, "text": "é", "created_at": NOW}
    row = Insert(Message, returning=[Message._meta.pk]).insert(database, Message(**fields))
    assert Message.objects.get(pk=row.pk).parts == parts
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT usage FROM llm_chat_message WHERE uid = 'm1'")
        (by_hand,) = cursor.fetchone()
        Message(**{**fields, "uid": "m2"}).save()
        cursor.execute("SELECT usage FROM llm_chat_message WHERE uid = 'm2'")
        assert cursor.fetchone() == (by_hand,)


def test_a_row_that_is_there_is_written_only_where_that_is_wanted(database):
    upsert = insert(unique=columns(Conversation, "owner", "uid"), updated=columns(Conversation, "updated_at"))
    first = upsert.insert(database, conversation(title="First"))
    later = timezone.now()
    second = upsert.insert(database, conversation(title="Second", updated_at=later))
    assert (second.pk, second.title, second.updated_at, second.created_at) == (first.pk, "First", later, NOW)
    assert Conversation.objects.count() == 1
    with pytest.raises(IntegrityError):
        insert().insert(database, conversation())


def test_an_update_and_a_select_tell_how_many_rows_there_were(database):
    made = insert().insert(database, conversation())
    rename = update(Conversation, columns(Conversation, "title", "tip"), where=columns(Conversation, "id", "uid"))
    assert rename.run(database, "New", None, made.pk, "c1") == (1, [])
    assert rename.run(database, "Other", None, made.pk, "another")[0] == 0
    titles = select(lambda: Conversation.objects.filter(uid="1").values_list("title"), columns(Conversation, "uid"))
    assert titles.run(database, "c1")[1] == [("New",)]
    assert titles.run(database, "nothing")[1] == []


def test_a_statement_is_compiled_once_for_each_database(database):
    calls = []

    def compiled(name):
        calls.append(name)
        return "SELECT %s", ["x"]

    statement = Statement(columns(Conversation, "uid"), compiled)
    assert [statement.run(database, uid)[1] for uid in ("a", "b")] == [[("a",)], [("b",)]]
    assert calls == [database]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_two_updates_are_one_statement_on_postgresql(database):
    made = insert().insert(database, conversation())
    title = update(Conversation, columns(Conversation, "title"), where=columns(Conversation, "id"))
    other = insert().insert(database, conversation("c2"))
    pair = together(title, title)
    assert pair.run(database, "One", made.pk, "Two", other.pk)[1] == [(1,)]
    assert set(Conversation.objects.values_list("title", flat=True)) == {"One", "Two"}
    assert pair.run(database, "Three", 0, "Three", other.pk)[1] == [(0,)]


def test_sql_whose_parameters_do_not_fit_its_fields_is_refused():
    statement = Statement(columns(Conversation, "uid"), lambda database: ("SELECT %s, %s", ["x", "y"]))
    with pytest.raises(AssertionError, match="Expected 1 parameters"):
        statement.compile("default")


def test_a_database_without_returning_is_told_from_others(database, monkeypatch):
    monkeypatch.setattr(connections[database].features, "can_return_columns_from_insert", False)
    with pytest.raises(UnsupportedError, match="has no INSERT"):
        insert().insert(database, conversation())
