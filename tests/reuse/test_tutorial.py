"""The app beside a site's own app ``chat``: both have their pages, tables and sockets, in the same process."""

import json
import re

import pytest

from tests.support.startproject import WAIT, Visitor
from tests.support.tutorial import follow_tutorial

QUESTION = "Why is the sky blue?"
PATH = "backends.openai.OpenAIBackend"
OLD = f"""from mysite.settings import *
CHAT = {{"BACKENDS": {{"default": {{"BACKEND": "chat.{PATH}", "OPTIONS": {{"model": "m"}}}}}}}}
"""
OWN_NAMES = """
from importlib.util import find_spec
from llm_chat.backends.local.child import SERVER
from llm_chat.conf import Conf
from llm_chat.importing import import_path
from llm_chat.consumers import logger
print(import_path(Conf.backends.default["default"]["BACKEND"]).__module__, find_spec(SERVER).name, logger.name)
"""


@pytest.fixture(scope="module")
def site(full_python, instructions, start_project):
    """The tutorial's site with the README's lines, changed because it already has ``daphne`` and a path ``chat/``."""
    site = start_project(full_python)
    follow_tutorial(site)
    lines = {name: text.replace('"daphne", ', "") for name, text in instructions.additions.items()}
    site.add(lines | {"mysite/urls.py": lines["mysite/urls.py"].replace('path("chat/"', 'path("assistant/"')})
    site.run("manage.py", "migrate")
    return site


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def url(request, site, instructions):
    """The site's address, served by the README's command for production and by daphne."""
    commands = {
        "uvicorn": [*instructions.production, "--host", "127.0.0.1", "--port", "{port}"],
        "daphne": ["daphne", "-b", "127.0.0.1", "-p", "{port}", "mysite.asgi:application"],
    }
    with site.served("-m", *commands[request.param]) as url:
        yield url


def test_e03_both_apps_pass_the_checks_and_migrate(site):
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")
    shown = site.run("manage.py", "showmigrations")
    assert "[ ]" not in shown
    assert re.search(r"^chat\n \[X\] 0001_initial$", shown, re.MULTILINE)
    assert re.search(r"^llm_chat\n \[X\] 0001_initial$", shown, re.MULTILINE)


def test_e03_both_apps_have_their_pages(url):
    visitor = Visitor(url)
    assert "The lobby" in visitor.get("/chat/")[1]
    room = visitor.get("/chat/lobby/")[1]
    assert "The room lobby" in room
    assert "Welcome to lobby" in room  # by the site's own tag library
    assert "<llm-chat " in visitor.get("/assistant/")[1]


def test_e03_a_visitor_talks_in_a_room_and_asks_the_model(url):
    visitor, other = Visitor(url), Visitor(url)
    with visitor.connected("/ws/chat/lobby/") as socket, other.connected("/ws/chat/lobby/") as listener:
        socket.send(json.dumps({"message": "Hello"}))
        assert json.loads(listener.recv(WAIT)) == json.loads(socket.recv(WAIT)) == {"message": "Hello"}
        frames = visitor.ask(QUESTION, "/assistant/")
        assert frames[-1] == {"type": "end", "requestId": "r1"}
        assert "".join(frame["chunk"].get("delta", "") for frame in frames[:-1]).split() == QUESTION.split()
        listener.send(json.dumps({"message": "Goodbye"}))
        assert json.loads(socket.recv(WAIT)) == {"message": "Goodbye"}


def test_the_app_finds_its_own_modules_by_the_name_that_it_is_installed_under(site):
    names = site.run("manage.py", "shell", "--no-imports", "-c", OWN_NAMES).split()
    assert names == ["llm_chat.backends.local.backend", "llm_chat.backends.local.server", "llm_chat.consumers"]


@pytest.mark.parametrize("command", [["check"], ["runserver", "--noreload", "0"]], ids=["check", "runserver"])
def test_a_backend_by_the_name_of_a_checkout_is_an_error_with_the_right_one(site, command):
    site.write("mysite/old.py", OLD)
    assert (
        f'The backend "chat.{PATH}" cannot be imported: in an installed site the package is "llm_chat", '
        f'so write "llm_chat.{PATH}".'
    ) in site.fail("manage.py", *command, "--settings", "mysite.old")
