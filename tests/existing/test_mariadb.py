"""A site on MariaDB: all tables, a conversation, what is done with it, and the way back (E17)."""

import re

import pytest

from tests.support.kinds import Kind, build, converse
from tests.support.mariadb import running
from tests.support.startproject import Visitor

READ = "from llm_chat.models import Message; print(list(Message.objects.order_by('id').values_list('role', 'status')))"


@pytest.fixture(scope="module")
def site(python, instructions, start_project, mariadbd, tmp_path_factory):
    with running(mariadbd, tmp_path_factory.mktemp("mariadb")) as settings:
        site = start_project(python)
        build(site, Kind(settings=settings), instructions.additions)
        yield site


def shell(site, code):
    return site.run("manage.py", "shell", "--no-imports", "-c", code)


def test_e17_visitors_chat_search_rename_and_delete_on_mariadb(site, production):
    assert "no issues" in site.run("manage.py", "check", "--database", "default", "--fail-level", "WARNING")
    with site.served(*production) as url:
        visitor = converse(url, "/help/", "Why is the sky blue 🙂?")
        assert "Why is the sky blue" in visitor.get("/chat/?q=sky+blue")[1]
        visitor.post("/chat/default/options/", "/chat/default/rename/", title="A title 🙂")
        assert "A title 🙂" in visitor.get("/chat/")[1]
        visitor.post("/chat/default/options/", "/chat/default/delete/", confirm="on")
        assert "A title 🙂" not in Visitor(url).get("/chat/")[1]
        assert visitor.roles_of("Why is the sky blue", "/help/") == []
        converse(url, "/help/", "And the sea?")
    assert re.search(r"\('user', 'complete'\), \('assistant', 'complete'\)\]$", shell(site, READ).strip())


def test_e17_the_tables_on_mariadb_are_removed_and_made_again(site):
    assert "OK" in site.run("manage.py", "migrate", "llm_chat", "zero")
    assert "OK" in site.run("manage.py", "migrate", "llm_chat")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")
