"""The built wheel, environments with it, and a model for the sites of these tests."""

import re

import pytest

from tests.support.behaviours import BEHAVIOURS
from tests.support.environments import ROOT, build_wheel, install
from tests.support.startproject import Instructions, Site
from tests.support.upstream import running_upstream

KEY = "sk-made-up"


@pytest.fixture(scope="session")
def instructions():
    return Instructions((ROOT / "README.md").read_text())


@pytest.fixture(scope="session")
def production(instructions):
    """The README's command for production, as ``Site.served`` takes it."""
    return ("-m", *instructions.production, "--host", "127.0.0.1", "--port", "{port}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The project's wheel, built as for a release."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def python(instructions, wheel, tmp_path_factory):
    """The Python of an environment with only what the README's first line installs."""
    name, extra = re.fullmatch(r'python -m pip install "([\w-]+)\[(\w+)\]"\n', instructions.install).groups()
    assert wheel.name.startswith(name.replace("-", "_") + "-")
    return install(wheel, {extra}, tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="session")
def full_python(wheel, tmp_path_factory):
    """The Python of an environment with everything that the examples of README and docs need."""
    tools = ("pytest", "pytest-django", "pytest-asyncio", "django-csp")
    return install(wheel, {"daphne", "uvicorn", "redis"}, tmp_path_factory.mktemp("full"), *tools)


@pytest.fixture(scope="module")
def upstream(instructions):
    """An OpenAI-compatible endpoint with a model of the README's name, which echoes the question."""
    with pytest.MonkeyPatch.context() as patch, running_upstream() as upstream:
        patch.setitem(BEHAVIOURS, instructions.model, BEHAVIOURS["echo"])
        yield upstream


@pytest.fixture(scope="module")
def start_project(upstream, tmp_path_factory):
    """Make a site with ``django-admin startproject``, configured to use the upstream once it has the chat."""

    def start(python: str) -> Site:
        site = Site(python, tmp_path_factory.mktemp("site"), OPENAI_API_KEY=KEY, OPENAI_BASE_URL=upstream.url)
        site.run("-m", "django", "startproject", "mysite", ".")
        return site

    return start
