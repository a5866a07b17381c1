"""The messages before the first one that a page shows."""

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat.db.branches import WINDOW
from chat.models import Conversation


@pytest.fixture
async def long(connect):
    """Store a conversation of Ann that is one turn longer than a page's window, and return her socket."""

    def store():
        made = Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())
        parent = None
        for number in range(WINDOW + 2):
            text = f"*Text {number}*"
            fields = {"uid": f"m{number}", "role": ("user", "assistant")[number % 2], "text": text, "parent": parent}
            parent = made.message_set.create(parts=[{"type": "text", "text": text}], **fields)
        Conversation.objects.filter(pk=made.pk).update(tip=parent)

    await sync_to_async(store)()
    return await connect("ann")


async def test_the_messages_before_one_are_sent_as_articles_in_order(long, request_of):
    frames = await long.rest(await request_of(long, "earlier", messageId="m2"))
    assert [frame["type"] for frame in frames] == ["start", "chunk", "end"]
    chunk = frames[1]["chunk"]
    assert (chunk["type"], chunk["transient"], chunk["data"]["more"]) == ("data-earlier", True, False)
    assert chunk["data"]["html"].count("<article") == 2
    assert chunk["data"]["html"].index("*Text 0*") < chunk["data"]["html"].index("<em>Text 1</em>")


async def test_the_chunk_says_whether_there_are_older_messages(long, request_of):
    (chunk,) = await long.chunks(await request_of(long, "earlier", messageId=f"m{WINDOW + 1}"))
    assert chunk["data"]["more"]
    (chunk,) = await long.chunks(await request_of(long, "earlier", messageId="m0"))
    assert chunk["data"] == {"html": "", "more": False}


async def test_the_first_message_of_a_new_page_says_that_there_are_older_ones(long):
    first, *others = await long.chunks(await long.resume(body={"view": "html"}))
    assert (first["data"]["id"], first["data"]["after"], first["data"]["earlier"]) == ("m2", None, True)
    assert len(others) == WINDOW - 1
    assert not any("earlier" in chunk["data"] for chunk in others)


async def test_earlier_messages_come_in_the_language_of_the_page(long, request_of):
    (chunk,) = await long.chunks(await request_of(long, "earlier", messageId="m2", body={"language": "de"}))
    assert "Assistent" in chunk["data"]["html"]


async def test_another_visitors_conversation_is_not_found(long, connect, request_of):
    stranger = await connect("bob")
    assert await stranger.error(await request_of(stranger, "earlier", messageId="m2")) == "not_found"
