"""The kinds of parts, in every place that uses their table; and a new kind."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat.backends.base import Content
from chat.parts import (
    CHUNKS,
    KINDS,
    REASONING,
    TEXT,
    TOOL,
    ReasoningPart,
    TextPart,
    exported,
    kind_of,
    started_by,
    text_of,
)

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "chat" / "templates" / "llm_chat" / "parts"

PARTS = """
class RefusalStart(PartStart, tag="data-refusal-start", frozen=True):
    pass


class RefusalDelta(PartDelta, tag="data-refusal-delta", frozen=True):
    pass


class RefusalEnd(PartEnd, tag="data-refusal-end", frozen=True):
    pass


class RefusalPart(msgspec.Struct, frozen=True, tag="refusal", tag_field="type"):
    text: str


"""
KIND = (
    'REFUSAL = Kind("refusal", RefusalPart, RefusalStart, RefusalDelta, RefusalEnd,'
    " is_text=False, export=lambda text: f'> {text}')\n\n"
)
CHANGES = {
    "parts.py": [
        ("StreamedPart = TextPart | ReasoningPart", f"{PARTS}StreamedPart = TextPart | ReasoningPart | RefusalPart"),
        ("KINDS = {", f"{KIND}KINDS = {{"),
        ("(TEXT, REASONING)", "(TEXT, REASONING, REFUSAL)"),
    ],
    "backends/base.py": [
        ("import REASONING, TEXT", "import REASONING, REFUSAL, TEXT"),
        ("class Loading(", "class Refusal(Content, frozen=True, gc=False):\n    kind = REFUSAL\n\n\nclass Loading("),
    ],
    "backends/openai/completions.py": [
        ("import BackendError, Reasoning, Text", "import BackendError, Reasoning, Refusal, Text"),
        (
            "            if text := delta.content or delta.refusal:\n                self._say(Text, text, deltas)\n",
            "            if delta.content:\n                self._say(Text, delta.content, deltas)\n"
            "            if delta.refusal:\n                self._say(Refusal, delta.refusal, deltas)\n",
        ),
    ],
}
"""The changes for a new kind of part, besides its template."""

TEMPLATE = """<llm-chat-part data-part="{{ part.index }}"><aside data-blocks>
{% for block in part.blocks %}<div class="llm-chat-block">{{ block }}</div>{% endfor %}</aside></llm-chat-part>"""


def changed(old, new):
    """List the files that differ between two folders, or are in only one of them."""
    compared = filecmp.dircmp(old, new, ignore=["__pycache__"])
    names = compared.diff_files + compared.left_only + compared.right_only
    deeper = [f"{name}/{path}" for name in compared.common_dirs for path in changed(old / name, new / name)]
    return names + deeper


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the app with a new kind of part."""
    copy = tmp_path_factory.mktemp("copy") / "chat"
    shutil.copytree(ROOT / "chat", copy, ignore=shutil.ignore_patterns("__pycache__", "static", "locale"))
    for name, replacements in CHANGES.items():
        text = (copy / name).read_text()
        for old, new in replacements:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        (copy / name).write_text(text)
    (copy / "templates" / "llm_chat" / "parts" / "refusal.html").write_text(TEMPLATE)
    return copy


@pytest.fixture(scope="module")
def seen(copy):
    """The results of every stage for an answer with a part of the new kind."""
    script = ROOT / "tests" / "support" / "new_part.py"
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=copy.parent, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_has_a_template_and_a_delta(kind):
    assert (TEMPLATES / f"{kind.name}.html").is_file()
    assert [delta.kind for delta in Content.__subclasses__()].count(kind) == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_part_is_known_by_its_class_and_by_the_chunk_that_begins_it(kind):
    assert kind_of(kind.part("Hi")) is kind
    assert started_by(kind.start("0")) is kind
    assert started_by(kind.delta("0", "Hi")) is None
    assert {kind.start, kind.delta, kind.end} <= set(CHUNKS)


def test_every_template_of_a_part_belongs_to_a_kind():
    assert {path.stem for path in TEMPLATES.iterdir()} == {*KINDS, TOOL}


def test_the_text_of_an_answer_has_no_reasoning():
    parts = [TextPart("One"), ReasoningPart("Hm"), TextPart("Two")]
    assert text_of(parts) == "One\n\nTwo"
    assert exported([{"type": kind_of(part).name, "text": part.text} for part in parts]) == "One\n\nTwo"
    assert (TEXT.is_text, REASONING.is_text) == (True, False)


def test_a_new_kind_of_part_touches_four_files(copy):
    template = "templates/llm_chat/parts/refusal.html"
    ignored = {"static", "locale"}
    assert set(changed(ROOT / "chat", copy)) - ignored == {*CHANGES, template}


def test_a_new_kind_is_streamed_and_replayed_as_its_own_chunks(seen):
    kinds = [chunk["type"] for chunk in seen["chunks"]]
    assert kinds[:5] == ["start", "start-step", "text-start", "text-delta", "text-end"]
    assert kinds[5:9] == ["data-refusal-start", "data-refusal-delta", "data-refusal-delta", "data-refusal-end"]
    assert seen["chunks"][6] == {"type": "data-refusal-delta", "id": "1", "delta": "I cannot "}
    assert seen["redis"]
    assert seen["held"]
    whole = {"type": "data-refusal-delta", "id": "1", "delta": "I cannot *help*."}
    assert seen["replayed"] == [*seen["chunks"][:6], whole, *seen["chunks"][8:]]


def test_a_new_kind_is_stored_and_is_text_only_if_its_row_says_so(seen):
    parts = [("text", "Well."), ("refusal", "I cannot *help*."), ("text", "Sorry.")]
    assert [(part["type"], part["text"]) for part in seen["parts"]] == parts
    assert seen["text"] == "Well.\n\nSorry."
    assert seen["history"][-1] == {"role": "assistant", "content": "Well.\n\nSorry."}


def test_a_new_kind_is_shown_by_its_template_live_and_later(seen):
    shells = [chunk for chunk in seen["live"] if chunk["type"] == "data-part"]
    (shell,) = (chunk["data"]["html"] for chunk in shells if chunk["data"]["part"] == 1)
    assert "<aside data-blocks>" in shell
    patches = [chunk["data"]["html"] for chunk in seen["live"] if chunk["type"] == "data-patch"]
    assert any("I cannot <em>help</em>." in html for html in patches)
    assert "<aside data-blocks>" in seen["html"]
    assert "I cannot <em>help</em>." in seen["html"]


def test_a_new_kind_is_exported_as_its_row_says(seen):
    assert seen["markdown"].endswith("Well.\n\n> I cannot *help*.\n\nSorry.\n")
    assert seen["json"] == seen["parts"]
