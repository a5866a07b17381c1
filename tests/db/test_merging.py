"""A visitor's conversations that move to an account, on SQLite and on a real PostgreSQL."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone

from chat.db import merging
from chat.db.deletion import hide, restore, undoable
from chat.db.merging import MIXED, merge, moved_uid, place_of
from chat.db.processes import register
from chat.db.turns import ask
from chat.db.values import Ask, Writer
from chat.models import Conversation, Feedback, Message
from chat.owners import Owner, key_of
from tests.conftest import chat_settings

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

CLAIM, OTHER = "c" * 64, "d" * 64
VISITOR = Owner("visitor:ann", claims=(CLAIM,))


@pytest.fixture(autouse=True)
def registered(database, settings):
    settings.CHAT = chat_settings()
    User.objects.all().delete()
    register("mine", alone=False)


@pytest.fixture
def account():
    user = User.objects.create_user("ann")
    return Owner(key_of(user.pk), user.pk, claims=(CLAIM,))


def asked(owner, uid="default", message="m1", text="Why?", *, ended=True):
    """Store a question and its answer, and return the answer."""
    turn = ask(Ask(owner, uid, message, text), Writer("mine", "scripted", 1000))
    if ended:
        Message.objects.filter(pk=turn.answer.pk).update(status="complete", text=f"Re: {text}", process=None)
        Conversation.objects.filter(pk=turn.conversation.pk).update(running=None, updated_at=timezone.now())
    return turn.answer


def texts(owner):
    """Return the first question of each of an owner's conversations, by ``uid``."""
    return {found.uid: found.message_set.order_by("pk")[0].text for found in owner.conversations.order_by("uid")}


def test_the_conversations_of_this_browser_move_with_all_that_belongs_to_them(account):
    answer = asked(VISITOR)
    asked(VISITOR, "c2", "m2", "How?")
    Conversation.objects.filter(uid="c2").update(title="Mine", pinned=True)
    Feedback.objects.create(message=answer, value=1)
    answer.conversation.shares.create(uid="s1")
    merged = merge(VISITOR, account)
    assert {found.uid for found in merged.moved} == {"default", "c2"}
    assert merged.renamed == {}
    assert texts(account) == {"default": "Why?", "c2": "How?"}
    assert not VISITOR.conversations.exists()
    moved = account.conversations.get(uid="c2")
    assert (moved.title, moved.pinned, moved.user_id, moved.claim) == ("Mine", True, account.user_id, "")
    first = account.conversations.get(uid="default")
    assert (first.shares.count(), first.tip.feedback.value) == (1, 1)


def test_s17_what_another_browser_has_begun_stays(account):
    asked(Owner(VISITOR.key, claims=(OTHER,)), "planted")
    asked(Owner(VISITOR.key), "before", "m2")
    asked(Owner("visitor:ben", claims=(CLAIM,)), "bens", "m3")
    assert merge(VISITOR, account) == ([], {})
    assert texts(account) == {}


@pytest.mark.parametrize("first", [CLAIM, OTHER])
def test_s17_what_two_browsers_have_written_stays_with_both(account, first):
    second = OTHER if first == CLAIM else CLAIM
    asked(Owner(VISITOR.key, claims=(first,)))
    asked(Owner(VISITOR.key, claims=(second,)), message="m2", text="Mine, too")
    assert VISITOR.conversations.get().claim == MIXED
    asked(Owner(VISITOR.key, claims=(first,)), message="m3", text="And again")
    assert merge(VISITOR, account).moved == []


def test_s17_an_edit_of_another_browser_counts_as_well(account):
    asked(VISITOR)
    edit = Ask(Owner(VISITOR.key, claims=(OTHER,)), "default", "m1", "Other words", edits=True)
    ask(edit, Writer("mine", "scripted", 1000))
    assert VISITOR.conversations.get().claim == MIXED


def test_a_browser_that_has_several_tokens_continues_its_own(account):
    asked(Owner(VISITOR.key, claims=(OTHER,)))
    asked(Owner(VISITOR.key, claims=(CLAIM, OTHER)), message="m2")
    merged = merge(VISITOR, account._replace(claims=(CLAIM, OTHER)))
    assert len(merged.moved) == 1


def test_the_conversations_of_an_account_have_no_claim(account):
    asked(account)
    assert account.conversations.get().claim == ""


def test_nothing_moves_twice(account):
    asked(VISITOR)
    assert len(merge(VISITOR, account).moved) == 1
    assert merge(VISITOR, account) == ([], {})
    other = User.objects.create_user("ben")
    assert merge(VISITOR, Owner(key_of(other.pk), other.pk, claims=(CLAIM,))) == ([], {})
    assert texts(account) == {"default": "Why?"}


def test_of_two_with_one_id_the_visitors_keeps_it_if_it_was_used_last(account):
    asked(account, text="Mine")
    asked(VISITOR, text="The visitor's")
    merged = merge(VISITOR, account)
    renamed = merged.renamed["default"]
    assert texts(account) == {"default": "The visitor's", renamed.uid: "Mine"}
    assert renamed.uid.startswith("m-")
    assert place_of(VISITOR, account, "default") == "default"


def test_of_two_with_one_id_the_accounts_keeps_it_if_it_was_used_last(account):
    asked(VISITOR, text="The visitor's")
    asked(account, text="Mine")
    merged = merge(VISITOR, account)
    new = moved_uid(VISITOR, "default")
    assert merged.renamed == {}
    assert [found.uid for found in merged.moved] == [new]
    assert texts(account) == {"default": "Mine", new: "The visitor's"}
    assert place_of(VISITOR, account, "default") == new


def test_visitors_can_come_with_the_same_id_again_and_again(account):
    for number in range(3):
        visitor = Owner(f"visitor:{number}", claims=(CLAIM,))
        asked(visitor, text=f"Visit {number}")
        merge(visitor, account)
    assert set(texts(account).values()) == {"Visit 0", "Visit 1", "Visit 2"}
    assert texts(account)["default"] == "Visit 2"


def test_a_deleted_one_of_the_account_makes_room_and_can_still_be_brought_back(account):
    asked(account, text="Deleted")
    hide(account, account.conversations)
    asked(VISITOR, text="The visitor's")
    merge(VISITOR, account)
    assert texts(account) == {"default": "The visitor's"}
    restore(account, undoable(account).at.isoformat())
    assert sorted(texts(account).values()) == ["Deleted", "The visitor's"]


def test_a_deleted_one_of_the_visitor_stays_behind(account):
    asked(VISITOR)
    hide(VISITOR, VISITOR.conversations)
    assert merge(VISITOR, account) == ([], {})


def test_a_page_finds_its_conversation_only_if_it_has_moved(account):
    asked(Owner(VISITOR.key, claims=(OTHER,)), "planted")
    merge(VISITOR, account)
    assert place_of(VISITOR, account, "planted") is None
    assert place_of(VISITOR, account, "empty") == "empty"


def test_a_running_answer_moves_along(account):
    answer = asked(VISITOR, ended=False)
    (moved,) = merge(VISITOR, account).moved
    assert moved.running == answer
    repeated = ask(Ask(account, "default", "m1", "Why?"), Writer("mine", "scripted", 1000))
    assert (repeated.fresh, repeated.answer) == (False, answer)


def test_a_conversation_that_begins_under_the_same_id_meanwhile_is_met_by_another_try(account, monkeypatch):
    asked(VISITOR, text="The visitor's")
    make_room = merging._make_room
    tries = []

    def late(*arguments):
        tries.append(1)
        if len(tries) == 1:
            raise IntegrityError("somebody was quicker")
        return make_room(*arguments)

    monkeypatch.setattr(merging, "_make_room", late)
    assert len(merge(VISITOR, account).moved) == 1
    assert len(tries) == 2
