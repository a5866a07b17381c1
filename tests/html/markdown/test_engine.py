"""Failures of the engine itself."""

import pytest

from chat.html.markdown import engine as markdown
from chat.html.markdown import render


def test_a_panic_of_the_engine_is_an_ordinary_error(monkeypatch):
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    def fail(*arguments: object) -> str:
        raise panic("index out of bounds")

    monkeypatch.setattr(markdown.comrak, "render_markdown", fail)
    with pytest.raises(markdown.EngineError, match="out of bounds"):
        markdown.to_html("text")
    assert render("text") == ('<p class="llm-chat-plain">text</p>',)


def test_an_interrupt_is_not_swallowed(monkeypatch):
    def interrupt(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(markdown.comrak, "render_markdown", interrupt)
    with pytest.raises(KeyboardInterrupt):
        render("text")
