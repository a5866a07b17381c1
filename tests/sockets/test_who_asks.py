"""Every kind of frame about one conversation, by its owner and by others: only the owner reads and changes anything."""

import json
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from asgiref.sync import sync_to_async

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.sockets.received import (
    Abort,
    Asked,
    Decide,
    Earlier,
    Ping,
    Press,
    Rate,
    Read,
    Received,
    Resume,
    Select,
    Send,
    Source,
)
from tests.support.askers import ASKERS, MEMBER, OTHER, OWNER, STAFF, STRANGER, all_rows, settle
from tests.support.sockets import WAIT, Socket

CANCELLED: list[str] = []

READS, CHANGES, ASKS = "reads", "changes", "asks"
"""Answered without a change, with one, and with one after which the model is asked."""
SILENT, INACTIVE = "silent", "no-active"


class Default(Assistant):
    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        CANCELLED.append(number)
        return "cancelled"


@dataclass
class Row:
    """A frame, and what comes of it: an error code, or one of the words above."""

    name: str
    frame: dict[str, Any]
    owner: str
    stranger: str
    other: str = ""
    """That of a visitor with a conversation of the same id; without it, as for the stranger."""
    shows: bool = field(default=False)
    """Whether the owner is shown secrets."""

    def expected(self, asker: str) -> str:
        return {OWNER: self.owner, OTHER: self.other or self.stranger}.get(asker, self.stranger)


def question(text="What?", uid="m9", **more):
    message = {"id": uid, "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"trigger": "submit-message", "messages": [message], **more}


def approval(call="t-asked", answer="a1", approved=True):
    part = {"type": "tool-cancel", "toolCallId": call, "state": "approval-responded"}
    part["approval"] = {"id": call, "approved": approved}
    message = {"id": answer, "role": "assistant", "parts": [part]}
    return {"trigger": "submit-message", "messages": [message], "messageId": answer}


AGAIN = {"trigger": "regenerate-message", "messages": []}
HTML = {"view": "html"}

ROWS: dict[type, list[Row]] = {
    Send: [
        Row("a new question", question(), ASKS, ASKS),
        Row("a new question for a page", question(body=HTML), ASKS, ASKS),
        Row("another text under the same id", question(uid="m1"), "conflict", ASKS, "conflict"),
        Row("an edit", question(uid="m1", messageId="m1", body={"attempt": "e1"}), ASKS, ASKS),
        Row("an edit of an answer", question(uid="a1", messageId="a1", body={"attempt": "e1"}), "conflict", ASKS),
        Row("another answer", {**AGAIN, "messageId": "a1"}, ASKS, "not_found"),
        Row("another answer to a question", {**AGAIN, "messageId": "m1"}, ASKS, "not_found", ASKS),
        Row("another last answer", AGAIN, ASKS, "not_found", ASKS),
        Row("going on", {**AGAIN, "messageId": "a1", "body": {"continue": True}}, ASKS, "not_found"),
        Row("an approval", approval(), ASKS, "gone", "not_found"),
        Row("a denial", approval(approved=False), ASKS, "gone", "not_found"),
        Row("an approval of a call that is over", approval("t-done"), "conflict", "gone", "not_found"),
        Row("an approval in another answer", approval(answer="b1"), "conflict", "gone", "not_found"),
    ],
    Decide: [
        Row("allowing", {"callId": "t-asked", "approved": True}, ASKS, "gone", "not_found"),
        Row("denying", {"callId": "t-asked", "approved": False, "reason": "No."}, ASKS, "gone", "not_found"),
        Row("allowing for a page", {"callId": "t-asked", "approved": True, "body": HTML}, ASKS, "gone", "not_found"),
        Row("a call that is over", {"callId": "t-done", "approved": True}, "conflict", "gone", "not_found"),
        Row("a call that was denied", {"callId": "t-denied", "approved": True}, "conflict", "gone", "not_found"),
        Row("the same denial", {"callId": "t-denied", "approved": False}, READS, "gone", "not_found"),
        Row("the call of another", {"callId": "u-asked", "approved": True}, "not_found", "gone", ASKS),
    ],
    Press: [
        Row("a button", {"value": "{button}"}, CHANGES, "not_found"),
        Row("a button for a page", {"value": "{button}", "body": HTML}, CHANGES, "not_found"),
        Row("a forged button", {"value": "forged"}, "not_found", "not_found"),
    ],
    Resume: [
        Row("from the beginning", {}, READS, INACTIVE, READS, shows=True),
        Row("from a place", {"lastSequence": 1, "body": {"messageId": "a1"}}, READS, INACTIVE, READS, shows=True),
        Row("for a page", {"body": HTML}, READS, INACTIVE, READS, shows=True),
        Row(
            "for a page that shows it",
            {"body": {**HTML, "after": {"message": "a1", "status": "running"}}},
            *(READS, "gone", READS),
            shows=True,
        ),
        Row(
            "for a page that is up to date",
            {"body": {**HTML, "after": {"message": "a1", "status": "waiting"}}},
            *(INACTIVE, "gone", READS),
        ),
    ],
    Earlier: [Row("before the answer", {"messageId": "a1"}, READS, "not_found", shows=True)],
    Select: [
        Row("the answer", {"messageId": "a1"}, READS, "not_found", shows=True),
        Row("the question", {"messageId": "m1"}, READS, "not_found", READS, shows=True),
    ],
    Source: [
        Row("the answer", {"messageId": "a1"}, READS, "not_found", shows=True),
        Row("the question", {"messageId": "m1"}, READS, "not_found", READS, shows=True),
    ],
    Rate: [
        Row("good", {"messageId": "a1", "value": 1, "comment": "Yes."}, CHANGES, "not_found"),
        Row("taken back", {"messageId": "a1", "value": 0}, CHANGES, "not_found"),
        Row("a question", {"messageId": "m1", "value": 1}, "not_found", "not_found"),
    ],
    Read: [Row("the conversation", {}, CHANGES, "not_found", READS)],
    Abort: [Row("a request of another socket", {}, SILENT, SILENT)],
    Ping: [Row("the connection", {}, SILENT, SILENT)],
}
"""What comes of each frame; a new kind needs a row here."""

CASES = [
    pytest.param(kind, row, asker, id=f"{kind.__name__.lower()}-{row.name}-{asker}".replace(" ", "_"))
    for kind, rows in ROWS.items()
    for row in rows
    for asker in ASKERS
]


def test_every_kind_of_frame_has_a_row():
    assert set(ROWS) == set(get_args(Received))
    assert all(ROWS.values())
    assert set(get_args(Asked)) < set(ROWS)


@pytest.fixture(autouse=True)
def assistant(script):
    CANCELLED.clear()
    with registry.replaced(Default):
        yield


@pytest.fixture
async def askers(served):
    return await sync_to_async(settle)()


async def heard(socket, request):
    """Return all frames of a request but those that follow its answer; stop before the model is asked."""
    frames = [await socket.frame(request)]
    while frames[-1]["type"] not in ("end", "error", "no-active", "pong"):
        frames.append(await socket.frame(request))
    return frames


async def has_heard_nothing(socket):
    await socket.send({"type": "ping"})
    return json.loads(await socket.communicator.receive_from(WAIT))["type"] == "pong"


def outcome(frames, asked, changed):
    if asked:
        return ASKS
    if frames[-1]["type"] in ("error", "no-active"):
        return frames[-1].get("code", INACTIVE)
    return CHANGES if changed else READS


async def answer_to(socket, frame, expected, script):
    """Send a frame, and return all that is answered; let the model answer if it is to be asked."""
    request = await socket.send(frame)
    if expected == SILENT:
        request = await socket.send({"type": "ping"})
    if expected == ASKS:
        (await script.anext_reply()).finish()
    return await heard(socket, request)


def without_ids(frames, asked):
    """Return what tells one answer from another: no ids of requests, and none of what a question has made."""
    if asked:
        return [(frame["type"], frame.get("chunk", {}).get("type")) for frame in frames]
    return [{name: value for name, value in frame.items() if name != "requestId"} for frame in frames]


@pytest.mark.parametrize(("kind", "row", "asker"), CASES)
async def test_s01_only_the_owner_reads_and_changes_a_conversation_for_others_it_is_as_if_it_did_not_exist(
    askers, script, kind, row, asker
):
    before, everything = await sync_to_async(askers.rows)(), await sync_to_async(all_rows)()
    expected = row.expected(asker)
    async with (
        Socket.opened(askers.sessions[asker]) as socket,
        Socket.opened(askers.sessions[MEMBER if asker != MEMBER else STAFF]) as bystander,
    ):
        frame = {"type": kind.__struct_config__.tag, "id": "c1", **row.frame}
        if "value" in frame and kind is Press:
            frame["value"] = frame["value"].format(button=askers.button)
        frames = await answer_to(socket, frame, expected, script)
        if asker not in (OWNER, OTHER):
            random = await answer_to(socket, {**frame, "id": "c8"}, expected, script)
            assert without_ids(frames, expected == ASKS) == without_ids(random, expected == ASKS)
        assert await has_heard_nothing(bystander)
    changed = await sync_to_async(all_rows)() != everything
    if expected == SILENT:
        assert (frames[-1]["type"], changed) == ("pong", False)
        return
    assert outcome(frames, expected == ASKS, changed) == expected
    assert script.waiting == 0
    assert changed == (expected in (CHANGES, ASKS))
    if asker == OWNER:
        assert ("canary-" in json.dumps(frames)) or not row.shows
        assert set(CANCELLED) <= {"canary-input"}
        return
    assert "canary-" not in json.dumps([frames, [asked.messages for asked in script.requests]])
    assert await sync_to_async(askers.rows)() == before
    own = ["1"] if asker == OTHER and row.name == "the call of another" else []
    assert own == CANCELLED


@pytest.mark.parametrize("asker", [STRANGER, OTHER, MEMBER, STAFF, OWNER])
async def test_s02_an_abort_stops_only_what_its_own_socket_follows(askers, script, asker):
    async with Socket.opened(askers.sessions[OWNER]) as owner, Socket.opened(askers.sessions[asker]) as socket:
        request = await owner.ask("What?", message="m9")
        reply = await script.anext_reply()
        await owner.chunk(request, "start")
        await socket.abort(request)
        await heard(socket, await socket.send({"type": "ping"}))
        reply.say("So.")
        reply.finish()
        assert (await owner.chunks(request))[-1]["type"] == "finish"
