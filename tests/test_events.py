"""Events about conversations, for every open socket of their owner."""

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from chat.events import Event, Events
from tests.support.upstream import eventually

EVENT = Event("run-started", "c1", "a1", 1)
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


async def until_received(received, here, owner="ann"):
    """Publish until the other side has received an event, because joining a group is not acknowledged."""

    async def publish():
        while not received:
            here.publish(owner, EVENT)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(publish(), 10)


async def test_an_event_reaches_every_socket_of_the_owner_in_the_same_process_at_once():
    events = Events("here")
    events.start()
    first, second, other = [], [], []
    with (
        events.subscribe("ann", first.append),
        events.subscribe("ann", second.append),
        events.subscribe("bob", other.append),
    ):
        events.publish("ann", EVENT)
    events.publish("ann", EVENT)
    assert (first, second, other) == ([EVENT], [EVENT], [])
    await events.finish()


async def test_an_event_reaches_the_sockets_of_other_processes_through_any_layer(layer):
    received, other = [], []
    async with process("here") as here, process("there") as there:
        with there.subscribe("ann", received.append), there.subscribe("bob", other.append):
            await until_received(received, here)
    assert received[0] == EVENT
    assert other == []


async def test_a_failing_layer_is_logged_once_and_sockets_of_the_same_process_still_receive_events(settings, caplog):
    settings.CHANNEL_LAYERS = {"default": redis_layer("pubsub.RedisPubSubChannelLayer", "redis://127.0.0.1:1/0")}
    received = []
    async with process("here") as here:
        with here.subscribe("ann", received.append):
            here.publish("ann", EVENT)
            here.publish("ann", EVENT)
            await eventually(lambda: "The channel layer fails" in caplog.text)
    assert received == [EVENT, EVENT]
    assert caplog.text.count("The channel layer fails") == 1


async def test_a_socket_receives_events_when_an_answer_of_its_owner_starts_and_ends(script, connect):
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


async def test_a_socket_that_does_not_read_keeps_no_more_events_than_allowed(script, connect, served, monkeypatch):
    monkeypatch.setattr("chat.consumers.MAX_EVENTS", 3)
    socket = await connect("ann")
    await socket.resume()
    for version in range(10):
        served.events.publish("visitor:ann", Event("run-started", "c1", "a1", version))
    assert [(await socket.frame("conversation"))["version"] for _ in range(3)] == [0, 1, 2]
    served.events.publish("visitor:ann", Event("run-ended", "c1", "a1", 10))
    assert (await socket.frame("conversation"))["version"] == 10


async def test_the_owners_pages_receive_the_events_of_views(connect):
    socket = await connect("ann")
    await sync_to_async(Events.publish_from_thread)("visitor:ann", Event.titled("c1", "New"))
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["title"]) == ("title", "c1", "New")


async def test_an_event_is_published_only_once_its_transaction_is_committed(served):
    received = []

    def change():
        with pytest.raises(LookupError), transaction.atomic():
            Events.publish_from_thread("visitor:ann", Event.deleted("rolled back"))
            raise LookupError
        with transaction.atomic():
            Events.publish_from_thread("visitor:ann", Event.deleted("c1"))
            assert received == []

    with served.events.subscribe("visitor:ann", received.append):
        await sync_to_async(change)()
        await eventually(lambda: received)
    assert [event.id for event in received] == ["c1"]


@pytest.mark.django_db
def test_publishing_without_a_serving_event_loop_does_nothing():
    Events.publish_from_thread("visitor:ann", Event.deleted("c1"))
