"""Formulas as MathML, or as their source where MathML would lose a part."""

import re

import pytest

from chat.html.markdown.formulas import formula
from chat.html.markdown.limits import MAX_FORMULA, MAX_FORMULA_DEPTH

from .page import Page


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x_1", "x1"),
        ("\\frac{a}{b}", "ab"),
        ("a<b", "a<b"),
        ("\\mathbb{R}", "\u211d"),
        ("\\text{é <b>}", "é\xa0<b>"),
        ("\\color{red}{x}", "x"),
        ("\\begin{array}{c|c}a&b\\\\[2pt]c&d\\end{array}", "abcd"),
        ("\\sqrt[3]{x}", "x3"),
    ],
)
def test_a_formula_is_mathml(source, text):
    page = Page(formula(source, "inline"))
    assert (page.roots, page.odd, page.text) == (1, [], text)
    assert page.elements[0] == ("math", {"alttext": source})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\\frac{",
        "x^",
        "\\phantom{secret}",
        "a % comment",
        "\\def\\a{\\a\\a}\\a",
        "\\newcommand{\\a}{x}\\a",
        "&#60;b&#62;",
        "\\rule{99em}{99em}",
        "{" * MAX_FORMULA_DEPTH + "x" + "}" * MAX_FORMULA_DEPTH,
        "x" * (MAX_FORMULA + 1),
    ],
)
def test_a_formula_is_shown_as_its_source_where_mathml_would_lose_a_part(source):
    page = Page(formula(source, "block"))
    assert (page.elements, page.text) == ([("code", {"class": "llm-chat-math"})], f"$${source}$$")


@pytest.mark.parametrize("source", ["A = M x", "M^T", "M M", "\\frac{M}{2}", "\\sqrt{M}", "M"])
@pytest.mark.parametrize("kind", ["pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix"])
def test_the_fences_of_a_matrix_are_the_ends_of_a_row(kind, source):
    html = formula(source.replace("M", f"\\begin{{{kind}}} a \\\\ b \\end{{{kind}}}"), "block")
    matrices = re.findall(r"<(\w+)[^>]*><mo>[^<]*</mo><mtable>.*?</mtable><mo>[^<]*</mo></(\w+)>", html)
    assert len(matrices) == source.count("M")
    assert {tag for pair in matrices for tag in pair} <= {"math", "mrow", "msqrt"}


def test_no_length_in_a_formula_exceeds_a_few_letters():
    html = formula("a\\hspace{-100em}b\\hspace{1em}c\\hspace{500em}d", "inline")
    assert [given.get("width") for tag, given in Page(html).elements if tag == "mspace"] == [None, "1em", None]


def test_formulas_have_no_addresses_and_no_scripts():
    html = formula("\\unicode{x3c}script\\text{<img src=x>}", "inline")
    assert [tag for tag, _ in Page(html).elements if tag in {"script", "img"}] == []
