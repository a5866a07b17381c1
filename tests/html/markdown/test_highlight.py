"""Highlighted code, in which no character is lost."""

import re
from html import unescape
from pathlib import Path

import pytest
from pygments.lexers import PythonLexer

import chat
from chat.html.markdown import highlight
from chat.html.markdown.highlight import TOKEN_CLASSES, _cache, can_highlight, highlighted
from chat.html.markdown.limits import MAX_CODE, MAX_CODE_LINE

from .corpus import CODE

STYLES = Path(chat.__file__).parent / "static" / "llm_chat" / "chat.css"


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.fixture(autouse=True)
def empty_cache():
    _cache.clear()


@pytest.mark.parametrize("language", ["python", "js", "c++", "html", "diff", "console", "json", "sql", "yaml", "tex"])
@pytest.mark.parametrize("code", [CODE, "\n\n  x\n\n", "<a href='x'>&amp;</a>", "\ufeffx", "\tx\x0c"])
def test_highlighted_code_has_the_same_characters(language, code):
    assert text_of(highlight(language, code)) == code


def test_highlighted_code_is_remembered():
    assert highlighted("python", CODE) is None
    html = highlight("python", CODE)
    assert '<span class="k">def</span>' in html
    assert highlighted("python", CODE) is html
    assert highlight("python", CODE) is html


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("no-such-language", "x"),
        ("", "x"),
        ("python", ""),
        ("python", "x\n" * (MAX_CODE // 2 + 1)),
        ("python", "x" * (MAX_CODE_LINE + 1)),
    ],
)
def test_unknown_languages_and_long_code_stay_plain(language, code):
    assert not can_highlight(language, code)
    assert highlight(language, code) == code


def test_code_stays_plain_when_its_lexer_fails(monkeypatch, caplog):
    def fail(self, code):
        raise ZeroDivisionError

    monkeypatch.setattr(PythonLexer, "get_tokens", fail)
    assert highlight("python", "a < b") == "a &lt; b"
    assert "lexer for python" in caplog.text


def test_code_stays_plain_when_its_lexer_takes_too_long(monkeypatch, caplog):
    monkeypatch.setattr("chat.html.markdown.limits.MAX_LEXING", 0.05)
    code = "a\n" * (MAX_CODE // 2)  # minutes in this lexer
    assert highlight("java", code) == code
    assert "takes too long" in caplog.text


def test_code_stays_plain_when_its_lexer_loses_a_character(monkeypatch):
    monkeypatch.setattr(PythonLexer, "get_tokens", lambda self, code: [])
    assert highlight("python", "a < b") == "a &lt; b"


def test_the_style_sheet_colours_every_class():
    rules = STYLES.read_text(encoding="utf-8")
    assert [name for name in TOKEN_CLASSES.values() if not re.search(rf"\.{name}\b", rules)] == []
