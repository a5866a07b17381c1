"""What is shown of a long message."""

import pytest

from chat.html.excerpts import first_words, is_long


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([], ""),
        (["<p> </p>", "<p>One &lt;two&gt;\n <em>three</em></p>"], "One <two> three"),
        ([f"<p>{'word ' * 40}</p>"], "word " * 11 + "word…"),
    ],
)
def test_the_first_words_are_plain_text(blocks, words):
    assert first_words(blocks) == words


@pytest.mark.parametrize(
    ("text", "long"),
    [("one", False), ("x\n" * 13, False), ("x\n" * 14, True), ("word " * 150, False), ("word " * 201, True)],
)
def test_a_question_is_long_by_its_lines_or_by_its_length(text, long):
    assert is_long(text) is long
