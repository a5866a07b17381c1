"""A reader that gets patches shows what the server rendered, whatever the text and its pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.rendering import BlockPatch, diff, highlight, render, render_live

from .corpus import ATTACKS, AWKWARD, CODE
from .page import Reader, append_to_code
from .test_blocks import PIECES

texts = st.lists(st.sampled_from([*PIECES, *AWKWARD, *ATTACKS]) | st.text(max_size=10), max_size=12).map("".join)


def follow(states):
    """A reader that was patched through ``states``, with the server's idea of what it knows, checked at each."""
    reader, old, known = Reader(), (), None
    for new in states:
        patches, known = diff(old, new, known)
        reader.apply(patches)
        assert tuple(reader.blocks) == new
        assert known is None or known == reader.known == len(new) - 1
        old = new
    return reader


def visible(states):
    return [state for state in states if state]


@given(texts, st.lists(st.integers(1, 30), min_size=1))
def test_a_growing_text_arrives_whole_in_any_pieces(text, sizes):
    ends, end = [], 0
    while end < len(text):
        end += sizes[len(ends) % len(sizes)]
        ends.append(end)
    follow(visible(render_live(text[:end]).blocks for end in ends))


@given(st.lists(st.lists(st.sampled_from(["<p>a</p>", "<p>a😀b</p>", "<p>a😁b</p>", "<hr>", *render("```\na\n```")]))))
def test_any_sequence_of_blocks_arrives(states):
    follow(visible(map(tuple, states)))


def test_the_same_blocks_need_no_patch():
    assert diff(["<p>a</p>"], ["<p>a</p>"], 0) == ((), 0)
    assert diff((), (), None) == ((), None)


def test_a_known_block_is_spliced():
    assert diff(["<hr>", "<p>ab</p>"], ["<hr>", "<p>abc</p>"], 1) == ((BlockPatch(1, from_=5, html="c</p>"),), 1)


def test_a_block_of_unknown_html_is_sent_whole():
    assert diff(["<p>ab</p>"], ["<p>abc</p>"], None) == ((BlockPatch(0, html="<p>abc</p>"),), 0)


def test_places_are_counted_in_utf16_units():
    assert diff(["<p>😀a</p>"], ["<p>😀b</p>"], 0).patches == (BlockPatch(0, from_=5, html="b</p>"),)


def test_a_surrogate_pair_is_never_cut():
    # Both begin with the unit D83D.
    assert diff(["<p>😀</p>"], ["<p>😁</p>"], 0).patches == (BlockPatch(0, from_=3, html="😁</p>"),)


def test_growing_code_is_appended_as_plain_text():
    old, new = render_live("```py\na <").blocks, render_live("```py\na < b &\n").blocks
    assert diff(old, new, 0) == ((BlockPatch(0, append=" b &"),), None)


def test_code_is_appended_even_to_an_empty_block():
    assert diff(render_live("```py").blocks, render_live("```py\nx").blocks, 0).patches == (BlockPatch(0, append="x"),)


def test_code_in_a_list_is_spliced_because_its_element_is_not_the_only_one():
    old, new = render_live("- `a`\n  ```\n  x").blocks, render_live("- `a`\n  ```\n  xy").blocks
    assert [patch.append for patch in diff(old, new, 0).patches] == [None]


def test_highlighted_code_replaces_the_plain_block():
    text = f"```python\n{CODE}"
    highlight("python", CODE.removesuffix("\n"))
    states = [render_live(text).blocks, render_live(text + "```").blocks]
    assert "<span" in follow(states).blocks[0]


def test_blocks_that_go_away_are_removed_by_sending_the_last_that_stays():
    assert diff(["<hr>", "<p>a</p>"], ["<hr>"], 1) == ((BlockPatch(0, html="<hr>"),), 0)
    assert diff(["<hr>"], [], 0) == ((BlockPatch(0, html=""),), 0)


def test_lines_that_become_a_table_are_merged_into_one_block():
    reader = follow([render_live("text\n\na | b").blocks, render_live("text\n\na | b\n--|--\n1 | 2").blocks])
    assert len(reader.blocks) == 2


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_long_code_block_costs_about_its_own_length(size):
    text = "```python\n" + "    value = compute(a, b)\n" * 360
    old, known, sent = (), None, 0
    for end in range(0, len(text), size):
        new = render_live(text[:end]).blocks
        patches, known = diff(old, new, known)
        sent += sum(len(patch.html or patch.append or "") for patch in patches)
        old = new
    assert sent < 1.2 * len(text) + 500


def test_the_model_of_the_page_appends_as_a_document_does():
    assert append_to_code("<pre ><code>a</code></pre>", "<\xa0") == "<pre ><code>a&lt;&nbsp;</code></pre>"
