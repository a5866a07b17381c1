"""Branches: created by another answer or an edit, selected, and shown by every page."""

import pytest

from tests.support.pages import ChatPage

HTML = {"view": "html"}


async def reply(script, text):
    made = await script.anext_reply()
    made.say(text)
    made.finish()


def shown(page):
    """Return the body of a resume, with the last message that a page shows and its status."""
    last, message = list(page.messages.items())[-1]
    return {**HTML, "after": {"message": last, "status": message.status}}


@pytest.fixture
def ask(script):
    """Ask a question on a page, let it be answered, and return the answer's id."""

    async def ask(socket, page, text, message, answer, **more):
        request = await socket.ask(text, message=message, **{"body": HTML, **more})
        await reply(script, answer)
        page.take(await socket.chunks(request))
        return list(page.messages)[-1]

    return ask


@pytest.fixture
async def forked(script, connect, ask):
    """A page with two turns and then another answer to the first question; and the ids that it showed before that."""
    socket, page = await connect("ann"), ChatPage()
    old = await ask(socket, page, "One", "m1", "uno")
    await ask(socket, page, "Two", "m2", "dos")
    before = list(page.messages)
    request = await socket.regenerate(old, body=HTML)
    await reply(script, "eins")
    page.take(await socket.chunks(request))
    return socket, page, before


async def test_another_answer_mid_conversation_ends_the_branch_and_loses_nothing(forked, request_of):
    socket, page, before = forked
    new = list(page.messages)[-1]
    assert list(page.messages) == ["m1", new]
    chunks = await socket.chunks(await request_of(socket, "select", messageId=before[1]))
    assert [chunk["type"] for chunk in chunks] == ["data-message"] * 3
    assert chunks[0]["data"]["after"] == "m1"
    assert list(page.take(chunks).messages) == before
    chunks = await socket.chunks(await request_of(socket, "select", messageId=new))
    assert list(page.take(chunks).messages) == ["m1", new]


async def test_a_new_page_shows_the_branch_that_was_selected_last(forked, connect, request_of):
    socket, _, before = forked
    await socket.chunks(await request_of(socket, "select", messageId=before[1]))
    again = await connect("ann")
    assert list(ChatPage().take(await again.chunks(await again.resume(body=HTML))).messages) == before


async def test_the_owners_other_pages_receive_an_event_and_catch_up_from_the_fork_on(forked, connect, request_of):
    socket, page, before = forked
    other, stranger = await connect("ann"), await connect("bob")
    await socket.chunks(await request_of(socket, "select", messageId=before[1]))
    event = await other.frame("conversation")
    assert (event["event"], event["id"], event["message"]) == ("branch", "c1", before[-1])
    chunks = await other.chunks(await other.resume(body=shown(page)))
    assert [chunk["data"]["id"] for chunk in chunks] == before[1:]
    assert list(page.take(chunks).messages) == before
    assert [frame["type"] for frame in await other.rest(await other.resume(body=shown(page)))] == ["no-active"]
    await stranger.rest(await stranger.resume(body=HTML))
    assert "conversation" not in stranger._frames


async def test_a_question_after_a_switch_continues_the_branch_that_is_shown(forked, script, request_of):
    socket, _, before = forked
    await socket.chunks(await request_of(socket, "select", messageId=before[1]))
    await socket.ask("Three", message="m3", body=HTML)
    asked = (await script.anext_reply()).request.messages
    assert [turn["content"] for turn in asked] == ["One", "uno", "Two", "dos", "Three"]


async def test_no_branch_is_selected_while_an_answer_runs(forked, script, request_of):
    socket, _, before = forked
    request = await socket.ask("Three", message="m3", body=HTML)
    running = await script.anext_reply()
    assert await socket.error(await request_of(socket, "select", messageId=before[1])) == "busy"
    running.finish()
    await socket.chunks(request)
    assert (await socket.rest(await request_of(socket, "select", messageId=before[1])))[-1]["type"] == "end"


async def test_another_visitors_message_is_not_found(forked, connect, request_of):
    _, _, before = forked
    stranger = await connect("bob")
    assert await stranger.error(await request_of(stranger, "select", messageId=before[1])) == "not_found"


async def test_a_live_answer_and_its_footer_show_its_place_among_its_siblings(forked, script, connect, monkeypatch):
    seen = []

    def render(name, context):
        seen.append((name, context["message"].siblings) if "message" in context else (name, None))
        return "<article></article>"

    socket, _, before = forked
    monkeypatch.setattr("chat.html.message_chunks.render_to_string", render)
    request = await socket.regenerate(before[1], body=HTML)
    await socket.chunk(request, "data-message")
    (await script.anext_reply()).finish()
    await socket.chunks(request)
    places = [(name, place.position, place.count) for name, place in seen if place]
    assert places == [("llm_chat/message.html", 3, 3), ("llm_chat/footer.html", 3, 3)]


async def test_an_edit_mid_conversation_takes_the_place_of_the_old_question(script, connect, ask, request_of):
    socket, page = await connect(), ChatPage()
    first = await ask(socket, page, "One", "m1", "uno")
    await ask(socket, page, "Two", "m2", "dos")
    await ask(socket, page, "Three", "m3", "tres")
    before = list(page.messages)
    answer = await ask(socket, page, "Zwei", "m2", "zwei", messageId="m2", body={**HTML, "attempt": "edit-1"})
    edited = list(page.messages)[2]
    assert list(page.messages) == ["m1", first, edited, answer]
    assert 'data-attempt="edit-1"' in page.messages[edited].html
    chunks = await socket.chunks(await request_of(socket, "select", messageId="m2"))
    assert list(page.take(chunks).messages) == before


async def test_an_edit_of_the_first_question_comes_first(script, connect, ask):
    socket, page = await connect(), ChatPage()
    await ask(socket, page, "One", "m1", "uno")
    answer = await ask(socket, page, "Eins", "m1", "eins", messageId="m1", body={**HTML, "attempt": "edit-1"})
    assert len(page.messages) == 2
    assert "m1" not in page.messages
    assert list(page.messages)[-1] == answer


async def test_an_edit_back_to_an_earlier_text_shows_that_branch_whole(script, connect, ask):
    socket, other, page = await connect("ann"), await connect("ann"), ChatPage()
    await ask(socket, page, "One", "m1", "uno")
    await ask(socket, page, "Two", "m2", "dos")
    before = list(page.messages)
    await ask(socket, page, "Eins", "m1", "eins", messageId="m1", body={**HTML, "attempt": "edit-1"})
    edited = next(iter(page.messages))
    body = {**HTML, "attempt": "edit-2"}
    chunks = await socket.chunks(await socket.ask("One", message=edited, messageId=edited, body=body))
    assert list(page.take(chunks).messages) == before
    assert 'data-attempt="edit-2"' in page.messages["m1"].html
    assert script.waiting == 0
    while (event := await other.frame("conversation"))["event"] != "branch":
        assert event["event"].startswith("run-")
    assert event["message"] == before[-1]
    again = await connect("ann")
    assert list(ChatPage().take(await again.chunks(await again.resume(body=HTML))).messages) == before


async def test_an_edit_back_while_an_answer_runs_on_another_branch_is_refused(script, connect, ask):
    socket, page = await connect(), ChatPage()
    await ask(socket, page, "One", "m1", "uno")
    await socket.ask("Eins", message="m1", messageId="m1", body=HTML)
    await script.anext_reply()
    assert await socket.error(await socket.ask("One", message="m1", messageId="m1", body=HTML)) == "busy"


async def test_a_repeated_edit_finds_its_answer_while_that_runs(script, connect, ask):
    first, second, page = await connect(), await connect(), ChatPage()
    await ask(first, page, "One", "m1", "uno")
    body = {**HTML, "attempt": "edit-1"}
    request = await first.ask("Eins", message="m1", messageId="m1", body=body)
    running = await script.anext_reply()
    repeated = await second.ask("Eins", message="m1", messageId="m1", body=body)
    start = await second.chunk(repeated, "start")
    assert start == await first.chunk(request, "start")
    running.finish()
    page.take(await second.chunks(repeated))
    assert list(page.messages)[-1] == start["messageId"]
    assert script.waiting == 0


async def test_a_repeated_send_brings_the_messages_that_followed_it(script, connect, ask):
    socket, page = await connect(), ChatPage()
    await ask(socket, page, "One", "m1", "uno")
    stale = ChatPage()
    stale.messages = dict(page.messages)
    await ask(socket, page, "Two", "m2", "dos")
    stale.take(await socket.chunks(await socket.ask("One", message="m1", body=HTML)))
    assert list(stale.messages) == list(page.messages)


async def test_an_attempt_that_belongs_to_another_message_is_a_conflict(script, connect, ask):
    socket, page = await connect(), ChatPage()
    answer = await ask(socket, page, "One", "m1", "uno")
    await ask(socket, page, "Eins", "m1", "eins", messageId="m1", body={**HTML, "attempt": "edit-1"})
    body = {**HTML, "attempt": "edit-1"}
    assert await socket.error(await socket.ask("Un", message="m1", messageId="m1", body=body)) == "conflict"
    assert await socket.error(await socket.regenerate(answer, body=body)) == "conflict"
