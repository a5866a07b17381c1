"""Messages through the site's channel layer from a process without an event loop (E08)."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import types

import pytest
from channels.layers import BaseChannelLayer, get_channel_layer

from chat import layer
from chat.events import GROUP
from tests.faults.services import wait_until
from tests.support.processes import ROOT, site_environment

COMMAND = """
from chat.events import Event, Events
for number in range(20):
    Events.publish_from_thread("visitor:ann", Event.titled("c1", f"Title {number}"))
"""
"""Code of a command, which ends at once after it has published."""


class Slow(BaseChannelLayer):
    """A layer whose messages a test can hold back, or let fail."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self.threads = set()
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    async def group_send(self, group, message):
        while not self.gate.is_set():  # noqa: ASYNC110 (set by another thread)
            await asyncio.sleep(0.001)
        if self.error:
            raise self.error
        self.threads.add(threading.get_ident())
        self.sent.append((group, message))


@pytest.fixture(autouse=True)
def own_sender(monkeypatch):
    """Give each test a sender that has logged nothing yet."""
    monkeypatch.setattr(layer, "_sender", layer.Sender())
    yield
    layer.finish()


@pytest.fixture
def slow(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Slow"}}
    return get_channel_layer()


def send(*numbers):
    for number in numbers:
        layer.send(GROUP, {"number": number})


def numbers_of(slow):
    return [message["number"] for _, message in slow.sent]


@pytest.mark.parametrize("kind", ["pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
async def test_e08_the_events_of_a_command_without_a_loop_reach_other_processes(settings, redis_server, kind, tmp_path):
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": f"channels_redis.{kind}", "CONFIG": {"hosts": [redis_server.url]}}
    }
    serving = get_channel_layer()
    channel = await serving.new_channel()
    await serving.group_add(GROUP, channel)
    environment = site_environment(
        tmp_path, DJANGO_SETTINGS_MODULE="tests.support.layered_settings", LAYER=kind, LAYER_URL=redis_server.url
    )
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", COMMAND]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    async with asyncio.timeout(10):
        received = [await serving.receive(channel) for _ in range(20)]
    assert [message["event"]["title"] for message in received] == [f"Title {number}" for number in range(20)]
    assert {(message["owner"], message["process"]) for message in received} == {("visitor:ann", "")}
    await serving.flush()


def test_e08_the_caller_does_not_wait_and_messages_keep_their_order(slow):
    slow.gate.clear()
    started = time.monotonic()
    send(*range(100))
    assert time.monotonic() - started < 0.5
    assert slow.sent == []
    slow.gate.set()
    layer.finish()
    assert numbers_of(slow) == [*range(100)]
    assert len(slow.threads) == 1


def test_e08_the_thread_ends_when_it_is_idle_and_a_later_message_starts_another(slow, monkeypatch):
    monkeypatch.setattr(layer, "IDLE", 0.01)
    for number in range(3):
        send(number)
        wait_until(lambda: "llm-chat-layer" not in [thread.name for thread in threading.enumerate()], "it did not end")
    assert numbers_of(slow) == [0, 1, 2]


def test_e08_a_failing_layer_is_logged_once_until_it_works_again(slow, caplog):
    slow.error = ConnectionError("refused")
    for _ in range(2):
        send(1, 2)
        layer.finish()
    assert caplog.text.count("The channel layer fails (ConnectionError('refused'))") == 1
    slow.error = None
    send(3)
    layer.finish()
    assert numbers_of(slow) == [3]
    slow.error = ConnectionError("refused")
    send(4)
    layer.finish()
    assert caplog.text.count("The channel layer fails") == 2


def test_e08_a_layer_that_hangs_gets_a_deadline_and_what_waits_behind_it_is_dropped(slow, caplog, monkeypatch):
    monkeypatch.setattr(layer, "WAIT", 0.1)
    slow.gate.clear()
    send(*range(50))
    wait_until(lambda: "The channel layer fails (TimeoutError())" in caplog.text, "no deadline")
    slow.gate.set()
    send(50)
    layer.finish()
    assert numbers_of(slow)[-1] == 50
    assert len(slow.sent) < 50


def test_e08_the_queue_is_bounded(slow, caplog, monkeypatch):
    monkeypatch.setattr(layer, "MAX_WAITING", 3)
    slow.gate.clear()
    send(*range(10))
    slow.gate.set()
    layer.finish()
    assert "The channel layer fails (3 messages wait)" in caplog.text
    assert 3 <= len(slow.sent) <= 4


def test_e08_a_layer_that_is_set_up_wrongly_fails_no_request(settings, caplog):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer"}}
    send(1)
    assert "The channel layer fails" in caplog.text


@pytest.mark.parametrize("layers", [{}, {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}])
def test_e08_without_a_layer_that_reaches_other_processes_no_thread_is_started(settings, layers):
    settings.CHANNEL_LAYERS = layers
    send(1)
    assert "llm-chat-layer" not in [thread.name for thread in threading.enumerate()]


def test_e08_under_gevent_events_are_given_up_with_a_line_in_the_log(slow, monkeypatch, caplog):
    gevent = types.SimpleNamespace(is_module_patched=lambda name: name == "threading")
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    send(1)
    layer.finish()
    assert slow.sent == []
    assert "gevent" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system does not fork.")
def test_e08_a_process_that_is_forked_afterwards_has_a_thread_of_its_own(tmp_path, redis_server):
    code = """
import os
from chat import layer
layer.send("g", {"from": "parent"})
if (child := os.fork()) == 0:
    layer.send("g", {"from": "child"})
    layer.finish()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    kind = "pubsub.RedisPubSubChannelLayer"
    environment = site_environment(
        tmp_path, DJANGO_SETTINGS_MODULE="tests.support.layered_settings", LAYER=kind, LAYER_URL=redis_server.url
    )
    with redis_server.client() as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.psubscribe("*")
        command = [sys.executable, "-W", "ignore", "manage.py", "shell", "--no-imports", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "0", "")
        wait_until(lambda: b"child" in (listener.get_message() or {}).get("data", b""), "the child sent nothing")
        listener.close()
