"""A site with two assistants: one for everybody, and one for its staff with a tool and a model of its own (E15)."""

import json
import re

import pytest

from tests.support.behaviours import BEHAVIOURS, behaviour, completion, event, events
from tests.support.kinds import LOGIN, LOGIN_PAGE, Kind, build, converse
from tests.support.startproject import Visitor, chat_on

ASSISTANTS = """
from llm_chat.assistants import Assistant, tool


class Public(Assistant):
    instructions = "You help visitors."


class Trial(Assistant):
    def limits(self):
        return {"answers": "1/day"}


class Clerk(Assistant):
    instructions = "You help the staff."
    backend = "clerk"

    def has_permission(self):
        return self.user is not None and self.user.is_staff

    @tool
    def order(self, number: str) -> dict:
        \"\"\"One of the shop's orders.\"\"\"
        return {"number": number, "state": "sent", "asked_by": self.user.username}
"""
SETTINGS = """
INSTALLED_APPS += ["shop"]
OPENAI = "llm_chat.backends.openai.OpenAIBackend"
CHAT = {
    "BACKENDS": {
        "default": {"BACKEND": OPENAI, "OPTIONS": {"model": "echo"}},
        "clerk": {"BACKEND": OPENAI, "OPTIONS": {"model": "clerk"}},
    }
}
"""
URLS = """
urlpatterns += [
    path("public/", TemplateView.as_view(template_name="public.html")),
    path("trial/", TemplateView.as_view(template_name="trial.html")),
    path("staff/", TemplateView.as_view(template_name="staff.html")),
]
"""
USERS = """
from django.contrib.auth.models import User
User.objects.create_user("ann", password="pw")
User.objects.create_user("bob", password="pw", is_staff=True)
"""
QUESTION = "Where is order 7?"
FORBIDDEN = "You may not use this chat."


@pytest.fixture(scope="module", autouse=True)
def clerk():
    """A model that asks for the order in the question, and then says what the tool has returned."""

    async def clerk(call):
        last = call.body["messages"][-1]
        await call.begin()
        if last["role"] == "tool":
            await call.send(*events(json.loads(last["content"])["state"]))
        else:
            number = re.search(r"\d+", last["content"])[0]
            function = {"name": "order", "arguments": json.dumps({"number": number})}
            calls = [{"index": 0, "id": "call_0", "type": "function", "function": function}]
            await call.send(event(completion({"tool_calls": calls})), *events(finish="tool_calls")[1:])
        await call.end()

    behaviour(clerk)
    yield
    del BEHAVIOURS["clerk"]


@pytest.fixture(scope="module")
def site(full_python, instructions, start_project):
    site = start_project(full_python)
    site.run("manage.py", "startapp", "shop")
    pages = {
        f"templates/{page}.html": f'<!doctype html><title>{page}</title>{{% load llm_chat %}}{{% chat "{name}" %}}'
        for page, name in {"public": "public", "staff": "clerk"}.items()
    }
    pages["templates/trial.html"] = '<!doctype html><title>Trial</title>{% load llm_chat %}{% chat_widget "trial" %}'
    settings = {**instructions.additions, "mysite/settings.py": instructions.additions["mysite/settings.py"] + SETTINGS}
    files = {"shop/assistants.py": ASSISTANTS, "templates/login.html": LOGIN_PAGE, **pages}
    build(site, Kind(urls=URLS + LOGIN, files=files, page="<title>Signed in</title>"), settings)
    site.run("manage.py", "shell", "--no-imports", "-c", USERS)
    return site


@pytest.fixture(scope="module")
def url(site, production):
    with site.served(*production) as url:
        yield url


def signed_in(url, name):
    visitor = Visitor(url)
    visitor.sign_in("/login/", username=name, password="pw")
    return visitor


def test_e15_django_finds_nothing_wrong(site):
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")


def test_e15_everybody_talks_with_the_assistant_for_everybody_by_the_first_model(url, upstream):
    converse(url, "/public/", QUESTION)
    assert upstream.calls[-1].body["model"] == "echo"
    assert upstream.calls[-1].body["messages"][0] == {"role": "system", "content": "You help visitors."}


@pytest.mark.parametrize("name", ["", "ann"])
def test_e15_the_page_the_socket_and_the_form_refuse_others_than_the_staff(url, upstream, name):
    visitor, calls = signed_in(url, name) if name else Visitor(url), len(upstream.calls)
    assert re.search(r"<llm-chat [^>]* forbidden>", visitor.get("/staff/")[1])
    (frame,) = visitor.ask(QUESTION, "/staff/")
    assert (frame["type"], frame["code"]) == ("error", "forbidden")
    # An open page of the other assistant's is of no more use.
    attributes = {**chat_on(visitor.get("/public/")[1]), "conversation": "mine", "assistant": "clerk"}
    assert visitor.send(QUESTION, attributes)[-1]["code"] == "forbidden"
    assert visitor.status_of_post("/public/", "/chat/mine/", id="m1", text=QUESTION, assistant="clerk") == 403
    assert visitor.roles_of(QUESTION, "/staff/") == []
    assert len(upstream.calls) == calls


def test_e15_the_staff_asks_and_the_tool_looks_up_the_order(url, upstream):
    visitor = signed_in(url, "bob")
    page = visitor.get("/staff/")[1]
    assert not re.search(r"<llm-chat [^>]* forbidden>", page)
    frames = visitor.ask(QUESTION, "/staff/")
    assert frames[-1]["type"] == "end"
    chunks = [frame["chunk"] for frame in frames[:-1]]
    assert "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta") == "sent"
    assert visitor.roles_of(QUESTION, "/staff/") == ["user"]
    assert visitor.roles_of("sent", "/staff/") == ["assistant"]
    asked, told = upstream.calls[-2:]
    assert [call.body["model"] for call in (asked, told)] == ["clerk", "clerk"]
    assert json.loads(told.body["messages"][-1]["content"]) == {"number": "7", "state": "sent", "asked_by": "bob"}


def test_e15_a_bubble_opens_an_assistant_with_a_quota(url, upstream):
    visitor = Visitor(url)
    bubble = re.search(r'<a class="llm-chat-launcher" href="([^"]+)"', visitor.get("/trial/")[1])[1]
    assert visitor.ask(QUESTION, bubble)[-1]["type"] == "end"
    calls = len(upstream.calls)
    (refused,) = visitor.ask("And order 8?", bubble)
    assert (refused["type"], refused["code"]) == ("error", "limit")
    assert refused["retryAt"]
    assert len(upstream.calls) == calls
    assert visitor.roles_of("And order 8?", bubble) == []
    assert Visitor(url).ask(QUESTION, bubble)[-1]["type"] == "end"
