"""Counts the docstrings of functions in ``chat/`` that open with an article or a clause, not with a verb.

    python scripts/docstrings.py             fail, and list them, if there are too many or a public one is missing
    python scripts/docstrings.py --report    print the share, and forty docstrings chosen at random, always by one seed

A docstring says what a function does: "Return the messages that a page is missing", not "The messages that ...".
Standard library only.
"""

import ast
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from steps import ROOT, say

LIMIT = 0.10
OPENERS = {"the", "a", "an", "what", "who", "whether", "how", "one", "where", "so"}
SAMPLE = 40
SEED = 2026
AS_WRITTEN_BY_DJANGO = "migrations"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Documented(NamedTuple):
    """A function or class, with its docstring where it has one."""

    place: str
    """``file:line name``"""
    docstring: str
    function: bool
    public: bool

    @property
    def opens_without_a_verb(self) -> bool:
        first = re.match(r"\W*([A-Za-z]*)", self.docstring)
        return self.function and bool(first) and first[1].lower() in OPENERS


def definitions(folder: Path) -> list[Documented]:
    """Return the functions, methods and classes of all modules below a folder; not those inside of functions."""
    paths = (path for path in sorted(folder.rglob("*.py")) if AS_WRITTEN_BY_DJANGO not in path.parts)
    return [found for path in paths for found in _inside(ast.parse(path.read_text()), path.relative_to(folder.parent))]


def _inside(parent: ast.Module | ast.ClassDef, path: Path, public: bool = True) -> Iterator[Documented]:
    for node in parent.body:
        if isinstance(node, Definition) and not _exempt(node):
            open_here = public and not node.name.startswith("_")
            function = not isinstance(node, ast.ClassDef)
            yield Documented(f"{path}:{node.lineno} {node.name}", ast.get_docstring(node) or "", function, open_here)
            if isinstance(node, ast.ClassDef):
                yield from _inside(node, path, open_here)


def _exempt(node: Definition) -> bool:
    """Tell whether a definition is what Django or Python asks for, or one of several signatures."""
    overload = any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)
    return node.name == "Meta" or (node.name.startswith("__") and node.name.endswith("__")) or overload


def share(found: list[Documented]) -> float:
    """Return how many of the docstrings of functions open without a verb, from 0 to 1."""
    written = [one for one in found if one.function and one.docstring]
    return sum(one.opens_without_a_verb for one in written) / max(1, len(written))


def check(found: list[Documented]) -> list[str]:
    """Return a line for each thing that is wrong: none, if all is well."""
    wrong = [f"{one.place}: a public docstring is missing" for one in found if one.public and not one.docstring]
    if share(found) >= LIMIT:
        wrong += [f"{one.place}: {_first_line(one)}" for one in found if one.opens_without_a_verb]
        wrong.append(f"{share(found):.1%} of the docstrings of functions open without a verb; {LIMIT:.0%} is too many.")
    return wrong


def report(found: list[Documented]) -> list[str]:
    """Return the share, and a sample of docstrings that depends on nothing but them and the seed."""
    written = [one for one in found if one.function and one.docstring]
    lines = [
        f"{len(written)} docstrings of functions, {share(found):.1%} of them open without a verb. {SAMPLE} of them:"
    ]
    sample = random.Random(SEED).sample(written, min(SAMPLE, len(written)))  # noqa: S311 (decides nothing)
    return lines + [f"{one.place}: {_first_line(one)}" for one in sample]


def _first_line(one: Documented) -> str:
    return one.docstring.partition("\n")[0]


def main(arguments: list[str]) -> int:
    """Check or report, as the command line says."""
    found = definitions(ROOT / "chat")
    if arguments == ["--report"]:
        say("\n".join(report(found)))
        return 0
    wrong = check(found)
    say("\n".join(wrong) or f"{share(found):.1%} of the docstrings of functions open without a verb.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
