"""What stands before a release: the tag, the version, the changelog, the built files and the workflows agree."""

import io
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import groups
import pytest
import release
import yaml
from steps import SetUpError

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OF_THE_SYSTEM = {"sudo", "python"}
"""The commands that a fresh machine of GitHub's has."""


@pytest.fixture
def checkout(tmp_path):
    """A project of version 1.2.3, whose changelog dates it."""
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "__init__.py").write_text('"""A chat."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3] - 2030-01-02\n\n- A change.\n")
    return tmp_path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The project's own sdist and wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def packed(folder, wheel, sdist):
    """Put a wheel and an sdist into a folder, named 1.2.3, whose metadata name these versions."""
    with zipfile.ZipFile(folder / "django_llm_chat-1.2.3-py3-none-any.whl", "w") as archive:
        archive.writestr("django_llm_chat-1.2.3.dist-info/METADATA", f"Version: {wheel}\n")
    metadata = f"Version: {sdist}\n".encode()
    with tarfile.open(folder / "django_llm_chat-1.2.3.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("django_llm_chat-1.2.3/PKG-INFO")
        member.size = len(metadata)
        archive.addfile(member, io.BytesIO(metadata))
    return folder


def runs(workflow):
    """The scripts of a workflow's steps, job by job."""
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield [step["run"] for step in job["steps"] if "run" in step]


def used(workflow):
    """The actions that a workflow's steps use."""
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from (step["uses"] for step in job["steps"] if "uses" in step)


def test_a_tag_of_the_version_that_the_changelog_dates_can_be_released(checkout):
    release.check("v1.2.3", checkout)


@pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "v1.2.3 ", ""])
def test_another_tag_is_refused(checkout, tag):
    with pytest.raises(SetUpError, match=r"The tag must be v1\.2\.3"):
        release.check(tag, checkout)


@pytest.mark.parametrize("heading", ["## [1.2.3] - unreleased", "## [Unreleased]", "## [1.2.2] - 2030-01-02"])
def test_a_version_that_the_changelog_does_not_date_is_refused(checkout, heading):
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
    with pytest.raises(SetUpError, match=r"CHANGELOG\.md has no line"):
        release.check("v1.2.3", checkout)


def test_a_package_without_a_version_is_refused(checkout):
    (checkout / "chat" / "__init__.py").write_text("")
    with pytest.raises(SetUpError, match="no __version__"):
        release.check("v1.2.3", checkout)


def test_the_command_line_says_how_it_is_used():
    command = [sys.executable, "scripts/release.py", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "Say which tag: python scripts/release.py check v0.1.0 [FOLDER].\n"


def test_what_is_built_is_this_version(built):
    release.check_built(built)


def test_what_is_built_of_another_version_is_refused(built, checkout):
    with pytest.raises(SetUpError, match=r"must hold django_llm_chat-1\.2\.3"):
        release.check_built(built, checkout)


@pytest.mark.parametrize(("wheel", "sdist"), [("1.2.2", "1.2.3"), ("1.2.3", "1.2.2")])
def test_metadata_of_another_version_is_refused(checkout, tmp_path_factory, wheel, sdist):
    folder = packed(tmp_path_factory.mktemp("dist"), wheel, sdist)
    with pytest.raises(SetUpError, match=r"must name version 1\.2\.3; it names 1\.2\.2"):
        release.check_built(folder, checkout)


def test_the_version_is_written_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"] and "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "chat/__init__.py"


def test_the_changelog_has_the_version():
    assert f"\n## [{release.version()}] - " in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_and_may_only_read(workflow):
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used(workflow))
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_only_what_is_there(workflow):
    for scripts in runs(workflow):
        installed = set()
        for command in (shlex.split(line) for script in scripts for line in script.splitlines()):
            assert command[0] in OF_THE_SYSTEM or os.access(ROOT / command[0], os.X_OK), command
            if command[:3] == ["python", "-m", "pip"]:
                assert all("==" in package for package in command[4:]), command
                installed |= {package.split("==")[0] for package in command[4:]}
            elif command[:2] == ["python", "-m"]:
                assert command[2] in installed, command
            elif command[0] == "python":
                assert (ROOT / command[1]).is_file(), command


def test_only_the_job_that_publishes_may_ask_for_an_identity():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    assert {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})} == {"publish"}
    assert jobs["publish"]["needs"] == "build" and jobs["publish"]["environment"] == "pypi"


def test_the_issue_form_asks_for_what_is_needed_to_look_into_it():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text())
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_every_group_of_tests_is_there():
    named = [
        *groups.GROUPS.values(),
        *groups.SITES_GROUPS.values(),
        *groups.EXISTING_GROUPS.values(),
        *groups.COVERED.values(),
    ]
    chosen = [*groups.SMOKE, *groups.UNITS, *(argument for group in named for argument in group)]
    assert [path for path in chosen if path.startswith("tests") and not (ROOT / path).exists()] == []


def test_the_oldest_pair_is_the_one_that_the_package_promises():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = re.search(r'OLDEST = \("(.*)", "(.*)"\)', (ROOT / "noxfile.py").read_text())
    assert project["requires-python"] == f">={oldest[1]}"
    assert f"django>={oldest[2]}" in project["dependencies"]
