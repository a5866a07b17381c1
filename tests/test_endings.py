"""Each ending, from the model's reason to the database and back, and its sentence."""

from typing import get_args

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from chat.chunks import Abort, Error, Finish, FinishReason
from chat.endings import (
    COMPLETE,
    CUT,
    ENDINGS,
    FILTERED,
    INTERRUPTED,
    NOT_SAVED,
    STOPPED,
    by_chunk,
    by_columns,
    by_reason,
    failed,
)
from chat.errors import ERRORS
from chat.models import Message

codes = st.sampled_from(sorted(ERRORS)) | st.text(min_size=1)
reasons = st.sampled_from(get_args(FinishReason))
endings = st.sampled_from(ENDINGS) | codes.map(failed) | reasons.map(by_reason)


def columns(ending):
    return ending.status, ending.finish_reason, ending.error


@given(endings)
def test_every_ending_is_found_again_by_its_chunk_and_by_its_columns(ending):
    assert by_chunk(ending.chunk) == ending
    assert by_columns(*columns(ending)) == ending


@given(st.builds(Finish, reasons) | st.builds(Error, codes) | st.just(Abort()))
def test_every_closing_chunk_is_that_of_its_ending(chunk):
    assert by_chunk(chunk).chunk == chunk


@given(st.sampled_from(Message.Status.values), st.just("") | reasons, st.just("") | codes)
def test_any_stored_columns_have_an_ending_that_is_stored_as_itself(status, finish_reason, error):
    ending = by_columns(status, finish_reason, error)
    assert by_columns(*columns(ending)) == ending
    assert not (ending.finish_reason and ending.error)


@given(codes)
def test_a_failure_has_its_code_and_a_sentence(code):
    assert failed(code).error == code
    assert failed(code).sentence


def test_the_statuses_are_those_of_the_model():
    assert {ending.status for ending in ENDINGS} | {"running"} == set(Message.Status.values)


def test_no_column_is_too_short_for_its_values():
    fields = {name: Message._meta.get_field(name).max_length for name in ("status", "finish_reason", "error")}
    for ending in (*ENDINGS, *map(failed, ERRORS), *map(by_reason, get_args(FinishReason))):
        assert all(len(getattr(ending, name)) <= length for name, length in fields.items())


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("stop", COMPLETE),
        ("length", CUT),
        ("content-filter", FILTERED),
        ("tool-calls", failed("upstream")),
        ("error", failed("upstream")),
        ("other", INTERRUPTED),
        ("banana", INTERRUPTED),
    ],
)
def test_a_models_reason_is_an_ending(reason, ending):
    assert by_reason(reason) == ending


@pytest.mark.parametrize(
    ("stored", "ending"),
    [
        (("running", "", ""), INTERRUPTED),
        (("failed", "", ""), INTERRUPTED),
        (("complete", "", ""), COMPLETE),
        (("cut", "", ""), CUT),
        (("stopped", "stop", ""), STOPPED),
        (("complete", "length", ""), COMPLETE),
        (("cut", "stop", ""), CUT),
        (("failed", "stop", "auth"), failed("auth")),
    ],
)
def test_columns_that_no_run_stores_have_an_ending_too(stored, ending):
    assert by_columns(*stored) == ending


@pytest.mark.parametrize(
    ("ending", "offered"),
    [(COMPLETE, False), (FILTERED, False), (NOT_SAVED, False), (CUT, True), (STOPPED, True), (failed("auth"), True)],
)
def test_an_answer_that_is_complete_or_not_stored_cannot_be_continued(ending, offered):
    assert ending.can_continue is offered


def test_only_a_whole_answer_needs_no_sentence():
    assert [ending for ending in ENDINGS if not ending.describe(has_content=True)] == [COMPLETE]
    assert COMPLETE.describe(has_content=False) == "The answer is empty."
    assert failed("from another version").describe(has_content=True) == "The answer was interrupted."


def test_a_sentence_is_in_the_active_language():
    with override("de"):
        assert STOPPED.describe(has_content=True) == "Angehalten."
        assert failed("timeout").describe(has_content=True) != "The model took too long to answer."
