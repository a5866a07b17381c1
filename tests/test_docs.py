"""The README and the docs, checked against the code."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from chat.backends.local import LocalBackend
from chat.backends.openai import OpenAIBackend
from chat.errors import ERRORS
from chat.templatetags import llm_chat
from chat.templatetags.llm_chat import chat_widget
from scripts import settings_table
from tests.test_layers import MODULES, RANK, named, room

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TEMPLATES = (ROOT / "docs" / "templates.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
WIDGET = "\n#" + (ROOT / "docs" / "widget.md").read_text()
PAGE = (ROOT / "docs" / "page.md").read_text()
SCRIPTS = "".join(path.read_text() for path in sorted((ROOT / "chat" / "static").rglob("*.js")))


def rows(text, heading):
    """Return the rows of the first table under a heading, as lists of cells."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"\|---.*\n((?:\|.*\n?)+)", section)
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in table[1].strip().splitlines()]


def test_the_table_of_settings_matches_the_code():
    assert settings_table.table() in README, "run python scripts/settings_table.py"


BACKENDS = (ROOT / "docs" / "backends.md").read_text()


@pytest.mark.parametrize("backend", [OpenAIBackend, LocalBackend], ids=lambda backend: backend.__name__)
def test_every_option_of_a_backend_is_documented_with_its_default(backend):
    section = BACKENDS.split(f".{backend.__name__}`", 1)[1].split("\n`llm_chat.backends.", 1)[0].split("\n## ", 1)[0]
    parameters = inspect.signature(backend).parameters.values()
    options = {option.name: option.default for option in parameters if option.kind is option.KEYWORD_ONLY}
    shown = dict(re.findall(r"`(\w+)` \(`?([^`):,]+?)`?(?: s)?[):]", section))
    assert [name for name in options if f"`{name}`" not in section] == []
    assert shown.keys() >= {name for name, default in options.items() if default not in (None, inspect.Parameter.empty)}
    for name, default in options.items():
        if name in shown and default not in (None, inspect.Parameter.empty):
            assert ast.literal_eval(shown[name]) == default, name


@pytest.mark.parametrize("path", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_every_module_that_the_docs_name_exists(path):
    folders = ("chat", "chatproject", "example", "scripts", "tests")
    there = [ROOT / "manage.py", *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]
    for name in re.findall(r"`([\w/]+\.py)", path.read_text()):
        assert name.startswith("mysite/") or any(f"/{file}".endswith(f"/{name}") for file in there), name


def test_every_error_code_is_documented_with_its_sentence():
    assert {code.strip("`"): sentence for code, sentence in rows(PROTOCOL, "Error codes")} == {
        code: kind.sentence for code, kind in ERRORS.items()
    }


def test_every_template_of_the_app_is_documented():
    folder = ROOT / "chat" / "templates" / "llm_chat"
    shown = {
        name for names, *_ in rows(TEMPLATES, "Which template shows what") for name in re.findall("`(.*?)`", names)
    }
    assert shown == {str(path.relative_to(folder)) for path in folder.rglob("*.html")}


def test_every_custom_property_is_documented():
    style = (ROOT / "chat" / "static" / "llm_chat" / "chat.css").read_text()
    style += (ROOT / "chat" / "static" / "llm_chat" / "widget.css").read_text()
    tables = [*rows(TEMPLATES, "Colours, fonts and sizes"), *rows(WIDGET, "Appearance")]
    shown = {name for names, *_ in tables for name in re.findall("`(.*?)`", names)}
    assert shown == set(re.findall(r"var\((--llm-chat-[a-z-]+)", style))


def test_every_argument_and_event_of_the_widget_is_documented():
    parameters = inspect.signature(chat_widget).parameters
    shown = {name.strip("`") for name, _ in rows(WIDGET, "The widget")}
    assert shown - {"the first one"} == {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    script = (ROOT / "chat" / "static" / "llm_chat" / "widget.js").read_text()
    told = {f"llm-chat:{name}" for name in re.findall(r'#dispatch\("([a-z]+)"\)', script)}
    assert {name.strip("`") for name, _ in rows(WIDGET, "Opening it from your site")} == told


def test_every_element_of_the_page_is_described():
    described = {name for names, *_ in rows(PAGE, "Elements") for name in re.findall("`(llm-chat[a-z-]*)`", names)}
    assert described == set(re.findall(r'\.define\("([a-z-]+)"\)', SCRIPTS)) - {"llm-chat-element"}


def test_every_event_of_the_page_is_described_typed_and_dispatched():
    described = re.findall(r"^\| `(chat:[a-z]+)`", PAGE, re.MULTILINE)
    assert len(described) == len(set(described))
    types = (ROOT / "types" / "chat.d.ts").read_text()
    assert set(described) == set(re.findall(r'^  "(chat:[a-z]+)":', types, re.MULTILINE))
    assert set(described) == set(re.findall(r'(?:tell|new CustomEvent)\(\s*"(chat:[a-z]+)"', SCRIPTS))


def test_every_command_in_the_readme_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {word for line in re.findall(r"^make ([a-z -]+)", README, re.MULTILINE) for word in line.split()}
    assert shown
    assert shown <= targets


def test_every_package_that_the_site_needs_is_listed_in_the_readme():
    needed = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    shown = {name for names, _ in rows(README, "Dependencies") for name in names.split(", ")}
    assert set(needed) <= shown


def test_every_command_in_contributing_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(r"(?:tests|scripts)/[\w/]+\.py", text):
        assert (ROOT / path).is_file(), path
    for path, chosen in re.findall(r"pytest (\S+) -k (\w+)", text):
        assert re.search(rf"def test_\w*{chosen}", (ROOT / path).read_text()), (path, chosen)


def test_every_variable_of_the_site_is_documented():
    settings = "".join(path.read_text() for path in (ROOT / "chatproject").glob("*.py"))
    read = set(
        re.findall(r'(?:text|flag|words|trusted_origins|secret_key|database|channel_layers)\("([A-Z_]+)"', settings)
    )
    assert read
    assert [name for name in sorted(read) if f"`{name}`" not in README] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_into_the_project_leads_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def headings(path):
    """Return the anchors of a page's headings, as they are made where it is shown."""
    lines = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_there(path):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", path.read_text()):
        assert anchor in headings(path.parent / target if target else path), f"{target}#{anchor}"


def test_the_index_names_every_page_with_a_sentence():
    index = ROOT / "docs" / "README.md"
    listed = re.findall(r"^- \[([\w-]+\.md)\]\(\1\): .+\.$", index.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted({path.name for path in index.parent.glob("*.md")} - {index.name})


def test_every_tag_is_described_with_its_arguments_and_their_defaults():
    text = (ROOT / "docs" / "tags.md").read_text()
    assert set(re.findall(r"^## `\{% (\w+) %\}`$", text, re.MULTILINE)) == set(llm_chat.register.tags)
    for name in llm_chat.register.tags:
        parameters = inspect.signature(getattr(llm_chat, name)).parameters.values()
        named = [
            one for one in parameters if one.name not in ("context", "content") and one.kind is not one.VAR_KEYWORD
        ]
        described = rows(text, f"`{{% {name} %}}`") if named else []
        assert {cells[0].strip("`"): cells[1].strip("`") for cells in described} == {
            one.name: "required" if one.default is one.empty else repr(one.default).replace("'", '"') for one in named
        }


def test_no_page_has_a_placeholder_and_the_readme_starts_with_the_commands_for_a_checkout():
    for page in PAGES:
        assert re.findall(r"ADDRESS-|PATH/TO|OWNER/|/REPO\b|example\.com|TODO|YOUR-", page.read_text()) == [], page
    assert "\nIn a checkout of this repository:\n\n```sh\nmake run" in README.split("\n## ")[0]


def test_the_table_of_modules_has_the_rows_of_the_layers():
    text = (ROOT / "docs" / "architecture.md").read_text()
    order = [
        named(name.removesuffix(".py").strip("/").split("/"))
        for cell, _ in rows(text, "Modules")
        for name in re.findall(r"`(?:chat/)?([a-z_/]+(?:\.py)?)`", cell)
    ]
    packages = {"html/__init__", "sockets/__init__"}
    assert set(order) == set(RANK) - packages == {room(path) for path in MODULES} - packages
    assert [RANK[name] for name in order] == sorted(RANK[name] for name in order)


def test_every_fault_is_documented_with_the_tests_that_show_it():
    shown = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    paths = (ROOT / "tests").rglob("test_*.py")
    there = {name for path in paths for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert shown - there == set()
    assert {name for name in there if re.match(r"test_f\d\d_", name)} - shown == set()


CLIENTS = {"F46", "F47", "F48", "F49", "F51", "F52"}
ATTACKS = {"S01", "S02", "S05", "S06", "S08", "S09", "S10", "S11", "S13", "S14", "S17"}


@pytest.mark.parametrize(("heading", "ids"), [("Clients", CLIENTS), ("Security", ATTACKS)])
def test_every_fault_of_clients_and_every_attack_has_a_test_with_its_id(heading, ids):
    listed = rows((ROOT / "docs" / "reliability.md").read_text(), heading)
    there = set(
        re.findall(r"def (test_\w+)", "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py")))
    )
    assert {row[0] for row in listed if re.fullmatch(r"[A-Z]\d\d", row[0])} == ids
    for number in ids:
        named = re.findall(r"`(test_\w+)`", " ".join(row[-1] for row in listed if row[0] == number))
        assert [name for name in named if name.startswith(f"test_{number.lower()}_") and name in there], number
