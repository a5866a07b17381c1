"""Sources on the page: what an answer shows while it grows is what it shows afterwards."""

import asyncio

import pytest
from django.template.loader import render_to_string
from django.utils.translation import override

from chat.chunks import Abort, FinishStep, SourcesHtml, Start, StartStep
from chat.db.replay import replay
from chat.html import live_parts
from chat.html.live import HtmlReader, Rendering
from chat.html.message_chunks import message_html, sources_chunk
from chat.html.messages import message_view
from chat.models import Message
from chat.parts import TextDelta, TextStart
from chat.sources import AnswerSource, source_chunk
from chat.sources import stored as source
from chat.streams.memory import MemoryStream
from tests.db.test_sources import an_answer

PAGE = source("The <b>brake</b>", "https://www.bikes.example/brake?a=1&b=2", 'It "stops" <i>.')
OWN = source("Manual", "/manual/1/", "")


async def read_whole(message, chunks):
    """Return what a page makes of an answer that it follows from the start: its article, in the end."""
    stream = MemoryStream()
    with Rendering.of(stream, asyncio.create_task) as rendering:
        reader = HtmlReader(Message(uid="a1", role="assistant", status="running"), "m1", rendering, "en").chunks()
        stream.append(chunks[0])
        received = await anext(reader)
        for chunk in chunks[1:]:
            stream.append(chunk)
            await asyncio.sleep(0)
        stream.close()
        async for batch in reader:
            received += batch
        parts = [part.view() for part in rendering.parts]
        final = message_html(message_view(message, parts, rendering.sources), "en")
    return received, final


ANSWERS = [
    ["Before [1]. ", (0, "done", [PAGE, OWN]), "After [1], [2] and [3]. `[1]`"],
    [(0, "done", [PAGE]), (0, "done", [OWN, PAGE]), "So [2]:\n\n- a [1]\n- b"],
    [(0, "done", PAGE), "One [1] [2].", (1, "done", OWN), "Two [1] [2]."],
    [(0, "done", {"title": "x", "url": "/x/"}), "None [1]."],
    [(0, "failed", None), (0, "unknown", None), "None [1]."],
]


@pytest.mark.parametrize("parts", ANSWERS)
async def test_a_live_answer_ends_as_the_stored_one(parts):
    message = an_answer(*parts)
    received, final = await read_whole(message, replay(message))
    assert final == message_html(message_view(message), "en")
    listed = [chunk.data.html for chunk in received if isinstance(chunk, SourcesHtml)]
    assert all(html in final for html in listed[-1:])


def test_a_text_cites_only_what_was_found_before_it():
    first, _, second, _, third = message_view(
        an_answer("a [1]", (0, "done", PAGE), "b [1] [2]", (1, "done", OWN), "c [1] [2]")
    ).parts
    counts = [part.blocks[0].count("llm-chat-cite") for part in (first, second, third)]
    assert counts == [0, 1, 2]


def test_reasoning_cites_nothing():
    message = an_answer((0, "done", PAGE), "So [1].")
    message.parts.insert(1, {"type": "reasoning", "text": "Hm [1]."})
    _, reasoning, text = message_view(message).parts
    assert "llm-chat-cite" not in reasoning.blocks[0]
    assert "llm-chat-cite" in text.blocks[0]


async def test_live_reasoning_cites_nothing():
    message = an_answer((0, "done", PAGE), "So [1].")
    message.parts.insert(1, {"type": "reasoning", "text": "Hm [1].", "seconds": 1.0})
    _, final = await read_whole(message, replay(message))
    assert final.count("llm-chat-cite") == 1


async def test_a_text_that_was_on_the_page_before_a_source_does_not_change(monkeypatch):
    message = an_answer("Before [1].", (0, "done", PAGE), "After [1].")
    rendered = []
    monkeypatch.setattr(
        live_parts,
        "render_live",
        lambda text, known, render=live_parts.render_live: rendered.append((text, known)) or render(text, known),
    )
    await read_whole(message, replay(message))
    known = message_view(message).sources
    assert [(text, found) for text, found in rendered if text.startswith("Before")] == [("Before [1].", ())]
    assert rendered[-1] == ("After [1].", known)


async def test_the_list_is_sent_when_it_grows_only():
    stream = MemoryStream()
    message = Message(uid="a1", role="assistant", status="running")
    with Rendering.of(stream, asyncio.create_task) as rendering:
        reader = HtmlReader(message, "m1", rendering, "de").chunks()
        for chunk in (Start("a1"), StartStep(), source_chunk(AnswerSource(1, "One", "/one/"))):
            stream.append(chunk)
        (whole,) = await anext(reader)
        assert 'href="/one/"' in whole.data.html
        stream.append(source_chunk(AnswerSource(2, "Two", "/two/")))
        (grown,) = await anext(reader)
        assert grown == sources_chunk("a1", rendering.sources, "de")
        assert grown.data.html.index("/one/") < grown.data.html.index("/two/")
        assert "Quellen" in grown.data.html
        for chunk in (FinishStep(), StartStep(), TextStart("0"), TextDelta("0", "So [2]."), Abort()):
            stream.append(chunk)
        stream.close()
        rest = [chunk async for batch in reader for chunk in batch]
    assert not [chunk for chunk in rest if isinstance(chunk, SourcesHtml)]


def test_the_list_names_number_title_host_and_excerpt_as_text():
    html = render_to_string(
        "llm_chat/sources.html", {"sources": message_view(an_answer((0, "done", [PAGE, OWN]))).sources}
    )
    assert ">1<" in html and ">2<" in html
    assert "The &lt;b&gt;brake&lt;/b&gt;" in html
    assert ">bikes.example<" in html
    assert 'href="https://www.bikes.example/brake?a=1&amp;b=2"' in html
    assert 'title="It &quot;stops&quot; &lt;i&gt;."' in html
    assert html.count("llm-chat-source-host") == 1
    assert html.count('rel="noreferrer"') == html.count('target="_blank"') == 2


def test_an_answer_without_sources_has_an_empty_place_for_them():
    html = message_html(message_view(an_answer("So [1].")))
    assert '<div class="llm-chat-sources" data-sources></div>' in html
    assert "data-sources" not in message_html(message_view(Message(uid="m1", role="user", text="[1]")))


def test_the_heading_is_in_the_language_of_the_page():
    view = message_view(an_answer((0, "done", PAGE)))
    for language, heading in (("en", "Sources"), ("de", "Quellen"), ("fr", "Sources"), ("ar", "المصادر")):
        with override(language):
            assert f">{heading}</h3>" in message_html(view)
