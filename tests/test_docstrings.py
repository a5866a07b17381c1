"""The check of docstrings: what it counts, and when it fails."""

import docstrings
import pytest

VERBS = "\n".join(f'def run_{number}():\n    """Run {number}."""\n' for number in range(9))


@pytest.fixture
def package(tmp_path):
    """A package whose modules a test writes."""
    folder = tmp_path / "chat"
    folder.mkdir()

    def write(text, name="module.py"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return docstrings.definitions(folder)

    return write


@pytest.mark.parametrize(
    "opening",
    ["The frames", "A frame", "an answer", "What is", "Who is", "Whether", "How", "One of", "Where", "``So``"],
)
def test_a_docstring_that_opens_without_a_verb_is_counted(package, opening):
    found = package(f'{VERBS}\ndef odd():\n    """{opening} of it."""\n')
    assert docstrings.share(found) == 0.1
    assert docstrings.check(found)[0] == f"chat/module.py:28 odd: {opening} of it."


@pytest.mark.parametrize("opening", ["Return the frames", "Another", "Thereby", "Ask", "Whatever"])
def test_other_openings_are_not_counted(package, opening):
    found = package(f'{VERBS}\ndef even():\n    """{opening} of it."""\n')
    assert docstrings.share(found) == 0


def test_under_a_tenth_is_well(package):
    found = package(f'{VERBS}\ndef run():\n    """Run."""\n\n\ndef odd():\n    """The odd one."""\n')
    assert docstrings.check(found) == []


def test_classes_may_open_with_a_noun_and_their_methods_may_not(package):
    found = package('class Run:\n    """A run."""\n\n    async def end(self):\n        """The end."""\n')
    assert [one.place for one in found if one.opens_without_a_verb] == ["chat/module.py:4 end"]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("def run(): ...\n", ["run"]),
        ("class Run:\n    def end(self): ...\n", ["Run", "end"]),
        ("def _run(): ...\n", []),
        ('class _Run:\n    """A run."""\n\n    def end(self): ...\n', []),
        ('class Run:\n    """A run."""\n\n    class Meta: ...\n\n    def __str__(self): ...\n', []),
        ('def run():\n    """Run."""\n\n    def inner(): ...\n', []),
        ("@overload\ndef run(): ...\n", []),
    ],
)
def test_only_what_others_may_call_needs_a_docstring(package, text, missing):
    assert [line.split()[1].rstrip(":") for line in docstrings.check(package(text))] == missing


def test_migrations_are_left_out(package):
    assert package("def forwards(): ...\n", "migrations/0001_initial.py") == []


def test_the_report_has_the_same_sample_each_time(package):
    text = "\n".join(f'def run_{number}():\n    """Run {number}."""\n' for number in range(100))
    first, *sample = docstrings.report(package(text))
    assert first.startswith("100 docstrings of functions, 0.0% of them")
    assert len(set(sample)) == 40
    assert docstrings.report(package(text)) == [first, *sample]


def test_the_command_reports_and_knows_the_app(capsys):
    assert docstrings.main(["--report"]) == 0
    assert capsys.readouterr().out.count("chat/") >= 40
