"""The site's own ASGI application, its environment and the OpenAI backend, under both servers as real processes."""

import json
import sqlite3

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chat.claims import claim_of
from tests.support.behaviours import ANSWER
from tests.support.processes import running
from tests.support.upstream import running_upstream


@pytest.fixture(scope="module")
def upstream():
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def site(request, upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with running(request.param, folder, OPENAI_BASE_URL=upstream.url, OPENAI_MODEL="ok") as site:
        site.folder = folder
        site.server = request.param
        yield site
    assert "Traceback" not in site.log
    warnings = [line for line in site.log.splitlines() if "WARNING" in line]
    assert all("handshake" in line and "http://evil.example" in line for line in warnings), warnings


def send(conversation, text):
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return json.dumps(
        {
            "type": "send",
            "requestId": "r",
            "id": conversation,
            "trigger": "submit-message",
            "messages": [message],
            "headers": {},
            "body": {},
        }
    )


def read(websocket):
    """Read the frames of the request until its end."""
    frames = []
    while not frames or frames[-1]["type"] not in ("end", "error"):
        frame = json.loads(websocket.recv(20))
        frames += [frame] if frame["requestId"] == "r" else []
    return frames


def test_an_answer_of_an_openai_endpoint_arrives_over_the_websocket_and_is_stored(site):
    with site.connect(site.visitor()) as websocket:
        websocket.send(send("c1", "Why?"))
        frames = read(websocket)
    text = "".join(frame["chunk"].get("delta", "") for frame in frames if frame["type"] == "chunk")
    assert text == ANSWER
    with sqlite3.connect(site.folder / "db.sqlite3") as database:
        stored = database.execute(
            "SELECT text, status, model FROM llm_chat_message WHERE role = 'assistant'"
        ).fetchall()
    database.close()
    assert stored == [(ANSWER, "complete", "ok")]


def test_the_handshake_sets_the_cookie_that_proves_who_has_begun_a_conversation(site):
    visitor = site.visitor()
    with site.connect(visitor) as websocket:
        (cookie,) = websocket.response.headers.get_all("Set-Cookie")
    assert cookie.startswith("sessionid_chat_")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    pair = cookie.partition(";")[0]
    with site.connect(f"{visitor}; {pair}") as websocket:
        websocket.send(send("claimed", "Why?"))
        read(websocket)
        assert websocket.response.headers.get_all("Set-Cookie") == [cookie]
    with sqlite3.connect(site.folder / "db.sqlite3") as database:
        query = "SELECT claim FROM llm_chat_conversation WHERE uid = 'claimed'"
        stored = database.execute(query).fetchall()
    database.close()
    assert stored == [(claim_of(pair.partition("=")[2]),)]


def test_a_foreign_origin_is_refused(site):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{site.port}/ws/chat/", origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_a_bad_frame_is_closed_with_a_code_and_a_reason(site):
    with site.connect(site.visitor()) as websocket:
        websocket.send("nonsense")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(20)
    assert closed.value.rcvd.code == 4400
    reason = {"uvicorn": "Expected one JSON object as a text frame.", "daphne": ""}[site.server]  # daphne sends none
    assert closed.value.rcvd.reason == reason


def test_a_history_of_megabytes_is_accepted_and_a_frame_over_the_limit_is_not(site):
    limit = {"uvicorn": 8 << 20, "daphne": 1 << 20}[site.server]  # daphne's limit cannot be changed
    padding = json.dumps({"id": "x", "role": "user", "parts": [{"type": "text", "text": "x" * (limit - 2000)}]})
    with site.connect(site.visitor()) as websocket:
        websocket.send(send("c2", "Why?").replace('"messages": [', f'"messages": [{padding}, '))
        assert read(websocket)[-1]["type"] == "end"
        with pytest.raises(ConnectionClosed) as closed:
            websocket.send(send("c3", "x" * limit))
            while True:  # skip the frames that were sent before
                websocket.recv(20)
    # The server closes the connection while the frame is arriving, so its close frame may be lost; daphne sends none.
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
