"""Tools in the AI SDK's own client: what it shows of our stream is what it shows of the SDK's own server."""

import pytest

from chat.assistants import Assistant, Source, ToolError, tool
from chat.assistants.discovery import registry
from chat.models import ToolCall

SOURCE = {"title": "Brakes", "url": "https://bikes.example/brake"}
STEPS = [
    [{"text": "Let me see."}, {"call": ["orders", {"status": "open"}]}],
    [{"reasoning": "Hm."}, {"call": ["orders", {"status": "sent"}]}, {"call": ["cancel", {}]}],
    [{"text": "Hm."}, {"call": ["manual", {}]}, {"call": ["orders", {"status": "new"}]}, {"source": SOURCE}],
    [{"text": "It is on its way [1]."}],
]
ASKING = [
    [
        *({"text": "Shall I?"}, {"call": ["remove", {"number": "B7"}]}),
        *({"call": ["orders", {"status": "open"}]}, {"call": ["remove", {"number": "B8"}]}),
    ],
    [{"text": "One is left."}, {"call": ["remove", {"number": "B9"}]}],
    [{"text": "Done."}],
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

    @tool(confirm=True)
    def remove(self, number: str):
        """Removes."""
        return f"removed {number}"


@pytest.fixture(autouse=True)
def assistant():
    with registry.replaced(Default):
        yield


def whole(message):
    """Return the parts of a client's message, with ids replaced, and without what only one of the servers adds."""
    ids = {}
    return [_replaced(part, ids) for part in message["parts"]]


def _replaced(part, ids):
    kept = {name: value for name, value in part.items() if "Metadata" not in name}
    for name in {"id", "toolCallId", "sourceId"} & kept.keys():
        kept[name] = ids.setdefault(kept[name], f"id {len(ids)}")
    if "approval" in kept:
        kept["approval"] = _replaced(kept["approval"], {}) | {"id": "approval"}
    return kept


def play(script, step):
    """Play one step of the model."""
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


def questions(client):
    """Return the calls that wait for a decision."""
    return [part for part in client.answer["parts"] if part.get("state") == "approval-requested"]


def test_the_client_shows_what_it_shows_of_the_sdks_own_server(chat, script, standard):
    theirs = standard(STEPS)
    for client in (chat, theirs):
        client.ask("Why?")
    for step in STEPS:
        play(script, step)
    for client in (chat, theirs):
        assert client.done("ask")["status"] == "ready"
    assert whole(chat.answer) == whole(theirs.answer)
    kinds = {"step-start", "text", "reasoning", "tool-orders", "tool-cancel", "tool-manual", "source-url"}
    assert {part["type"] for part in chat.answer["parts"]} == kinds


def test_approvals_and_a_denial_end_in_the_message_that_the_sdks_own_server_makes(chat, script, standard):
    theirs = standard(ASKING)
    for client in (chat, theirs):
        client.ask("Why?")
    play(script, ASKING[0])
    for client in (chat, theirs):
        assert client.done("ask")["status"] == "ready"
    assert whole(chat.answer) == whole(theirs.answer)
    for client in (chat, theirs):
        first, second = questions(client)
        client.decide(first, approved=True)
        client.done("decide")
        client.decide(second, approved=False, reason="Not this one.")
    play(script, ASKING[1])
    for client in (chat, theirs):
        client.done("decide")
        client.settled()
    assert whole(chat.answer) == whole(theirs.answer)
    for client in (chat, theirs):
        (last,) = questions(client)
        client.decide(last, approved=True)
    play(script, ASKING[2])
    for client in (chat, theirs):
        client.done("decide")
        client.shows("Shall I?One is left.Done.")
        client.settled()
    assert whole(chat.answer) == whole(theirs.answer)
    assert len(chat.state["messages"]) == len(theirs.state["messages"]) == 2
    assert [call.state for call in ToolCall.objects.order_by("pk")] == ["done", "done", "denied", "done"]


def test_a_client_that_comes_while_an_answer_waits_has_the_question(chat, open_chat, script):
    chat.ask("Why?")
    play(script, ASKING[0])
    first = chat.done("ask")["messages"][-1]
    other = open_chat(chat.state["messages"][:1])
    other.resume()
    assert other.done("resume")["messages"][-1]["parts"] == first["parts"]
    asked = questions(other)
    for part in asked:
        other.decide(part, approved=True)
        other.done("decide")
    play(script, ASKING[2])
    other.shows("Shall I?Done.")
    third = open_chat(chat.state["messages"][:1])
    third.resume()
    again = third.done("resume")["messages"][-1]
    states = [part["state"] for part in again["parts"] if part["type"].startswith("tool-")]
    assert (states, again["id"]) == (["output-available"] * 3, first["id"])


def test_a_client_that_comes_later_has_the_same_sources(chat, open_chat, script):
    chat.ask("Why?")
    play(script, [{"call": ["manual", {}]}])
    play(script, [{"text": "So [1]."}])
    first = chat.done("ask")["messages"][-1]
    other = open_chat(chat.state["messages"][:1])
    other.resume()
    again = other.done("resume")["messages"][-1]
    assert again["parts"] == first["parts"]
    (source,) = [part for part in first["parts"] if part["type"] == "source-url"]
    assert (source["sourceId"], source["url"]) == ("1", SOURCE["url"])
    assert source["providerMetadata"] == {"llm_chat": {"excerpt": "They stop."}}
