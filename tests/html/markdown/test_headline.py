"""The first words of a text in Markdown, as plain text."""

import pytest

from chat.html.markdown import headline


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Your order is on its way.\nMore soon.", "Your order is on its way."),
        ("**Shipped**", "Shipped"),
        ("\n\n## Your *order* #12\n\nIt is on its way.", "Your order #12"),
        ("[Order 12](https://example.com/orders/12) has `shipped`", "Order 12 has shipped"),
        ("- One &amp; two\n- Three", "One & two"),
        ("> Quoted", "Quoted"),
        ("---\n\nAfter a line", "After a line"),
        ("```python\nprint()\n```", "print()"),
        ("$$x^2$$\nThe square", "The square"),
        ("A < B and <b>C</b>", "A < B and <b>C</b>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("---", "---"),
        ("   \n", "   \n"),
        ("", ""),
        ("x" * 2_000, "x" * 1_000),
        ("---\n" * 50 + "Too far down", "---\n" * 50 + "Too far down"),
    ],
)
def test_headline(text, words):
    assert headline(text) == words
