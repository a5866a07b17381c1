"""Text that Markdown would drop, and the marks that keep it."""

# ruff: noqa: RUF001

from time import thread_time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import render
from chat.html.markdown.guards import guard
from chat.html.markdown.limits import MAX_CELLS, MAX_COLUMNS, MAX_MISSING_CELLS, TooLargeError
from chat.html.markdown.marks import restore
from chat.html.markdown.plain import printable
from tests.html.markdown.page import show


@given(st.text(alphabet="ab|-: \n\\>`!"))
def test_the_original_characters_of_tables_and_images_are_restored(text):
    assert restore(guard(text)) == text


@given(st.text())
def test_printable_text_contains_no_marks(text):
    assert restore(printable(text)) == printable(text)


def test_the_original_characters_of_addresses_are_restored():
    assert restore("a%EF%B7%90nbsp;%EF%B7%92") == "a&amp;nbsp;|"


def test_a_table_ends_with_a_blank_line_a_title_or_a_fence():
    for end in ("", "# Title", "```py"):
        text = f"|a|\n|-|\n{end}\nb|c\n"
        assert guard(text) == text


@pytest.mark.parametrize(
    ("columns", "rows"), [(MAX_COLUMNS + 1, 0), (MAX_COLUMNS, MAX_MISSING_CELLS // (MAX_COLUMNS - 1) + 1)]
)
def test_a_table_that_would_become_too_much_html_is_refused(columns, rows):
    table = "|a" * columns + "|\n" + "|-" * columns + "|\n" + "|x|\n" * rows
    with pytest.raises(TooLargeError):
        guard(table)


def test_a08_a_table_of_very_many_cells_is_refused_and_one_of_many_is_not():
    rows = MAX_CELLS // 2
    assert guard("|a|b|\n|-|-|\n" + "|a|b|\n" * rows)
    with pytest.raises(TooLargeError):
        guard("|a|b|\n|-|-|\n" + "|a|b|\n" * rows + "|a|b|\n")


def test_only_definitions_with_a_web_address_work():
    assert guard("[a]: http://b.c\n[d]: e").startswith("[a]: <http://b.c>\n\n")


@pytest.mark.parametrize(
    "text",
    ["温度20~30度，湿度40~60%", "from 5~10 to 15~20", "~/.config and ~/bin", "H~2~O", "\\~a~ b~c"],
)
def test_b23_single_tildes_do_not_strike_out(text):
    (block,) = render(text)
    assert "<del>" not in block
    assert show([block]).text == text.replace("\\", "")


def test_b23_two_tildes_strike_out():
    assert render("~~gone~~ ~here~") == ("<p><del>gone</del> ~here~</p>",)


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("见https://e.example/a。下一句", "https://e.example/a", "。下一句"),
        ("（https://e.example/a）", "https://e.example/a", "）"),
        ("www.e.example，好", "http://www.e.example", "，好"),
        ("「https://e.example/?q=1」を", "https://e.example/?q=1", "」を"),
        ("“https://e.example/x”。", "https://e.example/x", "”。"),
        ("见https://e.example/a。**重要**", "https://e.example/a", "。重要"),
        ("https://zh.example/中文、", "https://zh.example/%E4%B8%AD%E6%96%87", "、"),
    ],
)
def test_b25_an_address_ends_before_full_width_punctuation(text, address, rest):
    page = show(render(text))
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == [address]
    assert page.text.endswith(rest)
    assert page.text == text.replace("**", "")


ARCHIVED = "https://a.example/https://b.example/a（b）"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("https://e.example/a、https://e.example/b。下一句", ["https://e.example/a", "https://e.example/b"]),
        ("_见https://e.example/a。_", ["https://e.example/a"]),
        ("_https://e.example/a。_", ["https://e.example/a"]),
        ("见**https://e.example/a**，后", ["https://e.example/a"]),
        ("https://e.example/a\u3000次の文", ["https://e.example/a"]),
        ("https://e.example/a\u00a0: voir", ["https://e.example/a"]),
        ("«https://e.example/a», да", ["https://e.example/a"]),
        ("https://e.example/a। अगला", ["https://e.example/a"]),
        ("https://e.example/a، ثم", ["https://e.example/a"]),
        ("参考[1]: https://e.example/a。下一句", ["https://e.example/a"]),
    ],
)
def test_b25_each_address_ends_before_text_that_is_not_part_of_it(text, addresses):
    page = show(render(text))
    assert [attributes["href"] for tag, attributes in page.elements if tag == "a"] == addresses
    assert page.text == text.replace("*", "").replace("_", "")


@pytest.mark.parametrize(
    "text", [f"<{ARCHIVED}>", f"[x](<{ARCHIVED}>)", f"[x]({ARCHIVED})", f"[x]: <{ARCHIVED}>", f"[x]: {ARCHIVED}"]
)
def test_b25_an_address_inside_another_ends_with_it(text):
    page = show(render(text))
    hrefs = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert [unquote(href) for href in hrefs] == [ARCHIVED]


def test_b25_a_definition_shows_the_whole_address_that_it_defines():
    page = show(render("[1]: https://e.example/a（b）\n\n见[1]。"))
    hrefs = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert [unquote(href) for href in hrefs] == ["https://e.example/a（b）"] * 2


def test_b25_many_addresses_in_one_take_linear_time():
    text = "é" + "https://a/https://" * 11_000
    begun = thread_time()
    guard(text)
    assert thread_time() - begun < 1


@pytest.mark.parametrize(
    "text", ["[a](https://e.example/a。b)", "<https://e.example/a。b>", "[a]\n\n[a]: https://e.example/a。b"]
)
def test_b25_a_delimited_address_stays_whole(text):
    assert 'href="https://e.example/a%E3%80%82b"' in render(text)[0]


@pytest.mark.parametrize("text", ["`https://e.example/a。b`", "```\nhttps://e.example/a。b\n```", "$https://a.b。c$"])
def test_b25_code_and_formulas_keep_their_addresses(text):
    assert "。" in show(render(text)).text
    assert "<\ufdd6" not in show(render(text)).shown
