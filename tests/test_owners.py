"""The owners of conversations."""

import pytest
from django.contrib.auth.models import AnonymousUser

from chat.owners import KEY_LENGTH, VISITOR, Owner, admit, key_of


def test_a_new_visitor_gets_an_id_in_the_session_and_keeps_it():
    session = {}
    visitor = admit(AnonymousUser(), session)
    assert visitor == Owner(f"visitor:{session[VISITOR]}", None)
    assert admit(AnonymousUser(), session) == visitor == Owner.of(AnonymousUser(), session)


def test_two_visitors_are_two_owners():
    assert admit(None, {}) != admit(None, {})


def test_a_signed_in_user_is_the_owner_and_the_session_is_not_changed(db, django_user_model):
    user, session = django_user_model.objects.create_user("ann"), {}
    assert admit(user, session) == Owner(f"user:{user.pk}", user.pk)
    assert session == {}


def test_without_account_and_session_there_is_no_owner():
    assert Owner.of(None, None) is None
    assert Owner.of(AnonymousUser(), {}) is None


def test_a_visitor_cannot_take_the_key_of_a_user():
    assert Owner.of(AnonymousUser(), {VISITOR: "7"}).key != "user:7"


@pytest.mark.parametrize("length", [1, 74, 75, 76, 100, 10_000])
def test_b41_a_user_with_a_key_of_any_length_has_an_owner_key_that_fits_its_column(length):
    keys = {key_of("k" * length), key_of("k" * (length - 1) + "l")}
    assert len(keys) == 2
    assert all(len(key) <= KEY_LENGTH for key in keys)


def test_b41_the_owner_key_of_a_user_whose_key_fits_has_not_changed():
    assert key_of(7) == "user:7"
    assert key_of("k" * 75) == "user:" + "k" * 75


def test_b41_no_key_is_the_digest_of_another():
    digest = key_of("k" * 100)
    assert key_of(digest.removeprefix("user#")) != digest
