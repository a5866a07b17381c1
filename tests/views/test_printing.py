"""The page that is printed: a whole conversation, for its owner only."""

import pytest

from chat.owners import Owner

BOB = Owner("visitor:bob")


def grow(conversation, turns):
    """Add turns to the end of a conversation."""
    parent = conversation.tip
    for number in range(turns):
        asked = conversation.message_set.create(uid=f"q{number}", role="user", text=f"Q{number}.", parent=parent)
        parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": f"A*{number}*."}]
        parent = conversation.message_set.create(uid=f"a{number}", role="assistant", parent=asked, parts=parts)
    conversation.tip = parent
    conversation.save()


@pytest.mark.django_db
def test_all_messages_of_the_branch_are_there_and_no_others(ann, converse, django_assert_max_num_queries):
    conversation = converse()
    other = conversation.message_set.create(uid="x", role="user", text="Another branch", parent=None)
    grow(conversation, 100)
    with django_assert_max_num_queries(12):
        page = ann.get("/chat/c1/print/").content.decode()
    places = [page.index(f"Q{number}.") for number in range(100)]
    assert places == sorted(places)
    assert all(f"A<em>{number}</em>." in page for number in range(100))
    assert other.text not in page
    assert "<h1" in page and "Why is the sky blue?" in page
    for absent in ("<textarea", "data-action", "llm-chat-sidebar"):
        assert absent not in page


@pytest.mark.django_db
def test_a_running_answer_says_so(ann, converse):
    converse(status="running", answer="So far")
    page = ann.get("/chat/c1/print/").content.decode()
    assert "So far" in page and "The answer is still running." in page


@pytest.mark.django_db
def test_a_question_about_a_call_is_printed_without_its_buttons(ann, asked):
    asked()
    page = ann.get("/chat/c1/print/").content.decode()
    assert "Cancel the order B7?" in page and "Waiting for your decision." in page
    assert 'name="call"' not in page
    assert 'name="call"' in ann.get("/chat/c1/").content.decode()


@pytest.mark.django_db
def test_nobody_else_can_print_it(ann, converse):
    converse(owner=BOB, uid="c2")
    assert ann.get("/chat/c2/print/").status_code == 404
    assert ann.get("/chat/none/print/").status_code == 404
    assert ann.post("/chat/c2/print/").status_code == 405


@pytest.mark.django_db
def test_it_is_never_cached_and_not_indexed(ann, converse):
    converse()
    answer = ann.get("/chat/c1/print/")
    assert "no-store" in answer.headers["Cache-Control"]
    assert '<meta name="robots" content="noindex">' in answer.content.decode()
