"""The mark of conversations with an answer that their owner has not seen."""

from chat.models import Conversation


async def unread():
    return (await Conversation.objects.aget()).unread


async def test_an_ended_answer_is_unread_until_a_page_has_read_it(answered, request_of):
    socket, _ = await answered()
    assert await unread()
    assert [frame["type"] for frame in await socket.rest(await request_of(socket, "read"))] == ["start", "end"]
    assert not await unread()


async def test_a_new_question_marks_the_conversation_read(answered, script, connect):
    socket, _ = await answered()
    await socket.chunk(await socket.ask("And?", message="m2"), "start")
    assert not await unread()
    (await script.anext_reply()).break_off()


async def test_the_owners_other_pages_receive_one_event_that_it_was_read(answered, connect, request_of):
    socket, _ = await answered()
    other, stranger = await connect("ann"), await connect("bob")
    for _ in range(2):
        await socket.rest(await request_of(socket, "read"))
    request = await other.ask("Mine", chat="c2")
    await other.chunk(request, "start")
    heard = [await other.frame("conversation") for _ in range(2)]
    assert [(event["event"], event["id"]) for event in heard] == [("read", "c1"), ("run-started", "c2")]
    assert await stranger.error(await request_of(stranger, "read")) == "not_found"
