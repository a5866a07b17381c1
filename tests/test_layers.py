"""A module imports only from the rows above it in ``docs/architecture.md``; the rows are held here."""

import ast
from pathlib import Path

import pytest

CHAT = Path(__file__).parent.parent / "chat"
ROWS = [
    ["__init__"],
    ["conf", "text", "version"],
    ["asgi"],
    ["chunks"],
    ["language", "limits"],
    ["owners", "protocol"],
    ["rendering"],
    ["models"],
    ["database", "store"],
    ["backends"],
    ["events", "logs"],
    ["runs"],
    ["presentation", "composing"],
    ["live_parts"],
    ["live"],
    ["readers"],
    ["replies"],
    ["consumers"],
    ["views", "health", "templatetags", "admin", "checks", "management"],
    ["origin", "lifespan"],
    ["routing", "urls", "apps", "uvicorn"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
MODULES = sorted(path for path in CHAT.rglob("*.py") if "migrations" not in path.parts)


def room(path):
    """The top-level module of the app that a file belongs to."""
    return path.relative_to(CHAT).parts[0].removesuffix(".py")


def imported(path):
    """The top-level modules of the app that a file imports."""
    package = ["chat", *path.relative_to(CHAT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                full = [*base, *name.split(".")]
                if len(full) > 1:
                    yield full[1]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(name.split(".")[0] == "chat" for name in names), f"{path} imports the app by its name"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(CHAT)))
def test_a_module_imports_only_from_above(path):
    assert room(path) in RANK, f"{room(path)} has no row"
    for name in imported(path):
        assert RANK[name] <= RANK[room(path)], f"{path.relative_to(CHAT)} imports {name} from below"


def test_only_conf_reads_the_settings():
    for path in MODULES:
        if path.name != "conf.py":
            assert "django.conf" not in path.read_text(), path
