"""Blocks on the page: nothing is lost, nothing unsafe is shown, and live equals final."""

import re
from collections import Counter
from html import unescape
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import blocks, escape_text, highlight, render, render_live
from chat.html.markdown.highlight import _cache as highlights
from chat.html.markdown.limits import MAX_DEPTH, MAX_FORMULAS, MAX_TEXT
from chat.html.markdown.plain import MAX_PLAIN_BLOCK

from .answers import ANSWERS, CORPUS
from .corpus import ATTACKS, AWKWARD, CODE
from .page import Page, assert_allowed, needed, show

PIECES = [
    *("\n", "\n\n", " ", "    ", "\t", "- ", "1. ", "> ", "# ", "|", "|-|\n", "|a|b|\n|-|-|\n", "```", "```py\n"),
    *("\n```\n", "~~~", "`", "``", "**", "*", "_", "~~", "[", "]", "(", ")", "](", "]:", "[w]: http://d.e\n", "!["),
    *("<", "<b>", "</b>", "<!--", "-->", "<http://q.r>", "http://h.i", "a@b.c", "&amp;", "&nbsp;", "&#8203;", "\\"),
    *("\\(", "\\)", "\\[", "\\]", "$", "$$", "\\frac", "\\text{", "{", "}", "---", "===", "[ ] ", "😀", "中文", "\r\n"),
    *("\\\n", "  \n", '"', "'", ":", "Word", "\ufdd0", "\x00", "\ud800", "<div>\n", "</div>", "javascript:", "\\|"),
]
pieces = st.lists(st.sampled_from(PIECES), max_size=40)


@pytest.fixture(autouse=True)
def empty_caches():
    blocks._finished.clear()
    highlights.clear()


def found(text: str) -> Counter[str]:
    shown = show(render(text)).shown
    return Counter(unescape(unquote(shown))) | Counter(unquote(shown))


def assert_safe(text: str) -> None:
    assert_allowed(show(render(text)).elements)


def test_the_corpus_is_large_enough_to_mean_something():
    assert len(set(AWKWARD)) >= 100
    assert len(set(ATTACKS)) >= 100
    assert len([text for text in set(ANSWERS) if 700 <= len(text) <= 2_500]) >= 16


@pytest.mark.parametrize("text", CORPUS + ATTACKS)
def test_no_visible_character_is_lost(text):
    assert not needed(text) - found(text)


@given(pieces)
def test_no_letter_of_random_markdown_is_lost(parts):
    text = "".join(parts)
    lost = needed(text) - found(text)
    assert not [character for character in lost if character.isalpha()]


@pytest.mark.parametrize("text", CORPUS + ATTACKS)
def test_a_block_is_exactly_one_well_formed_element(text):
    for block in render(text):
        page = Page(block)
        assert (page.roots, page.odd) == (1, [])


@pytest.mark.parametrize("text", CORPUS + ATTACKS)
def test_only_known_tags_attributes_classes_and_addresses_are_shown(text):
    assert_safe(text)


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_cut_at_any_character_stays_harmless(text):
    for end in range(len(text)):
        assert_safe(text[:end])


@given(st.lists(st.sampled_from(PIECES + ATTACKS), max_size=20))
def test_attacks_mixed_with_markdown_stay_harmless(parts):
    assert_safe("".join(parts))


@pytest.mark.parametrize("text", CORPUS + ATTACKS)
def test_rendered_html_can_be_encoded(text):
    assert msgspec.json.decode(msgspec.json.encode(render(text))) == list(render(text))


@pytest.mark.parametrize("text", CORPUS)
def test_live_equals_final_once_the_code_is_highlighted(text):
    for wanted in render_live(text).missing:
        highlight(*wanted)
    assert render_live(text) == (render(text), ())


@given(pieces)
def test_cached_blocks_equal_freshly_rendered_ones(parts):
    text = "".join(parts)
    render(text)
    cached = render(text)
    blocks._finished.clear()
    assert render(text) == cached


def test_only_closed_fences_are_to_be_highlighted():
    live = render_live(f"```python\n{CODE}```\n\n```rust\nfn main() {{}}")
    assert live.missing == (("python", CODE.removesuffix("\n")),)
    assert "<span" not in "".join(live.blocks)


@pytest.mark.parametrize(
    "text",
    [
        "```py\nimport os",
        "```py\nimport os\n",
        "```py\nimport os\n``",
        "````py\nimport os\n```",
        "````py\nimport os\n```\n\n",
        "> ```py\n> import os\n>",
        "> ```py\n> s = 1 ```\n>",
        "- ```py\n  import os\n\n  ",
        "- ```py\n  import os ```\n\n  ",
    ],
)
def test_an_open_fence_is_never_highlighted(text):
    assert "<span" not in "".join(render(text))


@pytest.mark.parametrize(
    "text",
    [
        "```py\nimport os\n```",
        "```py\nimport os\n```   \n\n",
        "````py\nimport os\n````",
        "````py\nimport os\n```\n````",
        "~~~py\nimport os\n~~~~",
        "> ```py\n> import os\n> ```",
        "- ```py\n  import os\n  ```\n  ",
        "1. ```py\n   import os\n\nafter",
    ],
)
def test_a_closed_fence_is_highlighted(text):
    assert '<span class="k">import</span>' in "".join(render(text))


@pytest.mark.parametrize("text", ["`pip` هو", "- `x` هو", "> | `a` هو |\n> |-|"])
def test_code_at_the_beginning_of_a_text_has_its_own_direction(text):
    assert 'dir="ltr"' in render(text)[0]
    assert "dir=" not in render(f"هو {text.strip('->| ')}")[0]


def test_code_is_in_a_box_that_carries_its_language():
    assert render("```Python x.py\n1\n```") == (
        '<llm-chat-box class="llm-chat-code" dir="ltr" data-language="Python" data-info="x.py" data-file="x.py">'
        '<pre><code><span class="m">1</span></code></pre></llm-chat-box>',
    )


@pytest.mark.parametrize(
    ("fence", "name"),
    [
        ("python", "code.py"),
        ("C++", "code.cpp"),
        ("r", "code.r"),
        ("markdown", "code.md"),
        ('js title="src/a.b.js"', "a.b.js"),
        ("python ../../.bashrc v3.11", "code.py"),
        ("unknown", None),
    ],
)
def test_code_carries_the_name_of_a_file(fence, name):
    ((_, attributes), *_) = Page(render(f"```{fence}\n1\n```")[0]).elements
    assert attributes.get("data-file") == name


def test_tables_scroll_and_keep_cells_beyond_their_width():
    (table,) = render("|a|b|\n|-|-|\n|1|2|3|")
    assert table.startswith('<llm-chat-box class="llm-chat-table"><div><table>')
    assert "<td>2|3</td>" in table


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<br />", "<BR>"])
def test_b26_a_br_tag_in_a_cell_is_a_line_break(tag):
    (table,) = render(f"|a|\n|-|\n|b{tag}c|")
    assert "<td>b<br>c</td>" in table


def test_b26_a_br_tag_is_text_in_code_and_outside_of_tables():
    (table, text) = render("|a<br>b `<br>`|\n|-|\n\nc<br>d")
    assert "<th>a<br>b <code>&lt;br&gt;</code></th>" in table
    assert text == "<p>c&lt;br&gt;d</p>"


def test_b26_a_br_tag_is_text_in_a_formula():
    (table,) = render("|a|\n|-|\n|$\\text{b<br>c}$|")
    assert "<mtext>b&lt;br&gt;c</mtext>" in table


def test_tasks_are_check_boxes_that_only_show_their_state_and_have_a_name():
    (tasks,) = render("- [ ] a `b`\n  - [x] c")
    assert re.findall(r'<li class="llm-chat-task"><label><input[^>]*> (.*?)</label>', tasks) == [
        "a <code>b</code>",
        "c",
    ]
    page = Page(tasks)
    assert [attributes for tag, attributes in page.elements if tag == "input"] == [
        {"type": "checkbox", "disabled": ""},
        {"type": "checkbox", "disabled": "", "checked": ""},
    ]


@pytest.mark.parametrize(
    "text",
    ["- [ ] a\n  - b", "- [ ] a\n\n  b", "- [ ] a\n  ```\n  b\n  ```", "- [ ] a\n  > b", "- [ ] a\n  ***\n  b"],
)
def test_the_label_of_a_task_ends_before_the_next_block(text):
    (tasks,) = render(text)
    assert re.search(r"<label>(.*)</label>", tasks, re.DOTALL)[1].endswith(" a")
    assert Page(tasks).odd == []


def test_headings_are_below_that_of_the_message_and_remember_their_level():
    titles = render("\n\n".join(f"{'#' * level} t" for level in range(1, 7)))
    assert [title[:3] for title in titles] == ["<h3", "<h4", "<h5", "<h6", "<h6", "<h6"]
    assert titles[4] == '<h6 data-level="5">t</h6>'


def test_headings_leave_out_no_level_and_do_not_change_when_others_follow():
    text = "## a\n\n#### b\n\n> ## c\n\n# d\n\n### e"
    html = "".join(render(text))
    assert re.findall("<h(.)", html) == ["3", "4", "3", "3", "4"]
    assert html.startswith("".join(render(text.removesuffix("### e"))))


def test_an_image_is_shown_as_its_description_and_a_link():
    (block,) = render("![A cat](https://img.example/cat.png)")
    assert Page(block).text == "A cat (https://img.example/cat.png)"
    assert "<img" not in block


def test_a_refused_address_is_shown_as_text():
    assert show(render("[x](javascript:alert(1))")).text == "x (javascript:alert(1))"


def test_a_reference_is_a_link_and_its_definition_stays_visible():
    first, last = render("See [it][1].\n\n[1]: https://ref.example/ 'Ref'")
    assert '<a href="https://ref.example/"' in first
    assert Page(last).text == "[1]: https://ref.example/ 'Ref'"


def test_raw_html_is_shown_as_text():
    assert show(render("<div>\n  <!-- c -->\n</div>")).text == "<div>\n  <!-- c -->\n</div>"


def test_an_invisible_entity_is_shown_as_its_source():
    assert show(render("a&nbsp;b &copy; `&#8203;` &#8203;")).text == "a&nbsp;b © &#8203; &#8203;"


def test_control_characters_are_shown_as_symbols():
    assert escape_text("\x00\x1b\x7f\ud800\r\n<&\r") == "␀␛␡\ufffd\n&lt;&amp;\n"


@pytest.mark.parametrize(
    "text",
    [
        ">" * 20_000,
        "*a **b " * 5_000 + "c* d**" * 5_000,
        "\n".join("  " * depth + "- a" for depth in range(MAX_DEPTH)),
        "|a" * 500 + "|\n" + "|-" * 500 + "|\n" + "|x\n" * 10_000,
        "|a" * 90 + "|\n" + "|-" * 90 + "|\n" + "|x\n" * 1_000,
        "\\(" * 25_000,
        "http://a.b" + ")" * 50_000,
        "$x$ " * (MAX_FORMULAS + 1),
        "a" * (MAX_TEXT + 1),
    ],
    ids=["quotes", "emphasis", "lists", "columns", "cells", "formula openers", "brackets", "formulas", "length"],
)
def test_a_text_that_would_become_too_much_html_is_plain_text(text):
    shown = render(text)
    assert all(block.startswith('<p class="llm-chat-plain">') for block in shown)
    assert "".join(show(shown).text.split()) == "".join(text.split())


def test_growing_plain_text_changes_its_last_block_only():
    text = "line of text\n" * (MAX_TEXT // 12)
    before, after = render(text), render(text + "more")
    assert before[:-1] == after[: len(before) - 1]
    assert max(map(len, before)) <= MAX_PLAIN_BLOCK + len('<p class="llm-chat-plain"></p>')


def test_a_failure_of_the_engine_gives_plain_text_and_one_warning(monkeypatch, caplog):
    def fail(text: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(blocks, "to_html", fail)
    blocks._warn_once.cache_clear()
    assert render("**a** <b>") == render("**a** <b>") == ('<p class="llm-chat-plain">**a** &lt;b&gt;</p>',)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
