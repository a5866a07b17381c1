"""Plain data as templates show it."""

import json

import pytest
from django.utils.translation import override

from chat.html.data import MAX_COLUMNS, MAX_ROWS, SUMMARY_LENGTH, DataView, data_view, input_summary, output_summary

ORDERS = [{"number": "B7", "total_price": 12.5}, {"number": "B8", "sent": True}]


@pytest.mark.parametrize("value", [None, "", {}, []])
def test_nothing_has_no_kind(value):
    assert data_view(value) == DataView()


@pytest.mark.parametrize(
    ("value", "text"), [("So.", "So."), (0, "0"), (1.5, "1.5"), (True, "Yes"), (False, "No"), ("a\nb", "a\nb")]
)
def test_a_flat_value_is_text(value, text):
    assert data_view(value) == DataView("text", text)


def test_truth_values_are_in_the_language_of_the_page():
    with override("de"):
        assert data_view(True).text == "Ja"


def test_a_list_of_flat_objects_is_a_table_of_all_their_keys():
    found = data_view(ORDERS)
    assert (found.kind, found.columns) == ("table", ["Number", "Total price", "Sent"])
    assert found.rows == [["B7", "12.5", ""], ["B8", "", "Yes"]]


def test_a_list_of_flat_values_is_a_list():
    assert data_view(["a", 1, None]) == DataView("list", rows=["a", "1", "—"])


def test_an_object_is_a_list_of_its_fields():
    found = data_view({"order_number": "B7", "tags": ["a", "b"], "none": [], "gone": None, "at": {"city": "Lyon"}})
    assert found.kind == "fields"
    assert [(name, field.kind, field.text) for name, field in found.rows] == [
        ("Order number", "text", "B7"),
        ("Tags", "text", "a, b"),
        ("None", "text", "—"),
        ("Gone", "text", "—"),
        ("At", "json", '{\n  "city": "Lyon"\n}'),
    ]


@pytest.mark.parametrize(
    "value",
    [
        [{"a": {"b": 1}}],
        [{"a": 1}, 2],
        [[1], [2]],
        [{}, {}],
        [{str(number): number for number in range(MAX_COLUMNS + 1)}],
    ],
)
def test_deep_and_wide_data_is_json(value):
    found = data_view(value)
    assert found.kind == "json"
    assert json.loads(found.text) == value


@pytest.mark.parametrize("value", [[1] * (MAX_ROWS + 7), [{"a": 1}] * (MAX_ROWS + 7)])
def test_the_rows_beyond_the_limit_are_counted(value):
    found = data_view(value)
    assert (len(found.rows), found.more) == (MAX_ROWS, 7)


def test_keys_of_any_kind_are_shown():
    assert [name for name, _ in data_view({"": 1, "_": 2, "isbn": 3, "Größe": 4}).rows] == ["", "", "Isbn", "Größe"]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({}, ""),
        ({"status": "open", "max_count": 5}, "status: open, max count: 5"),
        ({"status": "", "gone": None, "deep": [1], "number": 0}, "number: 0"),
        ({"query": "two\n\n  lines"}, "query: two lines"),
    ],
)
def test_the_input_in_one_line(value, line):
    assert input_summary(value) == line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, ""),
        ("", ""),
        ([], "0 results"),
        ([1], "1 result"),
        (ORDERS, "2 results"),
        ({"place": "Lyon", "at": {}}, "place: Lyon"),
        ("It is\non its way.", "It is on its way."),
        (False, "No"),
        (7, "7"),
    ],
)
def test_the_output_in_one_line(value, line):
    assert output_summary(value) == line


def test_a_summary_is_short():
    assert len(output_summary("word " * 100)) == SUMMARY_LENGTH
    assert output_summary("word " * 100).endswith("…")
