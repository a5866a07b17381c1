"""A site made by ``wagtail start``, with its catch-all and without an ``asgi.py`` (E02)."""

import re

import pytest

from tests.reuse.conftest import KEY
from tests.support.environments import ROOT
from tests.support.kinds import converse
from tests.support.startproject import Site, Visitor

SECTION = re.search(r"^## Existing sites\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[1]
ASGI, URLS = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)[:2]
QUIET = ("-W", "ignore:The EMAIL_BACKEND setting is deprecated")
"""What Wagtail's own settings have, of which Django 6.1 warns."""
START = "from wagtail.bin.wagtail import main; main()"


@pytest.fixture(scope="module")
def site(python, instructions, upstream, tmp_path_factory):
    """A new Wagtail site with what the README says for one, and the chat on its home page."""
    site = Site(python, tmp_path_factory.mktemp("wagtail"), OPENAI_API_KEY=KEY, OPENAI_BASE_URL=upstream.url)
    site.succeed("-c", START, "start", "mysite", ".")
    site.add({"mysite/settings/base.py": instructions.additions["mysite/settings.py"], "mysite/urls.py": URLS})
    assert not (site.path / "mysite" / "asgi.py").exists()
    site.write("mysite/asgi.py", ASGI.replace("mysite.settings", "mysite.settings.dev"))
    home = site.path / "home" / "templates" / "home" / "home_page.html"
    home.write_text(home.read_text().replace("{% block content %}", "{% block content %}" + instructions.template))
    site.succeed("manage.py", "migrate")
    return site


def test_e02_django_finds_nothing_wrong(site):
    assert "no issues" in site.succeed("manage.py", "check", "--fail-level", "WARNING")


def test_e02_a_visitor_chats_on_a_page_of_wagtails_and_on_that_of_the_chat(site, production):
    with site.served(*QUIET, *production) as url:
        visitor = converse(url, "/")
        assert visitor.roles_of("Why is the sky blue?", "/chat/default/") == ["user", "assistant"]
        assert "<llm-chat " in Visitor(url).get("/chat/")[1]
        assert "wagtail" in visitor.get("/admin/login/")[1].lower()
