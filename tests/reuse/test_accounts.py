"""A site with Django's own accounts: what happens to the chat at sign-in (E14) and at sign-out (E18)."""

import re

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.kinds import LOGIN, LOGIN_PAGE, Kind, build, converse
from tests.support.startproject import WAIT, Visitor, chat_on

LOGOUT = """
from django.contrib.auth.views import LogoutView
urlpatterns += [path("logout/", LogoutView.as_view(next_page="/help/"))]
"""
USERS = """
from django.contrib.auth.models import User
for name in ("ann", "bob"):
    User.objects.create_user(name, password="pw")
"""
QUESTIONS = ["Why is the sky blue?", "And the sea?"]
NOT_SIGNED_IN = 4401


@pytest.fixture(scope="module")
def url(full_python, instructions, start_project, production):
    site = start_project(full_python)
    build(site, Kind(urls=LOGIN + LOGOUT, files={"templates/login.html": LOGIN_PAGE}), instructions.additions)
    site.run("manage.py", "shell", "--no-imports", "-c", USERS)
    with site.served(*production) as url:
        yield url


def sign_in(visitor, name):
    visitor.sign_in("/login/", username=name, password="pw")
    return visitor


def test_e14_what_two_browsers_have_begun_moves_to_the_account_at_sign_in(url):
    browsers = [sign_in(converse(url, "/help/", question), "ann") for question in QUESTIONS]
    pages = set(re.findall(r'href="(/chat/[\w-]+/)"', browsers[0].get("/chat/")[1]))
    for browser in browsers:
        for question in QUESTIONS:
            assert ["user", "assistant"] in [browser.roles_of(question, page) for page in pages], (question, pages)
    assert browsers[0].ask("Still there?", "/help/")[-1]["type"] == "end"
    assert sign_in(Visitor(url), "bob").roles_of(QUESTIONS[0], "/help/") == []


def test_e18_signing_out_closes_the_sockets_and_the_next_visitor_of_the_browser_finds_nothing(url):
    visitor = sign_in(Visitor(url), "bob")
    assert visitor.ask("A secret?", "/help/")[-1]["type"] == "end"
    with visitor.connected(chat_on(visitor.get("/help/")[1])["path"]) as socket:
        visitor.post("/login/", "/logout/")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(WAIT)
    assert closed.value.rcvd.code == NOT_SIGNED_IN
    assert visitor.roles_of("A secret?", "/help/") == []
    assert sign_in(visitor, "bob").roles_of("A secret?", "/help/") == ["user", "assistant"]
