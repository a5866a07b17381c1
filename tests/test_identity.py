"""The session and the user of a handshake."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client

from chat.identity import session_and_user
from chat.owners import VISITOR

pytestmark = pytest.mark.django_db


def scope(*cookies):
    return {"type": "websocket", "headers": [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]}


@pytest.fixture
def signed_in():
    client = Client()
    client.force_login(get_user_model().objects.create_user("ann"))
    return client


def test_a_signed_in_user_is_found(signed_in):
    found = session_and_user(scope(f"sessionid={signed_in.cookies['sessionid'].value}"))
    assert found["user"].username == "ann"


def test_a_visitor_is_found_by_the_session(client):
    session = client.session
    session[VISITOR] = "somebody"
    session.save()
    found = session_and_user(scope("theme=dark", f"a=b; sessionid={session.session_key}; c"))
    assert (found["session"][VISITOR], found["user"].is_authenticated) == ("somebody", False)


@pytest.mark.parametrize("cookies", [[], [""], ["sessionid="], ["sessionid=unknown"], ["\x80=\xff; sessionid=\x00;;="]])
def test_without_a_session_there_is_neither(cookies):
    found = session_and_user(scope(*cookies))
    assert not found["user"].is_authenticated
    assert VISITOR not in found["session"]


def test_the_name_of_the_cookie_is_the_sites(signed_in, settings):
    settings.SESSION_COOKIE_NAME = "own"
    assert session_and_user(scope(f"own={signed_in.cookies['sessionid'].value}"))["user"].username == "ann"


def test_a_session_of_an_earlier_secret_key_is_accepted_and_keeps_its_key(signed_in, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one, which is long enough for a test"
    key = signed_in.cookies["sessionid"].value
    assert session_and_user(scope(f"sessionid={key}"))["user"].username == "ann"
    assert Session.objects.filter(session_key=key).exists()


def test_a_session_of_an_earlier_password_is_not_accepted(signed_in):
    user = get_user_model().objects.get()
    user.set_password("new")
    user.save()
    found = session_and_user(scope(f"sessionid={signed_in.cookies['sessionid'].value}"))
    assert not found["user"].is_authenticated
