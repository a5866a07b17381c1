"""News for the event loops of the process, from code that runs on none of them."""

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from chat.engine.telling import on_every_loop, tell
from chat.models import Conversation
from tests.support.upstream import eventually

CONVERSATION = Conversation(owner="visitor:ann", uid="c1", updated_at=timezone.now())


async def test_the_owners_pages_hear_what_happened(connect):
    socket = await connect("ann")
    await sync_to_async(tell)("title", CONVERSATION, title="New")
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["title"]) == ("title", "c1", "New")


async def test_nothing_is_told_before_it_is_committed_nor_what_is_rolled_back(served):
    told = []

    def change():
        with pytest.raises(LookupError), transaction.atomic():
            on_every_loop(lambda engine: told.append("rolled back"))
            raise LookupError
        with transaction.atomic():
            on_every_loop(told.append)
            assert told == []

    await sync_to_async(change)()
    await eventually(lambda: told)
    assert told == [served]


@pytest.mark.django_db
def test_where_no_loop_serves_the_site_there_is_nobody_to_tell():
    on_every_loop(lambda engine: pytest.fail("there is none"))
