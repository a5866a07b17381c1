"""``make cluster``, and what its visitors notice when one of its processes is killed: a pause."""

import asyncio
import contextlib
import json
import signal
import tempfile
import threading
import time
import types
import urllib.error
import urllib.request
from pathlib import Path

import cluster as clusters
import psycopg
import pytest
import services
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chat.conf import SETTINGS
from tests.support.processes import session_of
from tests.support.upstream import running_upstream

WAIT = 20.0
OWNER = """
    SELECT process.pid, message.status, message.text
    FROM llm_chat_message message
    JOIN llm_chat_conversation conversation ON conversation.id = message.conversation_id
    LEFT JOIN llm_chat_process process ON process.id = message.process_id
    WHERE message.role = 'assistant' AND conversation.uid = %s
"""
SHARED_STREAMS = pytest.mark.skipif("REDIS_URL" not in SETTINGS, reason="streams are not shared through Redis yet")


@pytest.fixture(scope="module")
def upstream():
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def one_cluster(upstream):
    if not services.found_program("nginx"):
        pytest.skip("nginx is not installed here: `make cluster` installs it, or says how")
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.support.cluster_settings",
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_MODEL": "gated",
    }
    with contextlib.ExitStack() as stack:
        # Not in pytest's folder, which only our user may enter: PostgreSQL and nginx do not run as root.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-cluster-")))
        yield stack.enter_context(clusters.running(folder, services.free_port(), environment=environment))


@pytest.fixture
def cluster(one_cluster):
    """Restart what an earlier test has killed, and make the balancer forget the failures."""
    for web in one_cluster.webs:
        if not web.runs:
            web.start()
            web.wait_until_it_listens()
    one_cluster.balancer.stop()
    one_cluster.balancer.start()
    one_cluster.balancer.wait_until_it_listens()
    return one_cluster


class Visitor:
    """A visitor behind the balancer, with one conversation; ``socket`` is that of the newest tab."""

    def __init__(self, cluster, conversation, tabs):
        self.cluster = cluster
        self.conversation = conversation
        self._tabs = tabs
        with urllib.request.urlopen(f"{cluster.url}/chat/") as response:
            self._cookie = session_of(response)
        self.connect()

    def connect(self):
        address, headers = f"{self.cluster.url.replace('http', 'ws')}/ws/chat/", {"Cookie": self._cookie}
        self.socket = self._tabs.enter_context(
            connect(address, origin=self.cluster.url, additional_headers=headers, proxy=None)
        )
        self.text, self.end = "", None

    def ask(self, text):
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
        self._send(type="send", trigger="submit-message", messages=[message])

    def resume(self):
        self._send(type="resume")

    def read_until(self, text):
        while self.text != text:
            self._read()
            assert text.startswith(self.text), self.text

    def read_to_the_end(self):
        while self.end is None:
            self._read()
        return self.text

    def answer(self):
        """Return the process that writes the answer, its status and its text, as the database has it."""
        with psycopg.connect(self.cluster.postgres.dsn) as database:
            return database.execute(OWNER, [self.conversation]).fetchone()

    def process(self):
        """Return the site's process that writes this visitor's answer."""
        pid = self.answer()[0]
        return next(web for web in self.cluster.webs if web.process.pid == pid)

    def _send(self, **frame):
        self.socket.send(json.dumps({"requestId": "r", "id": self.conversation, "headers": {}, "body": {}, **frame}))

    def _read(self):
        frame = json.loads(self.socket.recv(WAIT))
        if frame["requestId"] != "r":
            return
        if frame["type"] in ("end", "error", "no-active"):
            self.end = frame
        elif frame["type"] == "chunk" and frame["chunk"]["type"] == "text-delta":
            self.text += frame["chunk"]["delta"]


@pytest.fixture
def visit(cluster):
    with contextlib.ExitStack() as tabs:
        yield lambda conversation: Visitor(cluster, conversation, tabs)


@pytest.fixture
def front(cluster, monkeypatch, tmp_path):
    """Run a second balancer in front of the cluster's processes, with a timeout of 1 s on pages instead of 10 s."""
    template = tmp_path / "nginx.conf.template"
    template.write_text(services.BALANCER.read_text().replace("proxy_read_timeout 10s;", "proxy_read_timeout 1s;"))
    monkeypatch.setattr(services, "BALANCER", template)
    with tempfile.TemporaryDirectory(prefix="chat-front-") as folder:
        front = services.balancer(Path(folder), services.free_port(), cluster.webs)
        front.wait_until_it_listens()
        yield front
        front.stop()


@contextlib.contextmanager
def frozen(web):
    """Suspend a process; its port still accepts connections."""
    web.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        web.process.send_signal(signal.SIGCONT)


def fetched(front, times, data=None):
    """Return the statuses of ``times`` requests for a page; each must end within ten times its limit."""
    for _ in range(times):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{front.port}/accounts/login/", data, timeout=15) as response:
                yield response.status
        except urllib.error.HTTPError as error:
            with error:
                yield error.code


def test_a09_pages_come_from_the_other_process_while_one_hangs(cluster, front):
    first, second = cluster.webs
    with frozen(first):
        assert set(fetched(front, 8, b"name=ann")) == {403, 504}  # a POST that may have arrived is not sent again
        assert set(fetched(front, 8)) == {200}
    with frozen(second):  # the first serves again
        eventually(lambda: set(fetched(front, 8)) == {200})


def test_a09_a_socket_may_be_silent_for_longer_than_a_page(visit, front):
    visitor = visit("silent")
    visitor.cluster = types.SimpleNamespace(url=f"http://127.0.0.1:{front.port}")
    visitor.connect()
    with pytest.raises(TimeoutError):
        visitor.socket.recv(1.5)
    visitor.socket.send(json.dumps({"type": "ping", "requestId": "alive"}))
    assert json.loads(visitor.socket.recv(WAIT))["type"] == "pong"


def next_call(upstream):
    return asyncio.run(upstream.next_call())


def eventually(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)


def test_no_page_is_missing_while_a_process_is_killed(cluster):
    answers, stop = [], threading.Event()

    def load():
        while not stop.is_set():
            with urllib.request.urlopen(f"{cluster.url}/accounts/login/", timeout=WAIT) as response:
                answers.append(response.status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answers) > 40)
    cluster.webs[0].kill()
    killed_at = len(answers)
    eventually(lambda: len(answers) > killed_at + 200)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}


@SHARED_STREAMS
def test_an_answer_continues_when_another_process_is_killed(cluster, visit, upstream):
    ann, ben = visit("ann"), visit("ben")
    ann.ask("Why?")
    first = next_call(upstream)
    ben.ask("How?")
    second = next_call(upstream)
    first.say("Ann's beginning.")
    ann.read_until("Ann's beginning.")
    second.say("Ben's beginning.")
    ben.read_until("Ben's beginning.")
    eventually(lambda: ann.answer()[2] == "Ann's beginning.")  # a kill loses whatever is newer than a tick
    assert ann.process() is not ben.process()

    ann.process().kill()
    second.say(" Ben's rest.")
    second.finish()
    assert ben.read_to_the_end() == "Ben's beginning. Ben's rest."
    assert ben.end["type"] == "end"
    assert ben.answer()[1:] == ("complete", "Ben's beginning. Ben's rest.")

    with pytest.raises(ConnectionClosed):
        ann.read_to_the_end()
    ann.connect()
    ann.resume()
    assert ann.read_to_the_end() == "Ann's beginning."
    eventually(lambda: ann.answer()[1] == "interrupted")
    assert ann.answer()[2] == "Ann's beginning."


@SHARED_STREAMS
def test_a_reader_of_a_killed_process_follows_the_answer_of_another_process(cluster, visit, upstream):
    ann = visit("anna")
    ann.ask("Why?")
    call = next_call(upstream)
    call.say("One")
    ann.read_until("One")
    maker = ann.process()
    other = next(web for web in cluster.webs if web is not maker)
    ann.connect()  # a second tab, which the balancer gives to the process with fewer connections
    ann.resume()
    ann.read_until("One")

    other.kill()
    with pytest.raises(ConnectionClosed):
        ann.read_to_the_end()
    ann.connect()
    ann.resume()
    call.say(", two")
    ann.read_until("One, two")
    call.finish()
    assert ann.read_to_the_end() == "One, two"
