"""The chat in kinds of sites that exist already, each made from a new project, served, and asked as a visitor does."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import django
import pytest

from tests.faults.services import wait_until
from tests.support.kinds import KINDS, build, converse
from tests.support.startproject import Visitor

SINCE_DJANGO_6 = pytest.mark.skipif(django.VERSION < (6,), reason="Django has SECURE_CSP since 6.0.")
CASES = [pytest.param(name, marks=SINCE_DJANGO_6 if name == "e10-secure-csp" else ()) for name in KINDS]
TABLES = "from django.db import connection as c; print([t for t in c.introspection.table_names() if 'llm_chat' in t])"
ITSELF = """

async def itself(request):
    return render(request, "help.html")

urlpatterns += [path("itself/", itself)]
"""


@pytest.fixture
def site_of(full_python, instructions, start_project):
    """Make a site of a kind."""

    def site_of(name):
        site = start_project(full_python)
        build(site, KINDS[name], instructions.additions)
        return site

    return site_of


def sign_in_and_ask(visitor):
    visitor.sign_in("/login/", username="a@b.example", password="pw")
    visitor.ask("And who am I?", "/help/")
    assert visitor.roles_of("And who am I?", "/help/") == ["user", "assistant"]


def own_socket(visitor):
    with visitor.connected("/ws/echo/") as socket:
        socket.send("Hello")
        assert socket.recv(10) == "Hello"


def times(visitor):
    shown = re.findall(r'<time class="llm-chat-time" datetime="([^"]+)"', visitor.get("/help/")[1])
    assert len(shown) == 2
    for time in map(datetime.fromisoformat, shown):
        assert time.utcoffset() == timedelta(hours=5, minutes=45)
        assert abs(datetime.now(UTC) - time) < timedelta(minutes=2)


def form(visitor):
    visitor.post("/chat/form/", "/chat/form/", id="m1", text="By form?")
    answered = ["user", "assistant"]
    wait_until(lambda: visitor.roles_of("By form?", "/chat/form/") == answered, "The form was not answered.")


def nonces(visitor):
    headers, page = visitor.headers("/help/")
    policy = headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert "'strict-dynamic'" in policy
    tags = re.findall(r"<(?:script|link)\b[^>]*>", page)
    assert len(tags) > 5
    assert {html.unescape(re.search(r'nonce="([^"]+)"', tag)[1]) for tag in tags} == {nonce}


def made_again(site):
    """The tables can be removed and made again."""
    assert "OK" in site.run("manage.py", "migrate", "llm_chat", "zero")
    assert site.run("manage.py", "shell", "--no-imports", "-c", TABLES).strip() == "[]"
    assert "OK" in site.run("manage.py", "migrate", "llm_chat")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")


CHECKS = {
    "e06-around": own_socket,
    "e06-router": own_socket,
    "e10-django-csp": nonces,
    "e10-secure-csp": nonces,
    "e11-naive-times": times,
    "e12-atomic-requests": form,
}
"""What more must hold in a site of a kind."""


@pytest.mark.parametrize("name", CASES)
def test_a_visitor_chats_in_a_site_of_this_kind(site_of, production, name):
    site, kind = site_of(name), KINDS[name]
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")
    with site.served(*production) as url:
        visitor = converse(url, kind.path)
        if name in CHECKS:
            CHECKS[name](visitor)
        if kind.users:
            sign_in_and_ask(Visitor(url))
    assert [role for role, _, _ in site.stored()][:2] == ["user", "assistant"]
    if name == "e17-auto-field":
        made_again(site)


def test_e13_an_async_view_that_renders_the_tag_itself_says_what_to_do(site_of, production):
    site = site_of("e13-async-view")
    site.add({"mysite/urls.py": ITSELF})
    with pytest.raises(AssertionError, match="SynchronousOnlyOperation"), site.served(*production) as url:
        with pytest.raises(HTTPError) as failed:
            Visitor(url).get("/itself/")
        assert "await sync_to_async(render)(request, ...)" in html.unescape(failed.value.read().decode())
