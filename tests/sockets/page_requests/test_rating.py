"""The ratings of answers."""

import pytest
from asgiref.sync import sync_to_async

from chat.db.branches import tip_window
from chat.html.messages import message_view
from chat.models import COMMENT_LENGTH, Feedback
from chat.owners import Owner


@pytest.fixture
def rate(request_of):
    async def rate(socket, answer, value, **more):
        request = await request_of(socket, "rate", messageId=answer, value=value, **more)
        return [frame["type"] for frame in await socket.rest(request)]

    return rate


async def stored():
    return [(row.value, row.comment) async for row in Feedback.objects.all()]


async def test_a_rating_is_stored_changed_and_taken_back(answered, rate):
    socket, answer = await answered()
    assert await rate(socket, answer, 1) == ["start", "end"]
    assert await stored() == [(1, "")]
    await rate(socket, answer, -1, comment="Too\0 short.")
    assert await stored() == [(-1, "Too\ufffd short.")]
    await rate(socket, answer, 1)
    assert await stored() == [(1, "Too\ufffd short.")], "a rating without a comment keeps the earlier one"
    await rate(socket, answer, 1, comment="")
    assert await stored() == [(1, "")]
    assert await rate(socket, answer, 0) == ["start", "end"]
    assert await rate(socket, answer, 0) == ["start", "end"]
    assert await stored() == []


async def test_a02_half_a_character_in_a_comment_is_replaced(answered, rate):
    socket, answer = await answered()
    assert await rate(socket, answer, -1, comment="Good \ud83d\0") == ["start", "end"]
    assert await stored() == [(-1, "Good \ufffd\ufffd")]


async def test_a_comment_has_a_longest_length(answered, request_of):
    socket, answer = await answered()
    for length, kind in ((COMMENT_LENGTH, "end"), (COMMENT_LENGTH + 1, "error")):
        request = await request_of(socket, "rate", messageId=answer, value=1, comment="x" * length)
        assert (last := (await socket.rest(request))[-1])["type"] == kind
    assert last["code"] == "too_long"
    assert [len(comment) for _, comment in await stored()] == [COMMENT_LENGTH]


async def test_only_the_owners_own_ended_answers_can_be_rated(answered, connect, script, request_of):
    socket, answer = await answered()
    stranger = await connect("bob")
    for reader, message in ((stranger, answer), (socket, "m1"), (socket, "other")):
        assert await reader.error(await request_of(reader, "rate", messageId=message, value=1)) == "not_found"
    running = await socket.ask("And?", message="m2")
    answer = (await socket.chunk(running, "start"))["messageId"]
    assert await socket.error(await request_of(socket, "rate", messageId=answer, value=1)) == "busy"
    assert await stored() == []


async def test_a_rating_that_is_none_of_the_three_is_a_bad_frame(answered, request_of):
    socket, answer = await answered()
    await request_of(socket, "rate", messageId=answer, value=2)
    assert (await socket.closed())[0] == 4400


async def test_the_ratings_of_a_window_take_no_query_of_their_own(answered, rate, django_assert_num_queries):
    socket, answer = await answered()
    await rate(socket, answer, -1, comment="Too short.")
    await answered(message="m2")

    def views():
        with django_assert_num_queries(4):  # the conversation, the keys, its messages, their siblings
            return [message_view(message) for message in tip_window(Owner("visitor:ann"), "c1").messages]

    found = await sync_to_async(views)()
    assert [(view.rating, view.comment) for view in found] == [(0, ""), (-1, "Too short."), (0, ""), (0, "")]
