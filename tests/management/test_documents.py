"""Documents that are written piece by piece."""

import json
from datetime import UTC, datetime

from chat.management.documents import written


def test_iterators_become_lists_at_any_depth():
    document = {"a": 1, "b": iter([{"c": iter([]), "d": iter(["x", None])}, {"e": {"f": [1]}}]), "g": "é\u2028\\"}
    text = "".join(written(document))
    assert json.loads(text) == {"a": 1, "b": [{"c": [], "d": ["x", None]}, {"e": {"f": [1]}}], "g": "é\u2028\\"}
    assert "é" in text


def test_times_are_in_iso_8601():
    moment = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    assert "".join(written({"at": moment, "all": iter([])})) == '{\n  "at": "2026-03-10T12:30:00Z",\n  "all": []\n}'


def test_pieces_are_made_when_they_are_read():
    read = []

    def items():
        for number in range(3):
            read.append(number)
            yield number

    pieces = written({"items": items()})
    while read != [0, 1]:
        next(pieces)
    assert next(pieces) == "1"
    assert read == [0, 1]
