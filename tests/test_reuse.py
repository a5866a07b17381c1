"""The app in somebody else's site: the built wheel, a new project, and the lines of the README, word for word."""

import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.behaviours import BEHAVIOURS
from tests.support.startproject import Instructions, Site, Visitor
from tests.support.upstream import running_upstream

ROOT = Path(__file__).resolve().parent.parent
KEY = "sk-made-up"
QUESTION = "Why is the sky blue?"
# What is the site's own business: a page with a template.
HELP = {
    "mysite/settings.py": 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n',
    "mysite/urls.py": (
        "from django.views.generic import TemplateView\n"
        'urlpatterns += [path("help/", TemplateView.as_view(template_name="help.html"))]\n'
    ),
}


@pytest.fixture(scope="session")
def instructions():
    return Instructions((ROOT / "README.md").read_text())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The project, built as it is published."""
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def python(instructions, wheel, tmp_path_factory):
    """The Python of an environment with the wheel, and what its metadata says that the README's first line installs.

    The packages are those of the tests' own environment: pip takes 35 s of CPU for them, which ``.ci/run`` spends.
    """
    environment = tmp_path_factory.mktemp("environment")
    python = str(environment / "bin" / "python")
    succeed(sys.executable, "-m", "venv", "--without-pip", str(environment))
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    name, extra = re.fullmatch(r'python -m pip install "([\w-]+)\[(\w+)\]"\n', instructions.install).groups()
    (own,) = packages.glob(f"{name.replace('-', '_')}-*.dist-info")
    for distribution in required(metadata.Distribution.at(own), {extra}, {}).values():
        for file in distribution.files:
            if ".." not in file.parts:  # commands, which nobody calls here
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                put(Path(file.locate()), target)
    return python


def required(distribution, extras, found):
    """All that a distribution needs with some of its extras, by name."""
    for requirement in map(Requirement, distribution.requires or ()):
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        if (key := (canonicalize_name(requirement.name), frozenset(requirement.extras))) not in found:
            found[key] = metadata.distribution(requirement.name)
            assert requirement.specifier.contains(found[key].version, prereleases=True), requirement
            required(found[key], requirement.extras, found)
    return found


def put(source: Path, target: Path) -> None:
    if not source.is_file() or target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def succeed(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def upstream(instructions):
    """An endpoint of OpenAI's kind, whose model of the README's name says what it was asked."""
    with pytest.MonkeyPatch.context() as patch, running_upstream() as upstream:
        patch.setitem(BEHAVIOURS, instructions.model, BEHAVIOURS["echo"])
        yield upstream


@pytest.fixture(scope="module")
def site(python, instructions, upstream, tmp_path_factory):
    """A new project with the README's lines in it, and a page of its own that shows the chat."""
    site = Site(python, tmp_path_factory.mktemp("site"), OPENAI_API_KEY=KEY, OPENAI_BASE_URL=upstream.url)
    site.run("-m", "django", "startproject", "mysite", ".")
    site.add(instructions.additions)
    site.add(HELP | {"templates/help.html": f"<!doctype html><title>Help</title>{instructions.template}"})
    return site


@pytest.fixture(scope="module")
def url(site, instructions):
    """The site's address, once the README's last lines were run."""
    migrate, serve = (line.removeprefix("python ").split() for line in instructions.start)
    site.run(*migrate)
    with site.served(*serve) as url:
        yield url


def test_the_wheel_has_every_file_of_the_app_and_nothing_else(wheel):
    paths = [path.relative_to(ROOT) for path in (ROOT / "chat").rglob("*") if path.is_file()]
    kept = [path for path in paths if "__pycache__" not in path.parts and not path.name.startswith(".")]
    files = {Path("llm_chat", *path.parts[1:]).as_posix() for path in kept}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == files


def test_fewer_than_ten_lines_put_the_chat_into_a_site(instructions):
    assert len(instructions.lines) < 10


def test_django_finds_nothing_amiss_in_the_site(site):
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    assert "No changes" in site.run("manage.py", "makemigrations", "--check", "--dry-run")


def test_every_file_that_the_chat_needs_is_served(url):
    visitor = Visitor(url)
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.get("/help/")[1])
    assert {visitor.get(file)[0] for file in files} == {"text/css", "text/javascript"}


def test_a_visitor_asks_on_the_sites_own_page_and_the_model_answers(url, site, upstream):
    visitor = Visitor(url)
    assert visitor.who_said(QUESTION, "/help/") == []
    frames = visitor.ask(QUESTION, "/help/")
    assert frames[-1] == {"type": "end", "requestId": "r1"}
    answer = "".join(frame["chunk"].get("delta", "") for frame in frames[:-1])
    assert answer.split() == QUESTION.split()
    assert site.stored() == [("user", "complete", QUESTION), ("assistant", "complete", answer)]
    (call,) = upstream.calls
    assert call.body["messages"] == [{"role": "user", "content": QUESTION}]
    assert f"authorization: bearer {KEY}" in call.head.lower()
    for page in ("/help/", "/chat/default/"):
        assert visitor.who_said(QUESTION, page) == ["user", "assistant"]
        assert Visitor(url).who_said(QUESTION, page) == []


def test_visitors_who_ask_at_once_are_all_answered(url):
    # SQLite as startproject sets it up: a transaction begins without a lock, and fails at once where it needs one late.
    def ask(number):
        return Visitor(url).ask(f"Question {number}", "/help/")[-1]["type"]

    with ThreadPoolExecutor(8) as visitors:
        assert list(visitors.map(ask, range(40))) == ["end"] * 40
