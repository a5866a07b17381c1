"""The examples of the README and the docs run in a site with the installed package."""

import json
import re

import pytest

from tests.support import examples
from tests.support.environments import ROOT

EXAMPLES = {
    **{where: ("python", code) for where, code in examples.blocks("python").items()},
    **{where: ("django", code) for where, code in examples.blocks("django").items()},
    **{name: ("name", name) for name in examples.names()},
    **{extra: ("extra", extra) for extra in examples.extras()},
}
OLD = """from mysite.settings import *
CHAT = {"BACKENDS": {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend"}}}
"""


@pytest.fixture(scope="module")
def site(full_python, instructions, start_project):
    """A new project with the README's lines in it."""
    site = start_project(full_python)
    site.add(instructions.additions)
    return site


@pytest.fixture(scope="module")
def outcomes(site, instructions):
    """The error of each example, empty if it runs; those that the site already has are not run again."""
    used = {*instructions.additions.values()}
    site.write("examples.json", json.dumps({name: it for name, it in EXAMPLES.items() if it[1] not in used}))
    site.write("runner.py", (ROOT / "tests" / "support" / "example_runner.py").read_text())
    return dict.fromkeys(EXAMPLES, "") | json.loads(site.run("runner.py", "examples.json"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_in_a_site(outcomes, name):
    assert outcomes[name] == ""


def test_no_page_for_sites_has_the_name_of_a_checkout():
    modules = "|".join(path.stem for path in (ROOT / "chat").iterdir() if not path.name.startswith("_"))
    for page in examples.PAGES:
        if page.name != "architecture.md":
            assert re.findall(rf"(?<![\w/.])chat\.(?:{modules})\b", page.read_text()) == [], page


def test_a_backend_by_the_name_of_a_checkout_is_an_error_in_a_site_without_such_an_app(site):
    site.write("mysite/old.py", OLD)
    assert 'so write "llm_chat.backends.scripted.ScriptedBackend".' in site.fail(
        "manage.py", "check", "--settings", "mysite.old"
    )
