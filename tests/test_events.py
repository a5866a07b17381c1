"""News of conversations, for every open socket of their owner."""

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from chat.events import Event, Events
from tests.support.upstream import eventually

NEWS = Event("run-started", "c1", "a1", 1)
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


def redis_layer(kind, url):
    return {"BACKEND": f"channels_redis.{kind}", "CONFIG": {"hosts": [url]}}


@pytest.fixture(params=["InMemory", "pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
def layer(request, settings, redis_server):
    settings.CHANNEL_LAYERS = {
        "default": MEMORY if request.param == "InMemory" else redis_layer(request.param, redis_server.url)
    }
    return request.param


@contextlib.asynccontextmanager
async def process(name):
    events = Events(name)
    events.start()
    try:
        yield events
    finally:
        await events.finish()
        if events._layer is not None and hasattr(events._layer, "flush"):
            await events._layer.flush()  # the connections of a loop that ends here


async def told(listener, here, owner="ann"):
    """Tell until the other side listens: joining a group has no acknowledgement."""

    async def tell():
        while not listener:
            here.publish(owner, NEWS)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(tell(), 10)


async def test_news_reach_every_socket_of_the_owner_on_their_own_process_at_once():
    events = Events("here")
    events.start()
    first, second, other = [], [], []
    with (
        events.subscribe("ann", first.append),
        events.subscribe("ann", second.append),
        events.subscribe("bob", other.append),
    ):
        events.publish("ann", NEWS)
    events.publish("ann", NEWS)
    assert (first, second, other) == ([NEWS], [NEWS], [])
    await events.finish()


async def test_news_reach_the_sockets_of_other_processes_through_any_layer(layer):
    heard, other = [], []
    async with process("here") as here, process("there") as there:
        with there.subscribe("ann", heard.append), there.subscribe("bob", other.append):
            await told(heard, here)
    assert heard[0] == NEWS
    assert other == []


async def test_a_layer_that_fails_is_told_once_and_the_own_sockets_hear_all_the_same(settings, caplog):
    settings.CHANNEL_LAYERS = {"default": redis_layer("pubsub.RedisPubSubChannelLayer", "redis://127.0.0.1:1/0")}
    heard = []
    async with process("here") as here:
        with here.subscribe("ann", heard.append):
            here.publish("ann", NEWS)
            here.publish("ann", NEWS)
            await eventually(lambda: "The channel layer fails" in caplog.text)
    assert heard == [NEWS, NEWS]
    assert caplog.text.count("The channel layer fails") == 1


async def test_a_socket_hears_when_an_answer_of_its_owner_begins_and_ends(script, connect):
    asking, other, stranger = await connect("ann"), await connect("ann"), await connect("bob")
    request = await asking.ask("Why?")
    start = await asking.chunk(request, "start")
    (await script.anext_reply()).finish()
    await asking.rest(request)
    started, ended = await other.frame("conversation"), await other.frame("conversation")
    assert (started["event"], ended["event"]) == ("run-started", "run-ended")
    for event in (started, ended):
        assert (event["type"], event["id"], event["message"]) == ("event", "c1", start["messageId"])
    assert ended["version"] >= started["version"]
    assert (started["title"], "title" in ended) == ("Why?", False)
    own = await stranger.ask("And mine?")
    assert (await stranger.frame("conversation"))["message"] == (await stranger.frame(own))["chunk"]["messageId"]


async def test_a_socket_that_does_not_read_keeps_no_more_news_than_allowed(script, connect, served, monkeypatch):
    monkeypatch.setattr("chat.consumers.MAX_EVENTS", 3)
    socket = await connect("ann")
    await socket.resume()
    for version in range(10):
        served.events.publish("visitor:ann", Event("run-started", "c1", "a1", version))
    assert [(await socket.frame("conversation"))["version"] for _ in range(3)] == [0, 1, 2]
    served.events.publish("visitor:ann", Event("run-ended", "c1", "a1", 10))
    assert (await socket.frame("conversation"))["version"] == 10


async def test_the_owners_pages_hear_what_a_view_did(connect):
    socket = await connect("ann")
    await sync_to_async(Events.publish_from_thread)("visitor:ann", Event.titled("c1", "New"))
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["title"]) == ("title", "c1", "New")


async def test_nothing_is_published_before_it_is_committed_nor_what_is_rolled_back(served):
    heard = []

    def change():
        with pytest.raises(LookupError), transaction.atomic():
            Events.publish_from_thread("visitor:ann", Event.deleted("rolled back"))
            raise LookupError
        with transaction.atomic():
            Events.publish_from_thread("visitor:ann", Event.deleted("c1"))
            assert heard == []

    with served.events.subscribe("visitor:ann", heard.append):
        await sync_to_async(change)()
        await eventually(lambda: heard)
    assert [event.id for event in heard] == ["c1"]


@pytest.mark.django_db
def test_where_no_loop_serves_the_site_nobody_receives_an_event():
    Events.publish_from_thread("visitor:ann", Event.deleted("c1"))
