"""The sources of stored answers: for readers that stand anywhere, after a crash, and in shared copies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.chunks import SourceUrl
from chat.db.answers import Written, interrupt
from chat.db.calls import UNKNOWN, answer_messages, end_call
from chat.db.replay import parts_of, remainder, replay
from chat.db.shares import messages_of, share
from chat.db.sources import numbers_of, sources_by_part
from chat.engine.draft import Draft
from chat.html.messages import message_view
from chat.models import Conversation, Message, ToolCall
from chat.parts import TextPart, ToolPart
from chat.sources import AnswerSource
from chat.sources import stored as source
from tests.db.test_calls import a_call, answer, begin, read  # noqa: F401 (a fixture)

ONE, TWO, THREE = (source(name, f"/{name}/", f"All of {name}.") for name in ("one", "two", "three"))


def an_answer(*parts):
    """Make an answer of parts: a text, or the step, the state and the output of a call."""
    message = Message(uid="a1", status="complete", finish_reason="stop", parts=[], has_calls=True, role="assistant")
    message.calls = {}
    for number, part in enumerate(parts):
        if isinstance(part, str):
            message.parts.append({"type": "text", "text": part})
            continue
        step, state, output = part
        uid = f"t-{number}"
        message.parts.append({"type": "tool", "call": uid})
        error = {"done": "", "unknown": UNKNOWN}.get(state, "No.")
        message.calls[uid] = ToolCall(uid=uid, name="manual", state=state, step=step, output=output, error=error)
    return message


def urls(message):
    return [[found.url for found in part] for part in sources_by_part(message)]


def test_each_part_adds_the_sources_that_are_new():
    message = an_answer("Look.", (0, "done", [ONE, TWO]), (0, "done", [TWO, THREE]), (1, "done", ONE), "So.")
    assert urls(message) == [[], ["/one/", "/two/"], ["/three/"], [], []]
    assert numbers_of(message) == {"/one/": 1, "/two/": 2, "/three/": 3}


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_a_call_that_did_not_succeed_has_none(state):
    assert urls(an_answer((0, state, [ONE]), (0, "done", [TWO]))) == [[], ["/two/"]]


def test_the_sources_of_a_call_wait_for_the_calls_before_it():
    assert urls(an_answer((0, "done", [ONE]), (0, "running", None), (0, "done", [TWO]))) == [["/one/"], [], []]


def test_a_part_whose_row_is_missing_has_none():
    message = an_answer((0, "done", [ONE]), (0, "done", [TWO]))
    del message.calls["t-0"]
    assert urls(message) == [[], ["/two/"]]


def test_sources_follow_the_end_of_their_call_in_the_replay():
    found = replay(an_answer((0, "done", [ONE, TWO]), (0, "done", ONE), "So."))
    kinds = [type(chunk).__name__ for chunk in found][2:9]
    assert kinds == ["ToolInput", "ToolInput", "ToolOutput", "SourceUrl", "SourceUrl", "ToolOutput", "FinishStep"]
    assert found[4].output == [{key: value for key, value in each.items() if key != "llm_chat"} for each in (ONE, TWO)]


outputs = st.sampled_from([ONE, TWO, THREE]) | st.lists(st.sampled_from([ONE, TWO, THREE, "text", 7]), max_size=3)
made_calls = st.tuples(st.sampled_from(["done", "done", "failed", "unknown"]), outputs)
answers = st.lists(st.sampled_from(["One.", "Two."]) | st.lists(made_calls, min_size=1, max_size=3), max_size=5)


def placed(pieces):
    """Put texts and the calls of steps into an order that an answer can have."""
    parts, step = [], 0
    for piece in pieces:
        if isinstance(piece, list):
            parts += [(step, state, output) for state, output in piece]
            step += 1
        elif not parts or not isinstance(parts[-1], str):
            parts.append(piece)
    return parts


@given(answers, st.data())
def test_wherever_a_reader_stands_the_remainder_completes_it(pieces, data):
    message = an_answer(*placed(pieces))
    whole = replay(message)
    held = whole[: data.draw(st.integers(0, len(whole)))]
    assert [*held, *remainder(message, held)] == whole
    assert len(parts_of(whole)) == len(message.parts)
    numbers = [int(chunk.source_id) for chunk in whole if isinstance(chunk, SourceUrl)]
    assert numbers == list(range(1, len(numbers) + 1))


@given(answers, st.randoms())
def test_in_whatever_order_calls_end_the_stream_has_the_sources_of_the_replay(pieces, random):
    message = an_answer(*placed(pieces))
    draft, chunks, steps = Draft(), [], {}
    for call in message.calls.values():
        steps.setdefault(call.step, []).append(call)
    for calls in steps.values():
        draft.add_calls(calls)
        for call in random.sample(calls, len(calls)):
            draft.end_call(call)
        draft.next_step()
    chunks = draft.end()
    found = [chunk for chunk in chunks if isinstance(chunk, SourceUrl)]
    assert found == [chunk for chunk in replay(message) if isinstance(chunk, SourceUrl)]
    assert draft.sources.numbers == numbers_of(message)


def test_a_model_reads_the_numbers():
    first, *_ = [
        json.loads(each["content"])
        for each in answer_messages(an_answer((0, "done", [ONE]), (0, "done", TWO), "So [2]."), "b")
        if each["role"] == "tool"
    ]
    assert first == [{"source": 1, "title": "one", "url": "/one/", "excerpt": "All of one."}]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_crash_leaves_the_sources_that_were_stored(answer):  # noqa: F811
    first, second = a_call(answer, "t-1"), a_call(answer, "t-2")
    begin(answer, first, second)
    second.state, second.output = "done", [TWO]
    assert end_call(second)
    assert urls(read(answer)) == [[], []]
    interrupt([answer.pk])
    assert urls(read(answer)) == [[], ["/two/"]]
    assert [chunk.source_id for chunk in replay(read(answer)) if isinstance(chunk, SourceUrl)] == ["1"]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_shared_copy_has_the_sources_and_outlives_the_calls(answer):  # noqa: F811
    call = a_call(answer, "t-1", state="done", output=[{"secret": 1}, ONE, TWO])
    begin(answer, call)
    parts = (TextPart("Before [1]."), ToolPart("t-1"), TextPart("After [2]."))
    columns = {**Written(answer.pk, parts).columns, "status": "complete"}
    Message.objects.filter(pk=answer.pk).update(**columns)
    before = message_view(read(answer))
    made = share(Conversation.objects.get())
    ToolCall.objects.all().delete()
    _, copied = messages_of(made)
    view = message_view(copied)
    assert (
        view.sources
        == before.sources
        == (
            AnswerSource(1, "one", "/one/", "All of one."),
            AnswerSource(2, "two", "/two/", "All of two."),
        )
    )
    texts = [part for part in before.parts if part.is_text]
    assert [part.blocks for part in view.parts] == [part.blocks for part in texts]
    assert "llm-chat-cite" not in texts[0].blocks[0]
    assert "llm-chat-cite" in texts[1].blocks[0]
    stored = json.dumps(made.messages)
    for private in ("secret", "t-1", "orders", "open", "llm_chat"):
        assert private not in stored
