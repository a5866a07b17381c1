"""Tools in the AI SDK's own client: what it shows of our stream is what it shows of the SDK's own server."""

import json
import subprocess

import pytest

from chat.assistants import Assistant, Source, ToolError, tool
from chat.assistants.discovery import registry
from tests.npm.conftest import HERE, WAIT

SOURCE = {"title": "Brakes", "url": "https://bikes.example/brake"}
STEPS = [
    [{"text": "Let me see."}, {"call": ["orders", {"status": "open"}]}],
    [{"reasoning": "Hm."}, {"call": ["orders", {"status": "sent"}]}, {"call": ["cancel", {}]}],
    [{"text": "Hm."}, {"call": ["manual", {}]}, {"call": ["orders", {"status": "new"}]}, {"source": SOURCE}],
    [{"text": "It is on its way [1]."}],
]


class Default(Assistant):
    @tool
    def orders(self, status: str):
        """The orders."""
        return [{"number": "B7", "status": status}]

    @tool
    def manual(self):
        """Pages of the manual."""
        return [Source(excerpt="They stop.", **SOURCE)]

    @tool
    def cancel(self):
        """Cancels."""
        raise ToolError("It is too late.")


@pytest.fixture(autouse=True)
def assistant():
    with registry.replaced(Default):
        yield


def whole(message):
    """Return the parts of a client's message, with ids replaced, and without what only one of the servers adds."""
    ids = {}
    parts = []
    for part in message["parts"]:
        kept = {name: value for name, value in part.items() if "Metadata" not in name}
        for name in {"id", "toolCallId", "sourceId"} & kept.keys():
            kept[name] = ids.setdefault(kept[name], f"id {len(ids)}")
        parts.append(kept)
    return parts


def test_the_client_shows_what_it_shows_of_the_sdks_own_server(chat, script, node):
    chat.ask("Why?")
    for step in STEPS:
        reply = script.next_reply()
        for piece in step:
            if "call" in piece:
                name, arguments = piece["call"]
                reply.call(name, **arguments)
            elif "text" in piece:
                reply.say(piece["text"])
            elif "reasoning" in piece:
                reply.think(piece["reasoning"])
        reply.finish("tool-calls" if any("call" in piece for piece in step) else "stop")
    assert chat.done("ask")["status"] == "ready"
    ran = subprocess.run(
        [node, "streamed.mjs", json.dumps(STEPS)], cwd=HERE, capture_output=True, text=True, timeout=3 * WAIT
    )
    assert ran.returncode == 0, ran.stderr
    ours, theirs = whole(chat.state["messages"][-1]), whole(json.loads(ran.stdout))
    assert ours == theirs
    kinds = {"step-start", "text", "reasoning", "tool-orders", "tool-cancel", "tool-manual", "source-url"}
    assert {part["type"] for part in ours} == kinds


def test_a_client_that_comes_later_has_the_same_sources(chat, open_chat, script):
    chat.ask("Why?")
    reply = script.next_reply()
    reply.call("manual")
    reply.finish("tool-calls")
    last = script.next_reply()
    last.say("So [1].")
    last.finish()
    first = chat.done("ask")["messages"][-1]
    other = open_chat(chat.state["messages"][:1])
    other.resume()
    again = other.done("resume")["messages"][-1]
    assert again["parts"] == first["parts"]
    (source,) = [part for part in first["parts"] if part["type"] == "source-url"]
    assert (source["sourceId"], source["url"]) == ("1", SOURCE["url"])
    assert source["providerMetadata"] == {"llm_chat": {"excerpt": "They stop."}}
