"""A site whose visitors sign up and in by django-allauth: what they have asked before comes along (E14)."""

import re

import pytest

from tests.support.kinds import Kind, build, converse
from tests.support.startproject import Visitor

SETTINGS = """
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend", "allauth.account.auth_backends.AuthenticationBackend"
]
ACCOUNT_EMAIL_VERIFICATION = "none"
LOGIN_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = "/help/"
"""
URLS = """
from django.urls import include
urlpatterns += [path("accounts/", include("allauth.urls"))]
"""
FIRST, SECOND = "Why is the sky blue?", "And the sea?"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def url(python, instructions, start_project, production):
    site = start_project(python)
    build(site, Kind(settings=SETTINGS, urls=URLS), instructions.additions)
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    with site.served(*production) as url:
        yield url


def test_e14_conversations_come_along_at_sign_up_and_again_at_sign_in(url):
    visitor = converse(url, "/help/", FIRST)
    fields = {"username": "ann", "email": "ann@b.example", "password1": PASSWORD, "password2": PASSWORD}
    visitor.post("/accounts/signup/", "/accounts/signup/", **fields)
    assert visitor.roles_of(FIRST, "/help/") == ["user", "assistant"]
    visitor.post("/accounts/logout/", "/accounts/logout/")
    assert visitor.roles_of(FIRST, "/help/") == []

    other = converse(url, "/help/", SECOND)
    other.post("/accounts/login/", "/accounts/login/", login="ann", password=PASSWORD)
    pages = set(re.findall(r'href="(/chat/[\w-]+/)"', other.get("/chat/")[1]))
    for question in (FIRST, SECOND):
        assert ["user", "assistant"] in [other.roles_of(question, page) for page in pages]
    assert Visitor(url).roles_of(FIRST, "/help/") == []
