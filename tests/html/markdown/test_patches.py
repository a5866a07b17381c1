"""A page that applies the patches shows what the server rendered, whatever the text and its pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import BlockPatch, diff, highlight, render, render_live
from chat.html.markdown.patches import MAX_PIECES

from .answers import CORPUS
from .corpus import ATTACKS, AWKWARD, CODE, PROSE, as_answer
from .page import Reader, append_to_code, growth
from .test_blocks import PIECES

texts = st.lists(st.sampled_from([*PIECES, *AWKWARD, *ATTACKS]) | st.text(max_size=10), max_size=12).map("".join)


def follow(states):
    """Patch a reader through ``states``, and check its blocks and the strings that the server counts on after each."""
    reader, old, known = Reader(), (), 0
    for new in states:
        patches, known = diff(old, new, known)
        reader.apply(patches)
        assert tuple(reader.blocks) == new
        assert all(reader.strings[index] == new[index] for index in range(known, len(new)))
        old = new
    return reader


def visible(states):
    return [state for state in states if state]


def lengths_of(text, sizes):
    ends, end = [], 0
    while end < len(text):
        end += sizes[len(ends) % len(sizes)]
        ends.append(end)
    return ends


def carried(text, sizes):
    """Count the bytes of the patches for a page on which ``text`` grows, highlighted as soon as possible."""
    patches = itertools.chain.from_iterable(growth(text, lengths_of(text, sizes)))
    return sum(map(size, itertools.chain.from_iterable(map(new_in, patches))))


def new_in(patch):
    return [patch.html or patch.append or "", *(html for _, html in patch.then)]


def size(text):
    return len(text.encode("utf-8", "replace"))


@given(texts, st.lists(st.integers(1, 30), min_size=1))
def test_a_growing_text_arrives_whole_in_any_pieces(text, sizes):
    follow(visible(render_live(text[:end]).blocks for end in lengths_of(text, sizes)))


blocks = st.sampled_from(["<p>a</p>", "<p>a😀b</p>", "<p>a😁b</p>", "<p>a🨀b</p>", "<hr>", *render("```\na\n```")])


@given(st.lists(st.lists(blocks)))
def test_any_sequence_of_blocks_arrives(states):
    follow(visible(map(tuple, states)))


@given(st.lists(blocks, min_size=1), st.lists(st.lists(blocks)))
def test_a_reader_that_joins_mid_answer_follows_too(shown, states):
    reader, old, known = Reader(shown), tuple(shown), len(shown)
    for new in visible(map(tuple, states)):
        patches, known = diff(old, new, known)
        reader.apply(patches)
        assert tuple(reader.blocks) == new
        old = new


def test_the_same_blocks_need_no_patch():
    assert diff(["<p>a</p>"], ["<p>a</p>"], 0) == ((), 0)
    assert diff((), (), 0) == ((), 0)


def test_a_known_block_is_spliced():
    assert diff(["<hr>", "<p>ab</p>"], ["<hr>", "<p>abc</p>"], 1) == ((BlockPatch(1, 5, "c", tail=4),), 1)


def test_a_block_of_unknown_html_is_sent_whole_and_known_from_then_on():
    assert diff(["<p>ab</p>"], ["<p>abc</p>"], 1) == ((BlockPatch(0, html="<p>abc</p>"),), 0)
    old, new = ["<p>ab</p>", "<hr>", "<p>c</p>"], ["<p>abc</p>", "<hr>", "<p>c</p>"]
    assert diff(old, new, 3) == ((BlockPatch(0, html="<p>abc</p>", stay=True),), 3)


def test_blocks_after_a_changed_one_stay():
    old, new = ["<p>ab</p>", "<hr>"], ["<p>abc</p>", "<hr>", "<p>d</p>"]
    assert diff(old, new, 0).patches == (BlockPatch(0, 5, "c", tail=4, stay=True), BlockPatch(2, html="<p>d</p>"))


def test_places_are_counted_in_utf16_units():
    assert diff(["<p>😀a😀</p>"], ["<p>😀b😀</p>"], 0).patches == (BlockPatch(0, 5, "b", tail=6),)


def test_a_surrogate_pair_is_never_cut():
    # The first two begin with the unit D83D, the last two end with DE00.
    assert diff(["<p>😀</p>"], ["<p>😁</p>"], 0).patches == (BlockPatch(0, 3, "😁", tail=4),)
    assert diff(["<p>😀</p>"], ["<p>🨀</p>"], 0).patches == (BlockPatch(0, 3, "🨀", tail=4),)


LINK = '<p><a href="http://😀.example/{0}">http://😀.example/{0}</a></p>'


def test_text_between_growing_places_is_reused():
    old, new = LINK.format("one"), LINK.format("one-two")
    (patch,) = diff([old], [new], 0).patches
    between = '">http://😀.example/one'
    assert patch == BlockPatch(0, old.index(between) + 1, "-two", then=((len(between) + 1, "-two"),), tail=8)
    assert follow([(old,), (new,)]).blocks == [new]


def test_a_change_in_more_places_than_fit_in_a_patch_arrives_too():
    states = [(f"<p>{''.join(LINK.format(path) for _ in range(12))}</p>",) for path in ("one", "one-two", "three")]
    assert max(len(patch.then) for patch in diff(*states[:2], 0).patches) == MAX_PIECES
    follow(states)


def test_a_growing_address_is_sent_about_twice_in_all():
    text = "See https://long.example/" + "".join(map(str, range(1_000, 1_200)))
    assert carried(text, [5]) < 2.2 * size(text) + 100


def test_growing_code_is_appended_as_plain_text():
    old, new = render_live("```py\na <").blocks, render_live("```py\na < b &\n").blocks
    assert diff(old, new, 0) == ((BlockPatch(0, append=" b &"),), 0)


def test_code_is_appended_even_to_an_empty_block():
    assert diff(render_live("```py").blocks, render_live("```py\nx").blocks, 0).patches == (BlockPatch(0, append="x"),)


def test_code_in_a_list_is_spliced():
    old, new = render_live("- `a`\n  ```\n  x").blocks, render_live("- `a`\n  ```\n  xy").blocks
    assert [(patch.html, patch.append) for patch in diff(old, new, 0).patches] == [("y", None)]


def test_highlighted_code_replaces_the_plain_text_and_not_what_is_around_it():
    text = f"```python\n{CODE}"
    highlight("python", CODE.removesuffix("\n"))
    states = [render_live(text).blocks, render_live(text + "```").blocks]
    (patch,) = diff(*states, 0).patches
    assert patch.html.startswith('<span class="k">import</span>')
    assert "<span" in follow(states).blocks[0]


def test_blocks_are_removed_by_a_patch_of_the_last_one_that_stays():
    assert diff(["<hr>", "<p>a</p>"], ["<hr>"], 2) == ((BlockPatch(0, html="<hr>"),), 0)
    assert diff(["<hr>", "<p>a</p>"], ["<hr>"], 0) == ((BlockPatch(0, 4, ""),), 0)
    assert diff(["<hr>"], [], 0) == ((BlockPatch(0, html=""),), 0)


def test_lines_that_become_a_table_are_merged_into_one_block():
    reader = follow([render_live("text\n\na | b").blocks, render_live("text\n\na | b\n--|--\n1 | 2").blocks])
    assert len(reader.blocks) == 2


TICKS = {"one delta of 5 characters": [5], "deltas of 50 a second at 60 ms": [5, 15], "a busy server": [200]}


def ratio(texts, sizes):
    """Return the bytes of the patches per byte of the texts."""
    return sum(carried(text, sizes) for text in texts) / sum(map(size, texts))


@pytest.mark.parametrize("sizes", TICKS.values(), ids=TICKS)
def test_patches_over_the_corpus_carry_at_most_three_times_the_text(sizes):
    assert ratio(CORPUS, sizes) <= 3


@pytest.mark.parametrize("sizes", TICKS.values(), ids=TICKS)
def test_patches_over_fragments_within_an_answer_carry_at_most_three_times_the_text(sizes):
    assert ratio([as_answer(text) for text in AWKWARD + ATTACKS], sizes) <= 3


@pytest.mark.parametrize("sizes", TICKS.values(), ids=TICKS)
def test_patches_over_bare_fragments_carry_little_more_than_their_html(sizes):
    # Their HTML is three times their bytes: in about 42 of them, tags, classes and MathML outweigh the words.
    html = sum(size("".join(render(text))) for text in AWKWARD)
    assert sum(carried(text, sizes) for text in AWKWARD) <= 1.35 * html


@pytest.mark.parametrize(("length", "size_of_delta"), [(50_000, 50), (50_000, 800), (5_000, 5)])
def test_patches_of_a_long_code_block_carry_about_its_own_length(length, size_of_delta):
    text = "```text\n" + CODE * (length // len(CODE)) + "```\n"
    assert carried(text, [size_of_delta]) < 1.1 * size(text) + 200


def test_a_highlighted_block_is_sent_once_plain_and_once_in_colours():
    text = "```python\n" + CODE * 50 + "```\n"
    assert carried(text, [5, 10, 10]) < 1.1 * size(text) + size("".join(render(text)))


def test_definitions_at_the_end_do_not_resend_the_whole_text():
    paragraphs = "".join(f"As [{n}] says, {PROSE}\n\n" for n in range(40))
    references = "".join(f"[{n}]: https://reference.example/page/{n}\n" for n in range(40))
    assert carried(paragraphs + references, [5, 10, 10]) <= 3 * size(paragraphs + references)


def test_the_model_of_the_page_appends_as_a_browser_does():
    before, after = (f"<llm-chat-box ><pre><code>{code}</code></pre></llm-chat-box>" for code in ("a", "a&lt;&nbsp;"))
    assert append_to_code(before, "<\xa0") == after
