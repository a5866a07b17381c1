"""``manage.py chat_export``."""

import io
import json
import stat
import sys
import zipfile

import pytest
from django.core.management import CommandError, call_command

from chat.models import Conversation
from chat.owners import key_of
from tests.support.askers import canary, settled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def stored():
    return settled()


def export(*arguments, **options):
    out = io.StringIO()
    call_command("chat_export", *arguments, stdout=out, **options)
    return out.getvalue()


def test_a_user_is_named_by_the_username_or_the_primary_key(django_user_model, stored):
    user = django_user_model.objects.get(username="ann")
    by_name, by_key = json.loads(export("ann")), json.loads(export("--pk", str(user.pk)))
    about = {"kind": "user", "user": str(user.pk), "username": "ann", "key": stored.owner}
    assert by_name["owner"] == by_key["owner"] == about
    assert by_name["conversations"] == by_key["conversations"]
    assert [found["id"] for found in by_name["conversations"]] == ["c1", "c9"]


@pytest.mark.parametrize("key", ["other", "visitor:other"])
def test_a_visitor_without_an_account_is_named_by_the_key(key):
    found = json.loads(export("--visitor", key))
    assert found["owner"] == {"kind": "anonymous", "key": "visitor:other"}
    assert [message["text"] for message in found["conversations"][0]["messages"]] == ["My question", ""]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["eve"], 'There is no user (auth.User) whose username is "eve".'),
        (["--pk", "123456"], 'There is no user (auth.User) whose primary key is "123456".'),
        (["--pk", "ann"], 'There is no user (auth.User) whose primary key is "ann".'),
        (["--visitor", "eve"], 'Nothing is stored about a visitor without an account whose key is "eve".'),
        ([], "Name one owner: USER, or --pk PK, or --visitor KEY."),
        (["ann", "--pk", "1"], "Name one owner: USER, or --pk PK, or --visitor KEY."),
    ],
)
@pytest.mark.parametrize("command", ["chat_export", "chat_erase"])
def test_an_unknown_owner_is_an_error_that_says_what_was_looked_for(command, arguments, sentence):
    with pytest.raises(CommandError) as error:
        call_command(command, *arguments)
    assert str(error.value) == sentence
    assert Conversation.objects.count() == 3


def test_a_user_without_conversations_has_an_empty_document(django_user_model):
    user = django_user_model.objects.get(username="bob")
    found = json.loads(export("bob"))
    assert (found["owner"]["key"], found["conversations"]) == (key_of(user.pk), [])


def test_a_file_is_replaced_as_a_whole_and_is_readable_by_its_owner_only(tmp_path, monkeypatch):
    path = tmp_path / "ann.json"
    path.write_text("before")
    export("ann", "--output", str(path))
    assert json.loads(path.read_text())["conversations"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setattr("chat.db.personal._message", lambda *_: 1 / 0)
    whole = path.read_text()
    with pytest.raises(ZeroDivisionError):
        export("ann", "--output", str(path))
    assert (path.read_text(), list(tmp_path.iterdir())) == (whole, [path])


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    path = tmp_path / "nowhere" / "ann.json"
    with pytest.raises(CommandError, match=rf"The file {path} cannot be written: No such file or directory\."):
        export("ann", "--output", str(path))


@pytest.mark.parametrize("to", ["a file", "the output"])
def test_a_zip_file_has_the_same_document(tmp_path, monkeypatch, to):
    path = tmp_path / "ann.zip"
    if to == "a file":
        export("ann", "--output", str(path), format="zip")
    else:
        with path.open("wb") as file:
            monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file))
            export("ann", format="zip")
            sys.stdout.flush()
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        found = json.loads(archive.read(name))
    assert name == "chat.json"
    assert canary("text") in found["conversations"][0]["messages"][0]["text"]


def test_a_zip_file_is_not_written_to_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(CommandError, match="give --output FILE"):
        export("ann", format="zip")
