"""Who a conversation belongs to."""

from django.contrib.auth.models import AnonymousUser

from chat.owners import VISITOR, Owner, admit


def test_a_new_visitor_gets_an_id_in_the_session_and_keeps_it():
    session = {}
    visitor = admit(AnonymousUser(), session)
    assert visitor == Owner(f"visitor:{session[VISITOR]}", None)
    assert admit(AnonymousUser(), session) == visitor == Owner.of(AnonymousUser(), session)


def test_two_visitors_are_two_owners():
    assert admit(None, {}) != admit(None, {})


def test_a_user_owns_by_the_account_and_the_session_stays_as_it_is(db, django_user_model):
    user, session = django_user_model.objects.create_user("ann"), {}
    assert admit(user, session) == Owner(f"user:{user.pk}", user.pk)
    assert session == {}


def test_without_account_and_session_there_is_no_owner():
    assert Owner.of(None, None) is None
    assert Owner.of(AnonymousUser(), {}) is None


def test_a_visitor_cannot_take_the_key_of_a_user():
    assert Owner.of(AnonymousUser(), {VISITOR: "7"}).key != "user:7"
