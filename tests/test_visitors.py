"""New visitors without an account: so many from each address get an id, and the others are told."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from chat.errors import ERRORS
from chat.models import Counter
from tests.conftest import chat_settings

pytestmark = pytest.mark.django_db
SENTENCE = ERRORS["too_many_visitors"].sentence
BROWSER = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture(autouse=True)
def one_an_hour(settings):
    settings.CHAT = chat_settings(MAX_NEW_VISITORS_PER_ADDRESS="1/hour", TRUSTED_PROXIES=1)


def client(address, **defaults):
    return Client(headers={"X-Forwarded-For": address}, **{**BROWSER, **defaults})


def test_one_too_many_gets_the_page_with_a_sentence_and_no_session():
    first = client("8.8.8.8")
    assert SENTENCE not in first.get("/chat/").content.decode()
    refused = client("8.8.8.8").get("/chat/")
    assert (refused.status_code, Session.objects.count()) == (429, 1)
    assert SENTENCE in refused.content.decode()
    assert client("9.9.9.9").get("/chat/").status_code == 200
    assert first.get("/chat/").status_code == 200, "who has an id keeps it"
    assert Session.objects.count() == 2


def test_an_ipv6_network_counts_as_one_address():
    assert client("2606:4700::1").get("/chat/").status_code == 200
    assert client("2606:4700::2").get("/chat/").status_code == 429


def test_users_and_robots_are_not_counted(admin_user):
    user = client("8.8.8.8")
    user.force_login(admin_user)
    assert user.get("/chat/").status_code == 200
    client("8.8.8.8", HTTP_ACCEPT="*/*").get("/chat/")
    assert not Counter.objects.exists()


def test_a_page_with_two_chats_counts_once(settings):
    settings.CHAT = {**settings.CHAT, "MAX_NEW_VISITORS_PER_ADDRESS": "2/hour"}
    for status in (200, 200, 429):
        assert client("8.8.8.8").get("/chat/").status_code == status


def test_an_address_that_is_not_known_is_not_counted(settings):
    settings.CHAT = chat_settings(MAX_NEW_VISITORS_PER_ADDRESS="1/hour")
    for _ in range(3):
        assert Client(**BROWSER).get("/chat/").status_code == 200
    assert not Counter.objects.exists()
