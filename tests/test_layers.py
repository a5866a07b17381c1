"""A module imports only from the rows above it in ``docs/architecture.md``; the rows are held here."""

import ast
import re
from pathlib import Path

import pytest

CHAT = Path(__file__).parent.parent / "chat"
ROWS = [
    ["__init__", "html/__init__", "sockets/__init__"],
    ["importing", "forking", "prometheus"],
    ["setting"],
    ["tokens", "prices", "limits", "retention"],
    ["conf", "errors", "moments", "text", "answer"],
    ["asgi", "addresses", "claims", "beginnings", "signals"],
    ["chunks"],
    ["endings", "parts", "sources"],
    ["html/language", "html/version", "sockets/limits"],
    ["html/markdown"],
    ["models", "managers", "ledger"],
    ["owners"],
    ["db"],
    ["identity", "visitors"],
    ["backends"],
    ["layer", "wsgi"],
    ["events", "streams"],
    ["assistants"],
    ["engine"],
    ["html/messages", "html/calls", "html/data", "html/form", "html/excerpts", "html/model_name", "html/thinking"],
    ["html/widget", "html/heading"],
    ["html/message_chunks"],
    ["html/live_parts", "html/live_calls"],
    ["html/live"],
    ["sockets/received", "sockets/sent"],
    ["sockets/following"],
    ["sockets/requests"],
    ["sockets/page_requests"],
    ["consumers"],
    ["api"],
    ["views", "doctor", "health", "metrics", "templatetags", "admin", "checks", "management", "testing"],
    ["origin", "lifespan"],
    ["routing", "urls", "apps", "uvicorn"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
MODULES = sorted(path for path in CHAT.rglob("*.py") if "migrations" not in path.parts)
DEEPER = ("html", "sockets")
"""The rooms whose modules have rows of their own."""


def room(path):
    """Return the name in ``ROWS`` of a file of the app."""
    return named(path.relative_to(CHAT).with_suffix("").parts)


def named(parts):
    """Return the name in ``ROWS`` of a module, given the parts of its path below the app."""
    return "/".join(parts[: 2 if parts[0] in DEEPER else 1])


def imported(path):
    """Yield the modules of the app that a file imports, by their names in ``ROWS``."""
    package = ["chat", *path.relative_to(CHAT).parts[:-1]]
    for node in _nodes(ast.parse(path.read_text()), lazy=path == CHAT / "__init__.py"):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                module = [*base[1:], *(node.module.split(".") if node.module else []), alias.name]
                yield named(module)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] == "chat" for name in names), f"{path} imports the app by its name"


def _nodes(tree, *, lazy):
    """Yield the nodes of a module; of a ``lazy`` one, not those that only checks of types see."""
    for node in tree.body if lazy else [tree]:
        if not (lazy and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from ast.walk(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHAT)))
def test_a_module_imports_only_from_above(path):
    assert room(path) in RANK, f"{room(path)} has no row"
    for name in imported(path):
        assert RANK[name] <= RANK[room(path)], f"{path.relative_to(CHAT)} imports {name} from below"


def test_only_conf_reads_the_settings():
    for path in MODULES:
        if path.name != "conf.py":
            assert "django.conf" not in path.read_text(), path


WIRE = {"sockets/received", "sockets/sent"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHAT)))
def test_only_sockets_and_the_consumer_know_the_wire_format(path):
    if not room(path).startswith(("sockets/", "consumers")):
        assert WIRE.isdisjoint(imported(path)), f"{path.relative_to(CHAT)} imports the wire format"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHAT)))
def test_no_string_in_a_module_is_a_dotted_path_of_the_app(path):
    """The package is ``llm_chat`` in the wheel: paths come from ``__name__`` and ``__package__``."""
    modules = "|".join(sorted({name.split("/")[0] for name in RANK}))
    nodes = list(ast.walk(ast.parse(path.read_text())))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    docs = {node.value.value for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    assert [text for text in texts - docs if re.search(rf"(?<![\w/])chat\.(?:{modules})\b", text)] == []
