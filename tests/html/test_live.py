"""Growing answers as HTML: one rendering is shared by all readers of a process."""

import asyncio
import threading

import pytest

from chat.chunks import LOADING, Finish, PartEndHtml, PartHtml, Start, ToolInput, ToolOutput
from chat.html import live, live_parts
from chat.html.live import HtmlReader, Rendering
from chat.models import Message
from chat.parts import (
    REASONING,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
)
from chat.streams.memory import MemoryStream
from tests.support.upstream import eventually


@pytest.fixture
def stream():
    stream = MemoryStream()
    stream.append(Start("a1"))
    stream.append(TextStart("0"))
    return stream


def read(stream, rendering):
    message = Message(uid="a1", role="assistant", status="running")
    return HtmlReader(message, "m1", rendering).chunks()


def end(stream):
    stream.append(TextEnd("0"))
    stream.append(Finish("stop"))
    stream.close()


async def test_a_text_is_rendered_once_for_all_its_readers(stream, monkeypatch):
    rendered = []
    monkeypatch.setattr(
        live_parts,
        "render_live",
        lambda text, known, render=live_parts.render_live: rendered.append(text) or render(text),
    )

    async def reader():
        with Rendering.of(stream, asyncio.create_task) as rendering:
            return [chunk async for batch in read(stream, rendering) for chunk in batch]

    readers = [asyncio.create_task(reader()) for _ in range(10)]
    for word in ("one ", "two ", "three"):
        stream.append(TextDelta("0", word))
        await asyncio.sleep(0)
    end(stream)
    results = await asyncio.gather(*readers)
    assert rendered == sorted(set(rendered), key=len)
    assert all(result[-1] == Finish("stop") for result in results)


async def test_a_slow_reader_gets_fewer_and_larger_changes(stream):
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        await anext(batches)
        for number in range(50):
            stream.append(TextDelta("0", f"word{number} "))
            await asyncio.sleep(0)
        end(stream)
        rest = [chunk async for batch in batches for chunk in batch]
    patches = [chunk for chunk in rest if type(chunk).__name__ == "Patch"]
    assert len(patches) < 10
    assert "word49" in patches[-1].data.html


async def test_a_busy_reader_gets_what_it_missed_without_waiting_for_more(stream):
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        await anext(batches)
        stream.append(TextDelta("0", "one "))
        await anext(batches)
        stream.append(TextDelta("0", "two"))
        version = rendering.version
        await rendering.changed(version)  # it is rendered while the reader does something else
        async with asyncio.timeout(5):
            (patch,) = await anext(batches)
        assert patch.data.html == " two"
        await batches.aclose()


async def test_a08_a_long_text_is_rendered_away_from_the_event_loop_and_a_short_one_on_it(stream, monkeypatch):
    threads = []
    monkeypatch.setattr(
        live_parts,
        "render_live",
        lambda text, known, render=live_parts.render_live: threads.append(threading.current_thread()) or render(text),
    )
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        stream.append(TextDelta("0", "short"))
        await anext(batches)
        stream.append(TextDelta("0", "long " * 3_000))
        await anext(batches)
        await batches.aclose()
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_a08_the_pause_after_a_rendering_follows_its_cost_and_ends_with_the_answer(stream, monkeypatch):
    costs = iter([0.0, 1_000.0, 0.0])
    monkeypatch.setattr(live_parts, "_timed", lambda given: (live_parts.render_live(*given), next(costs)))
    waits = []
    waited = stream.closed_within
    monkeypatch.setattr(stream, "closed_within", lambda seconds: waits.append(seconds) or waited(seconds))
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        stream.append(TextDelta("0", "one "))
        await anext(batches)
        stream.append(TextDelta("0", "**two** "))
        await anext(batches)
        stream.append(TextDelta("0", "**three**"))
        end(stream)
        async with asyncio.timeout(5):
            rest = [chunk async for batch in batches for chunk in batch]
    assert waits == [25 * 1_000.0]
    assert rest[-1] == Finish("stop")


async def test_the_page_of_a_long_answer_is_updated_less_often(stream, monkeypatch):
    waits = []
    waited = stream.closed_within
    monkeypatch.setattr(stream, "closed_within", lambda seconds: waits.append(seconds) or waited(seconds))
    monkeypatch.setattr(live, "DUTY", 0)
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        stream.append(TextDelta("0", "word " * (live.LONG_TEXT // 5)))
        await anext(batches)
        assert waits == []
        stream.append(TextDelta("0", "more"))
        await anext(batches)
        assert waits == [live.LONG_PAUSE]
        end(stream)
        rest = [chunk async for batch in batches for chunk in batch]
    assert rest[-1] == Finish("stop")


async def test_the_last_reader_to_leave_ends_the_rendering(stream):
    with Rendering.of(stream, asyncio.create_task) as first:
        with Rendering.of(stream, asyncio.create_task) as second:
            assert first is second
        assert not first._task.cancelled()
    await asyncio.wait([first._task])
    assert first._task.cancelled()
    with Rendering.of(stream, asyncio.create_task) as later:
        assert later is not first


async def test_a_failure_of_the_rendering_is_raised_to_its_readers(stream, monkeypatch):
    def fail(text, known):
        raise ValueError("no HTML today")

    monkeypatch.setattr(live_parts, "render_live", fail)
    stream.append(TextDelta("0", "text"))
    with Rendering.of(stream, asyncio.create_task) as rendering, pytest.raises(ValueError, match="no HTML today"):
        async for _ in read(stream, rendering):
            pass


async def test_a_stream_that_is_closed_without_an_ending_does_not_hang_its_readers(stream):
    stream.close()
    with Rendering.of(stream, asyncio.create_task) as rendering, pytest.raises(RuntimeError, match="without an ending"):
        async for _ in read(stream, rendering):
            pass


async def test_a_page_learns_when_reasoning_began_and_how_long_it_took(monkeypatch):
    stream = MemoryStream()
    stream.append(Start("a1"))
    stream.append(REASONING.begin("0", 1000.0))
    stream.append(ReasoningDelta("0", "Hm."))
    monkeypatch.setattr(live_parts.time, "time", lambda: 1004.5)
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        (whole,) = await anext(batches)
        assert 'elapsed="4.5"' in whole.data.html
        stream.append(REASONING.finish("0", 12.3))
        stream.append(TextStart("1"))
        stream.append(TextDelta("1", "So."))
        stream.append(TextEnd("1"))
        stream.append(Finish("stop"))
        stream.close()
        rest = [chunk async for batch in batches for chunk in batch]
    (end,) = [chunk for chunk in rest if isinstance(chunk, PartEndHtml)]
    assert (end.data.message, end.data.part, end.data.html) == ("a1", 0, "Thought for 12 s")


async def test_reasoning_ends_with_the_call_and_with_the_text_that_follow_it():
    stream = MemoryStream()
    stream.append(Start("a1"))
    with Rendering.of(stream, asyncio.create_task) as rendering:
        batches = read(stream, rendering)
        shown = await anext(batches)
        for happened in (
            [REASONING.begin("0", 1000.0), ReasoningDelta("0", "Hm.")],
            [REASONING.finish("0", 12.3), ToolInput("t-1", "orders", {})],
            [ToolOutput("t-1", []), REASONING.begin("2", 1020.0), ReasoningDelta("2", "So.")],
            [REASONING.finish("2", 3.0), TextStart("3"), TextDelta("3", "Here.")],
        ):
            for chunk in happened:
                stream.append(chunk)
            shown += await anext(batches)
        await batches.aclose()
    begun = [chunk.data.html for chunk in shown if isinstance(chunk, PartHtml)]
    assert [" open>" in html for html in begun] == [True, False, False, True, False]
    ends = [(chunk.data.part, chunk.data.html) for chunk in shown if isinstance(chunk, PartEndHtml)]
    assert ends == [(0, "Thought for 12 s"), (2, "Thought for 3 s")]


async def test_reasoning_without_a_known_time_shows_none():
    stream = MemoryStream()
    for chunk in (Start("a1"), ReasoningStart("0"), ReasoningDelta("0", "Hm."), ReasoningEnd("0"), Finish("stop")):
        stream.append(chunk)
    stream.close()
    with Rendering.of(stream, asyncio.create_task) as rendering:
        whole = (await anext(read(stream, rendering)))[0]
    assert ">Reasoning" in whole.data.html


async def test_a_status_before_the_text_is_sent_without_waiting_for_more(stream):
    stream.append(LOADING)
    with Rendering.of(stream, asyncio.create_task) as rendering:
        first = await anext(read(stream, rendering))
    assert LOADING in first


def reading(stream, rendering, take):
    """Follow a stream with a reader that takes changes at once; return what is yielded."""
    message = Message(uid="a1", role="assistant", status="running")
    yielded = []

    async def follow():
        async for batch in HtmlReader(message, "m1", rendering, None, take).chunks():
            yielded.append(batch)

    return asyncio.create_task(follow()), yielded


def shown(chunks):
    """Apply the patches of whole blocks that chunks carry."""
    return [chunk.data.html for chunk in chunks if type(chunk).__name__ == "Patch"]


async def test_changes_are_taken_at_once_and_the_end_is_yielded(stream):
    taken = []
    with Rendering.of(stream, asyncio.create_task) as rendering:
        task, yielded = reading(stream, rendering, lambda chunks: taken.extend(chunks) or len(chunks))
        await eventually(lambda: len(yielded) == 1)
        for word in ("One", "\n\nTwo"):
            stream.append(TextDelta("0", word))
            version = rendering.version
            await eventually(lambda seen=version: rendering.version > seen)
        end(stream)
        await task
    assert shown(taken)[:2] == ["<p>One</p>", "<p>Two</p>"]
    assert [type(chunk).__name__ for chunk in yielded[-1]] == ["MessageEnd", "Finish"]


async def test_changes_that_a_reader_has_no_room_for_come_before_later_ones(stream):
    taken = []
    with Rendering.of(stream, asyncio.create_task) as rendering:
        task, yielded = reading(stream, rendering, lambda chunks: taken.append(chunks[0]) or 1)
        await eventually(lambda: len(yielded) == 1)
        stream.append(TextDelta("0", "One\n\nTwo\n\nThree"))
        await eventually(lambda: len(yielded) == 2)
        end(stream)
        await task
    assert shown(taken) == ["<p>One</p>"]
    assert shown(yielded[1]) == ["<p>Two</p>", "<p>Three</p>"]


async def test_a_reader_that_fails_to_take_a_change_fails_alone(stream):
    def fail(chunks):
        raise ValueError("cannot be encoded")

    with Rendering.of(stream, asyncio.create_task) as rendering:
        failing, _ = reading(stream, rendering, fail)
        sound, yielded = reading(stream, rendering, len)
        await eventually(lambda: len(yielded) == 1)
        stream.append(TextDelta("0", "One"))
        with pytest.raises(ValueError, match="cannot be encoded"):
            await failing
        end(stream)
        await sound
    assert yielded[-1][-1] == Finish("stop")


async def test_a_rendering_that_fails_wakes_the_readers_that_take_changes(stream, monkeypatch):
    with Rendering.of(stream, asyncio.create_task) as rendering:
        task, yielded = reading(stream, rendering, len)
        await eventually(lambda: len(yielded) == 1)
        monkeypatch.setattr(live_parts, "render_live", lambda *_: [][0])
        stream.append(TextDelta("0", "One"))
        with pytest.raises(IndexError):
            await task
