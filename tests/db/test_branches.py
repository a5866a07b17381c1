"""The branches of a conversation: which one it shows, and which messages a page gets."""

import random

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.db.branches import WINDOW, earlier, select, tip_window, unseen
from chat.errors import Refusal
from chat.html.messages import Siblings, message_view
from chat.models import Conversation, Message
from chat.owners import Owner

pytestmark = pytest.mark.django_db
ANN, BOB = Owner("visitor:ann"), Owner("visitor:bob")


def conversation(uid="c1"):
    return Conversation.objects.create(owner=ANN.key, uid=uid, updated_at=timezone.now())


def say(where, parent=None, **fields):
    """Add a message below another."""
    role = "user" if parent is None or parent.role == "assistant" else "assistant"
    uid = f"m{where.message_set.count()}"
    return where.message_set.create(uid=uid, role=role, text=uid, parent=parent, **fields)


def grow(where, count, parent=None):
    """Add ``count`` messages below another, make the last one the tip, and return them."""
    grown = []
    for _ in range(count):
        parent = say(where, parent)
        grown.append(parent)
    Conversation.objects.filter(pk=where.pk).update(tip=parent)
    return grown


def ids(messages):
    return [message.uid for message in messages]


def test_a_short_conversation_is_shown_whole():
    grown = grow(conversation(), WINDOW)
    assert (ids(tip_window(ANN, "c1").messages), tip_window(ANN, "c1").earlier) == (ids(grown), False)


def test_a_long_conversation_shows_its_last_thirty_turns():
    grown = grow(conversation(), WINDOW + 2)
    shown = tip_window(ANN, "c1")
    assert (ids(shown.messages), shown.earlier, shown.after) == (ids(grown[2:]), True, None)
    before = earlier(ANN, "c1", shown.messages[0].uid)
    assert (ids(before.messages), before.earlier) == (ids(grown[:2]), False)


def test_a_window_begins_with_a_question():
    grown = grow(conversation(), WINDOW + 3)
    assert ids(tip_window(ANN, "c1").messages) == ids(grown[4:])


def test_a_long_conversation_takes_as_many_queries_as_a_short_one(django_assert_num_queries):
    grow(conversation(), 500)
    grow(conversation("c2"), 10)
    for uid in ("c1", "c2"):
        with django_assert_num_queries(4):  # the conversation, the keys, the messages, their siblings
            [message_view(message) for message in tip_window(ANN, uid).messages]


@given(seed=st.integers(0, 2**32), size=st.integers(1, 300))
@settings(max_examples=20, deadline=None)
def test_joined_windows_give_the_whole_branch(seed, size):
    chance = random.Random(seed)
    with transaction.atomic():
        where = conversation()
        messages = []
        for number in range(size):
            parent = chance.choice(messages[-4:]) if messages and chance.random() < 0.95 else None
            role = "user" if parent is None or parent.role == "assistant" else "assistant"
            messages.append(Message(pk=10**6 + number, uid=f"m{number}", role=role, parent=parent, conversation=where))
        Message.objects.bulk_create(messages)
        tip = chance.choice(messages)
        Conversation.objects.filter(pk=where.pk).update(tip=tip)
        branch = []
        while tip is not None:
            branch.insert(0, tip.uid)
            tip = tip.parent
        window = tip_window(ANN, "c1")
        joined = ids(window.messages)
        while window.earlier:
            window = earlier(ANN, "c1", joined[0])
            assert 0 < len(window.messages) <= WINDOW
            joined = ids(window.messages) + joined
        transaction.set_rollback(True)
    assert joined == branch


def test_a_message_knows_its_siblings():
    where = conversation()
    question, first = grow(where, 2)
    second, third = say(where, question), say(where, question)
    other = say(where)
    Conversation.objects.filter(pk=where.pk).update(tip=second)
    shown = [message_view(message).siblings for message in tip_window(ANN, "c1").messages]
    assert shown == [Siblings(1, 2, "", other.uid), Siblings(2, 3, first.uid, third.uid)]


def test_siblings_are_those_of_the_same_conversation():
    grow(conversation(), 2)
    grow(conversation("c2"), 2)
    assert [message_view(message).siblings for message in tip_window(ANN, "c1").messages] == [None, None]


def test_a_selected_branch_is_the_one_that_is_shown_from_then_on():
    where = conversation()
    question, first = grow(where, 2)
    old = grow(where, 2, first)
    new = grow(where, 3, question)
    assert ids(tip_window(ANN, "c1").messages) == ids([question, *new])
    assert ids(select(ANN, "c1", first.uid).messages) == ids([first, *old])
    assert ids(tip_window(ANN, "c1").messages) == ids([question, first, *old])


def test_a_selected_branch_is_placed_behind_the_parent_of_the_selected_message():
    where = conversation()
    question, first = grow(where, 2)
    grow(where, 1, question)
    chosen = select(ANN, "c1", first.uid)
    assert (ids(chosen.messages), chosen.after, chosen.earlier) == ([first.uid], question.uid, False)


def test_selecting_a_message_shows_the_newest_branch_below_it():
    where = conversation()
    question = say(where)
    older, newer = say(where, question), say(where, question)
    newest = grow(where, 2, older)
    select(ANN, "c1", newer.uid)
    assert ids(select(ANN, "c1", question.uid).messages) == ids([question, older, *newest])


def test_a_long_selected_branch_is_shown_from_its_last_window_on():
    where = conversation()
    first = grow(where, WINDOW + 2)
    grow(where, 2)
    chosen = select(ANN, "c1", first[0].uid)
    assert (ids(chosen.messages), chosen.after, chosen.earlier) == (ids(first[2:]), None, True)


def test_selecting_keeps_a_conversations_place_in_the_list():
    where = conversation()
    grown = grow(where, 2)
    select(ANN, "c1", grown[0].uid)
    assert Conversation.objects.get().updated_at == where.updated_at


def test_no_branch_is_selected_while_an_answer_runs():
    where = conversation()
    question, first = grow(where, 2)
    running = say(where, question, status="running")
    Conversation.objects.filter(pk=where.pk).update(tip=running, running=running)
    with pytest.raises(Refusal) as refused:
        select(ANN, "c1", first.uid)
    assert refused.value.code == "busy"
    assert Conversation.objects.get().tip_id == running.pk


@pytest.mark.parametrize("step", [earlier, select])
@pytest.mark.parametrize(("owner", "uid", "message"), [(BOB, "c1", "m0"), (ANN, "c2", "m0"), (ANN, "c1", "m9")])
def test_the_messages_of_other_owners_are_not_found(step, owner, uid, message):
    grown = grow(conversation(), 2)
    grow(conversation("c2"), 0)
    with pytest.raises(Refusal) as refused:
        step(owner, uid, message)
    assert refused.value.code == "not_found"
    assert tip_window(BOB, "c1").messages == ()
    assert Conversation.objects.get(uid="c1").tip_id == grown[-1].pk


def missing(shown, status="complete"):
    found = unseen(ANN, "c1", shown and shown.uid, status)
    return ids(found.messages), found.after, found.earlier


def test_a_page_is_missing_newer_messages_and_those_with_another_status():
    grown = grow(conversation(), 4)
    assert missing(grown[3]) == ([], grown[3].uid, False)
    assert missing(grown[1]) == (ids(grown[2:]), grown[1].uid, False)
    assert missing(grown[3], "running") == ([grown[3].uid], grown[2].uid, False)
    assert missing(None) == (ids(grown), None, False)


def test_a_page_that_shows_another_branch_is_missing_the_messages_after_the_fork():
    where = conversation()
    question, first = grow(where, 2)
    old = grow(where, 4, first)
    new = grow(where, 2, first)
    assert missing(old[-1]) == (ids(new), first.uid, False)
    select(ANN, "c1", old[0].uid)
    assert missing(new[-1]) == (ids(old), first.uid, False)
    assert missing(question) == (ids([first, *old]), question.uid, False)


def test_a_page_that_shows_another_first_question_is_missing_everything():
    where = conversation()
    old = grow(where, 2)
    new = grow(where, 2)
    assert missing(old[-1]) == (ids(new), None, False)


def test_a_page_whose_branch_forked_above_the_window_is_missing_the_whole_window():
    where = conversation()
    question, first = grow(where, 2)
    old = grow(where, 2, first)
    new = grow(where, WINDOW, first)
    assert missing(old[-1]) == (ids(new), None, True)
    assert missing(question) == (ids(new), None, True)


def test_a_running_answer_is_missing_even_if_the_page_shows_it():
    where = conversation()
    question = say(where)
    running = say(where, question, status="running")
    Conversation.objects.filter(pk=where.pk).update(tip=running, running=running)
    assert missing(running, "running") == ([running.uid], question.uid, False)


def test_a_page_that_shows_a_deleted_conversation_gets_a_refusal():
    with pytest.raises(Refusal) as refused:
        unseen(ANN, "c1", "m1", "complete")
    assert refused.value.code == "gone"
    assert unseen(ANN, "c1", None).messages == ()
