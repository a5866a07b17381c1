"""Dollar signs: of formulas, and of prices and variables, which are not formulas."""

# ruff: noqa: RUF001

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.html.markdown import render
from chat.html.markdown.dollars import mark_dollars
from chat.html.markdown.marks import DOLLAR, restore
from tests.html.markdown.page import show


@pytest.mark.parametrize(
    "text",
    [
        "export PATH=$HOME/bin:$PATH",
        "5$/h, 6$/h",
        "US$5 or US$6",
        "from $5/h to $6/h",
        "${A}:${B}",
        "$A/$B and $(date):$(pwd)",
        "$user_id$x",
        "cost: $5, $6 or $7",
        "$(date)$(pwd) and $HOME$(date)",
        "$el.append($(x)) and $el.on($(y))",
        "$HOME\\bin;$PATH",
        'env: "$TAG" and {KEY: "${SECRET}"}',
    ],
)
def test_b24_prices_and_variables_are_not_formulas(text):
    (block,) = render(text)
    assert "<math" not in block
    assert show([block]).text == text


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x$", 1),
        ("the $n$th and the $k$-th", 2),
        ("2$\\pi$r", 1),
        ("设$x$为$y$。", 2),
        ("($a+b$), **$c$**, `d`: $e$.", 3),
        ("PATH=$HOME/bin, where $x=1$", 1),
        ("5$ for $x$", 1),
        ("$a$ and $b$\n\nand $c$", 3),
        ("$$a$$ and $b$", 2),
        ("costs \\$5, as $x$", 1),
        ("_$x$_ and __$y$__", 2),
        ("设$f(x)$(其中$x$(实数)为$x_1$(第一个))", 3),
        ("变量`$x`、$\\alpha$。", 1),
        ("```sh\necho $A\n```\n其中$\\pi$", 1),
        ("~~~sh\necho $A\n~~~\n其中$\\pi$", 1),
        ("- 价格$5，\n- 变量$\\pi$。", 1),
        ("# 价格$5。\n变$-1$为", 1),
        ("|a|b|\n|-|-|\n|$5|$\\pi$|", 1),
        ("|a|b|\n|-|-|\n|$\\|x\\|$|$5|", 1),
        ("价格：$5（约¥36），公式：$\\pi$。", 1),
    ],
)
def test_b24_formulas_stay_formulas(text, formulas):
    assert "".join(render(text)).count("<math") == formulas


@given(st.text(alphabet="$a1 \\{\n(/"))
def test_b24_the_original_dollar_signs_are_restored(text):
    assert restore(mark_dollars(text)) == text


def test_b24_a_formula_ends_within_its_paragraph():
    assert mark_dollars("$a\n\nb$ c") == f"{DOLLAR}a\n\nb{DOLLAR} c"
