"""The bicycle shop that docs/assistants.md builds from nothing, file by file, in a site with the installed package."""

import re

import pytest

from tests.support import examples

CELERY = """def shared_task(function=None, **options):
    return function or (lambda function: function)
"""
"""In place of the package, which the site does not have: its tests call tasks as functions."""

ASYNCIO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture(scope="module")
def site(full_python, instructions, start_project):
    """A new project with the README's lines, and then the files of the page."""
    site = start_project(full_python)
    site.add(instructions.additions)
    site.run("manage.py", "startapp", "shop")
    files = examples.files()
    site.add({name: text for name, text in files.items() if name.startswith("mysite/")})
    for name, text in files.items():
        if not name.startswith("mysite/"):
            (site.path / name).parent.mkdir(parents=True, exist_ok=True)
            site.write(name, text)
    site.write("celery.py", CELERY)
    for package in ("management", "management/commands"):
        site.write(f"shop/{package}/__init__.py", "")
    site.run("manage.py", "makemigrations", "shop")
    return site


def test_django_finds_nothing_wrong(site):
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")


def test_its_tests_pass(site):
    shown = site.succeed("manage.py", "test", "shop.tests")
    assert re.search(r"^Ran 4 tests.*\n\nOK$", shown, re.MULTILINE), shown


def test_its_tests_for_pytest_pass(site):
    options = ("-p", "no:cacheprovider", "-W", "error", "--ds", "mysite.settings", *ASYNCIO)
    assert "2 passed" in site.succeed("-m", "pytest", *options, "shop/test_support.py")
    assert "6 passed" in site.succeed("-m", "pytest", *options, "shop/test_python.py")
