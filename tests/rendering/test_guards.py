"""What Markdown would swallow, and the marks that keep it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.rendering.guards import guard, restore
from chat.rendering.limits import MAX_COLUMNS, MAX_MISSING_CELLS, TooLargeError
from chat.rendering.plain import printable


@given(st.text(alphabet="ab|-: \n\\>`!"))
def test_the_marks_of_tables_and_images_are_taken_back(text):
    assert restore(guard(text)) == text


@given(st.text())
def test_printable_text_has_no_marks_of_its_own(text):
    assert restore(printable(text)) == printable(text)


def test_marks_in_addresses_are_taken_back():
    assert restore("a%EF%B7%90nbsp;%EF%B7%92") == "a&amp;nbsp;|"


def test_a_table_ends_with_a_blank_line_a_title_or_a_fence():
    for end in ("", "# Title", "```py"):
        text = f"|a|\n|-|\n{end}\nb|c\n"
        assert guard(text) == text


@pytest.mark.parametrize(
    ("columns", "rows"), [(MAX_COLUMNS + 1, 0), (MAX_COLUMNS, MAX_MISSING_CELLS // (MAX_COLUMNS - 1) + 1)]
)
def test_a_table_that_would_explode_is_refused(columns, rows):
    table = "|a" * columns + "|\n" + "|-" * columns + "|\n" + "|x|\n" * rows
    with pytest.raises(TooLargeError):
        guard(table)


def test_only_definitions_with_a_web_address_work():
    assert guard("[a]: http://b.c\n[d]: e").startswith("[a]: <http://b.c>\n\n")
