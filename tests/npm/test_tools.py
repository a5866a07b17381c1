"""Tools in the AI SDK's own client: what it shows of our stream is what it shows of the SDK's own server."""

import json
import subprocess

import pytest

from chat.assistants import Assistant, ToolError, tool
from chat.assistants.discovery import registry
from tests.npm.conftest import HERE, WAIT

STEPS = [
    [{"text": "Let me see."}, {"call": ["orders", {"status": "open"}]}],
    [{"reasoning": "Hm."}, {"call": ["orders", {"status": "sent"}]}, {"call": ["cancel", {}]}],
    [{"text": "It is on its way."}],
]


class Default(Assistant):
    @tool
    def orders(self, status: str):
        """The orders."""
        return [{"number": "B7", "status": status}]

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
        for name in {"id", "toolCallId"} & kept.keys():
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
            else:
                reply.think(piece["reasoning"])
        reply.finish("tool-calls" if any("call" in piece for piece in step) else "stop")
    assert chat.done("ask")["status"] == "ready"
    ran = subprocess.run(
        [node, "streamed.mjs", json.dumps(STEPS)], cwd=HERE, capture_output=True, text=True, timeout=3 * WAIT
    )
    assert ran.returncode == 0, ran.stderr
    ours, theirs = whole(chat.state["messages"][-1]), whole(json.loads(ran.stdout))
    assert ours == theirs
    assert {part["type"] for part in ours} == {"step-start", "text", "reasoning", "tool-orders", "tool-cancel"}
