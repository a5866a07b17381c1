"""What is measured on the page: writing from right to left, narrow screens, tables, code and fields."""

import pytest

from tests.browsers.visitor import ANSWER, COMPOSER

SIDEWAYS = "(selector) => { const e = document.querySelector(selector); return e.scrollWidth - e.clientWidth; }"
CORNERS = """(selector) => {
  const block = document.querySelector(selector);
  const { left, right, bottom } = block.getBoundingClientRect();
  return [left + 1, right - 1].map((x) => block.contains(document.elementFromPoint(x, bottom - 1)));
}"""
"""Whether a click in the outermost pixel of its bottom corners hits a block."""
TEXT_HEIGHT = """(selector) => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector(selector));
  return range.getBoundingClientRect().height;
}"""
TABLE = """| date | what happened on that day |
|------|---------------------------|
| 2026-07-01 | The first of the three, which has a sentence long enough to need a second line |
| 2026-07-02 | Another one, a little shorter |
| 2026-07-03 | Nothing |
"""
CODE = f"```python\nprint({'1 + ' * 60}1)\n```\n"


@pytest.fixture
def arabic(chat):
    chat.speak("ar")
    return chat


@pytest.fixture
def narrow(open_tab):
    return open_tab(width=360, height=640)


def test_the_page_is_from_right_to_left_and_its_code_from_left_to_right(arabic, script):
    arabic.talk(script, "Code?", f"السماء زرقاء\n\n{CODE}")
    assert arabic.box("llm-chat-sidebar")[0] > arabic.box("llm-chat")[0]
    assert [arabic.style(selector, "direction") for selector in (COMPOSER, f"{ANSWER} pre")] == ["rtl", "ltr"]


def test_the_empty_field_of_a_page_from_right_to_left_does_not_scroll_sideways(arabic):
    assert arabic.js(SIDEWAYS, COMPOSER) <= 0


def test_a_text_from_left_to_right_keeps_its_direction_on_a_page_from_right_to_left(arabic):
    arabic.fill(COMPOSER, "Left to right.")
    assert arabic.style(COMPOSER, "unicodeBidi") == "plaintext"
    assert arabic.js(SIDEWAYS, COMPOSER) <= 0


def test_nothing_but_tables_and_code_is_wider_than_a_phone(narrow, script):
    narrow.talk(script, "x" * 80, f"{TABLE}\n{CODE}\n{'y' * 200}")
    assert narrow.js("() => document.documentElement.scrollWidth") == 360
    assert narrow.js(SIDEWAYS, "[role=log]") <= 0
    assert narrow.js(SIDEWAYS, f"{ANSWER} pre") > 0


def test_a_table_on_a_phone_keeps_dates_in_a_line_and_stays_low(narrow, script):
    narrow.talk(script, "Table?", TABLE)
    line = float(narrow.style(f"{ANSWER} td", "lineHeight").removesuffix("px"))
    assert narrow.js(TEXT_HEIGHT, f"{ANSWER} td") < 1.5 * line
    assert narrow.box(f"{ANSWER} table")[3] < 250


def test_the_search_field_has_nothing_on_its_magnifier(chat):
    chat.fill("[name=q]", "zebra")
    field, button = chat.box("[name=q]"), chat.box("[role=search] button")
    padding = float(chat.style("[name=q]", "paddingInlineEnd").removesuffix("px"))
    assert field[0] + field[2] - padding <= button[0]


def test_the_corners_of_code_that_scrolls_sideways_are_round(chat, script):
    chat.talk(script, "Code?", CODE)
    assert chat.js(SIDEWAYS, f"{ANSWER} pre") > 0
    assert chat.js(CORNERS, f"{ANSWER} .llm-chat-code") == [False, False]
