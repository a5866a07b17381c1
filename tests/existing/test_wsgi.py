"""Sites whose pages are served by WSGI: alone, which cannot answer (E07), and beside an ASGI server (E08)."""

import json
import re
from urllib.error import HTTPError

import pytest

from tests.faults.services import redis_server
from tests.support.kinds import Kind, build
from tests.support.startproject import WAIT, Visitor, chat_on

# gunicorn leaves its own sockets to the end of the process.
GUNICORN = ("-W", "ignore::ResourceWarning", "-m", "gunicorn", "mysite.wsgi", "--workers", "2", "--bind")
GUNICORN = (*GUNICORN, "127.0.0.1:{port}", "--no-control-socket")
QUESTION = "Why is the sky blue?"
SENTENCE = "This page is served by WSGI"
LAYER = """
CHANNEL_LAYERS = {{
    "default": {{"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {{"hosts": ["{url}"]}}}}
}}
"""
DELETE = "from llm_chat.models import Conversation; Conversation.objects.get(uid='default').delete()"


@pytest.fixture(scope="module")
def made(python, instructions, start_project):
    """Make a site with more settings."""

    def made(settings=""):
        site = start_project(python)
        build(site, Kind(settings=settings), instructions.additions)
        return site

    return made


def test_e07_a_site_by_wsgi_alone_says_in_development_that_no_answer_can_arrive(made):
    with made().served(*GUNICORN) as url:
        visitor = Visitor(url)
        assert SENTENCE in visitor.get("/help/")[1]
        with pytest.raises(HTTPError) as refused:
            visitor.post("/help/", "/chat/default/", id="m1", text=QUESTION)
        page = refused.value.read().decode()
        assert "This process runs under WSGI, which cannot stream answers." in page
        assert QUESTION in page  # in its field again


def test_e07_in_production_the_log_says_it_once_for_each_process(made):
    site = made('DEBUG = False\nALLOWED_HOSTS = ["127.0.0.1"]\n')
    with site.served(*GUNICORN) as url:
        for _ in range(8):
            assert SENTENCE not in Visitor(url).get("/help/")[1]
    assert 1 <= site.log.count(SENTENCE) <= 2


def test_e07_the_check_warns_of_a_site_without_an_asgi_application(python, instructions, start_project):
    site = start_project(python)
    lines = dict(instructions.additions)
    lines["mysite/settings.py"] = lines["mysite/settings.py"].replace("ASGI_APPLICATION", "ASGI")
    site.add(lines)
    assert "ASGI_APPLICATION is not set" in site.fail("manage.py", "check", "--fail-level", "WARNING")


def events(socket, count):
    """Return the next events on a socket, as their names and what they say, except ``read``, which pages cause."""
    found = []
    while len(found) < count:
        frame = json.loads(socket.recv(WAIT))
        if frame["type"] == "event" and frame["event"] != "read":
            found.append((frame["event"], frame.get("title", frame.get("pinned"))))
    return found


def test_e08_pages_by_gunicorn_and_the_websocket_by_uvicorn(made, production):
    with redis_server() as redis:
        site = made(LAYER.format(url=redis.url))
        with site.served(*production) as sockets, site.served(*GUNICORN) as url:
            visitor, port = Visitor(url), int(sockets.rpartition(":")[2])
            page = visitor.get("/help/")[1]
            assert SENTENCE not in page
            with visitor.connected(chat_on(page)["path"], port) as socket:
                message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
                frame = {"type": "send", "requestId": "r1", "id": "default", "trigger": "submit-message"}
                socket.send(json.dumps({**frame, "messages": [message]}))
                assert [event for event, _ in events(socket, 2)] == ["run-started", "run-ended"]
                assert visitor.roles_of(QUESTION, "/help/") == ["user", "assistant"]
                visitor.post("/chat/default/options/", "/chat/default/rename/", title="Another title")
                visitor.post("/chat/default/options/", "/chat/default/pin/", pinned="yes")
                visitor.post("/chat/default/options/", "/chat/default/delete/", confirm="yes")
                deletion = re.search(r'name="at" value="([^"]+)"', visitor.get("/chat/")[1])[1]
                visitor.post("/chat/", "/chat/~undo/", at=deletion)
                changes = events(socket, 4)
                assert changes[:2] == [("title", "Another title"), ("pinned", True)]
                assert [event for event, _ in changes[2:]] == ["deleted", "restored"]
                site.run("manage.py", "shell", "--no-imports", "-c", DELETE)
                assert events(socket, 1) == [("deleted", None)]
