"""The setting that says how long conversations are kept."""

from datetime import timedelta

import pytest

from chat.checks import check_settings
from chat.conf import conf
from chat.owners import PREFIXES, Owner, admit, key_of
from chat.retention import KINDS, duration
from tests.conftest import chat_settings


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("30 days", 30),
        ("1 day", 1),
        (" 2  years ", 730),
        ("6 months", 180),
        ("2 weeks", 14),
        ("36 hours", 1.5),
        ("1_000 days", 1000),
        ("100 years", 36_500),
        (timedelta(days=3), 3),
    ],
)
def test_a_duration_is_a_number_and_a_unit_or_a_timedelta(written, days):
    assert duration(written) == timedelta(days=days)


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "days", "30", "0 days", "-1 days", "30days", "30 d", "1.5 years", "30 days ago", "101 years", "9" * 99),
        *("_ days", "٣ days", 30, 30.0, None, True, ["30 days"], timedelta(), timedelta(days=-1), timedelta.max),
    ],
)
def test_any_other_duration_is_an_error_that_says_what_was_expected(settings, wrong):
    settings.CHAT = chat_settings(RETENTION={"user": wrong})
    (found,) = check_settings()
    assert found.id == "llm_chat.E002"
    assert found.msg.startswith('CHAT["RETENTION"] must be a dictionary of durations by kind of owner, such as ')
    assert found.msg.endswith(
        ' The entry "user" must be a timedelta, or a whole number of hours, days, weeks, months, years, '
        f'such as "30 days"; above 0 and at most 100 years, got {wrong!r}.'
    )


@pytest.mark.parametrize("kind", ["visitor", "User", "", 1, None])
def test_an_unknown_kind_of_owner_is_an_error_that_names_the_kinds(settings, kind):
    settings.CHAT = chat_settings(RETENTION={kind: "30 days"})
    (found,) = check_settings()
    assert found.msg.endswith(f" {kind!r} is not a kind of owner; the kinds are anonymous, user.")


@pytest.mark.parametrize("wrong", ["30 days", None, [("user", "30 days")]])
def test_anything_but_a_dictionary_is_an_error(settings, wrong):
    settings.CHAT = chat_settings(RETENTION=wrong)
    (found,) = check_settings()
    assert found.msg.endswith(f" It must be a dictionary, got a value of type {type(wrong).__name__}.")


def test_conversations_are_kept_forever_by_default(settings):
    settings.CHAT = chat_settings()
    assert conf.retention == {}


def test_every_kind_of_owner_has_a_prefix_and_every_owner_a_kind():
    assert tuple(PREFIXES) == KINDS
    keys = {"user": [key_of(1), key_of("x" * 200)], "anonymous": [admit(None, {}).key]}
    for kind, owned in keys.items():
        assert [[name for name, prefix in PREFIXES.items() if key.startswith(prefix)] for key in owned] == [
            [kind] for _ in owned
        ]
    assert Owner.of(None, {}) is None
