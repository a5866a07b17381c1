"""The document with everything that is stored about an owner."""

import json
import tracemalloc

import pytest
from django.utils import timezone

from chat.db.personal import everything
from chat.db.shares import share
from chat.management.documents import written
from chat.models import Conversation, Feedback, Message, Share, ToolCall
from chat.owners import Owner
from tests.support.askers import SECRETS, canary, settled

ANN = Owner("visitor:ann")

LEFT_OUT = {
    Conversation: {"id", "owner", "user", "claim", "running", "tip"},  # keys; the head of the document has the owner
    Message: {"id", "conversation", "has_calls", "attempt", "stopping", "run", "process", "calling"},
    ToolCall: {"id", "message", "ends_answer", "decided_by", "backend", "model_id", "extra"},
    Feedback: {"id", "message"},
    Share: {"id", "conversation"},
}
"""The columns that are not exported, because they are keys, or the server's own notes."""

NAMED = {"uid": "id", "name": "tool", "about_model": "about", "about_key": "about"}
"""The names in the document of columns that have another one there. Those of times are without ``_at``."""


def document(owner):
    return json.loads("".join(written(everything(owner, {"kind": "anonymous"}, timezone.now()))))


@pytest.mark.django_db
def test_it_has_everything_that_is_stored():
    askers = settled()
    text = json.dumps(document(Owner(askers.owner)))
    assert [place for place in SECRETS if canary(place) not in text] == []
    assert askers.link in text
    assert "My question" not in text  # the other visitor's


@pytest.mark.django_db
@pytest.mark.parametrize("model", LEFT_OUT, ids=lambda model: model.__name__)
def test_every_column_is_exported_or_named_as_left_out(model):
    found = document(Owner(settled().owner))["conversations"][0]
    answer = found["messages"][1]
    shown = {
        Conversation: found,
        Message: answer,
        ToolCall: answer["calls"][0],
        Feedback: answer["rating"],
        Share: found["shares"][0],
    }[model]
    columns = {field.name for field in model._meta.fields} - LEFT_OUT[model]
    names = {NAMED.get(name, name.removesuffix("_at")) for name in columns}
    assert names - shown.keys() == set()


@pytest.mark.django_db
def test_branches_parents_deleted_conversations_and_ratings_are_as_stored():
    found = document(Owner(settled().owner))
    assert (found["format"], found["version"]) == ("llm-chat-export", 1)
    first, deleted = found["conversations"]
    assert (first["id"], first["branch"], first["deleted"]) == ("c1", ["m1", "a1"], None)
    assert (deleted["id"], deleted["messages"], deleted["shares"], bool(deleted["deleted"])) == ("c9", [], [], True)
    question, answer = first["messages"]
    assert (question["parent"], question["calls"], question["rating"]) == (None, [], None)
    assert (answer["parent"], answer["status"]) == ("m1", "waiting")
    assert [call["id"] for call in answer["calls"]] == ["t-done", "t-failed", "t-denied", "t-asked"]
    assert (answer["rating"]["value"], answer["rating"]["comment"]) == ("bad", canary("comment"))


@pytest.mark.django_db
def test_an_owner_without_conversations_has_an_empty_document():
    assert document(ANN)["conversations"] == []


@pytest.mark.django_db
def test_megabytes_take_little_memory():
    for number in range(40):
        made = Conversation.objects.create(owner=ANN.key, uid=f"c{number}", updated_at=timezone.now())
        texts = [str(count) * 100_000 for count in range(10)]
        Message.objects.bulk_create(
            Message(conversation=made, uid=f"m{count}", role="user", text=text) for count, text in enumerate(texts)
        )
        made.tip = made.message_set.last()
        made.save()
        assert share(made) is not None
    tracemalloc.start()
    size = sum(len(piece) for piece in written(everything(ANN, {}, timezone.now())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 40_000_000
    assert peak < size / 3
