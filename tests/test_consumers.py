"""The websocket from outside: frames of a visitor go in, frames of the server come out."""

import asyncio
import json
import threading
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from chat.db.answers import finish
from chat.db.turns import ask
from chat.engine import start
from chat.errors import Refusal
from chat.html.version import PAGE_VERSION
from chat.models import Conversation, Message
from chat.owners import VISITOR
from chat.routing import application
from chat.streams.base import StreamKey
from tests.support.sockets import Socket, headers, text_of
from tests.support.upstream import eventually


async def stored():
    """Return the stored messages, each as (role, status, text)."""
    return await sync_to_async(lambda: list(Message.objects.order_by("pk").values_list("role", "status", "text")))()


async def test_an_answer_streams_delta_by_delta_and_is_stored_whole(script, connect):
    socket = await connect()
    request = await socket.ask("Why is the sky blue?")
    reply = await script.anext_reply()
    assert reply.request.messages == [{"role": "user", "content": "Why is the sky blue?"}]
    start = await socket.chunk(request, "start")
    reply.say("Because of ")
    assert (await socket.chunk(request, "text-delta"))["delta"] == "Because of "
    reply.say("scattering.")
    reply.finish()
    chunks = await socket.chunks(request)
    assert text_of(chunks) == "scattering."
    assert [chunk["type"] for chunk in chunks[1:]] == ["text-end", "finish-step", "finish"]
    assert chunks[-1]["finishReason"] == "stop"
    answer = await Message.objects.aget(role="assistant")
    assert (answer.uid, answer.status, answer.text) == (start["messageId"], "complete", "Because of scattering.")
    assert answer.parts == [{"type": "text", "text": "Because of scattering."}]
    conversation = await Conversation.objects.aget()
    assert (conversation.title, conversation.running_id) == ("Why is the sky blue?", None)


async def test_the_sequence_of_a_response_has_no_gap(script, connect):
    socket = await connect()
    request = await socket.ask("Count")
    reply = await script.anext_reply()
    for number in range(5):
        reply.say(f"{number} ")
        await socket.chunk(request, "text-delta") if number < 2 else None
    reply.finish()
    resumed = await socket.resume()
    frames = await socket.rest(resumed)
    sequences = [frame["sequence"] for frame in frames if frame["type"] == "chunk"]
    assert frames[0]["type"] == "start"
    assert sequences == list(range(len(sequences)))


async def test_the_history_goes_to_the_model_with_the_system_prompt(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "SYSTEM_PROMPT": "Be brief."}
    socket = await connect()
    first = await socket.ask("One", message="m1")
    reply = await script.anext_reply()
    reply.say("Uno")
    reply.finish()
    await socket.chunks(first)
    await socket.ask("Two", message="m2")
    reply = await script.anext_reply()
    assert reply.request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Uno"},
        {"role": "user", "content": "Two"},
    ]


async def test_a_socket_that_closes_mid_answer_changes_nothing_for_the_run(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("beginning ")
    await socket.chunk(request, "text-delta")
    await socket.communicator.disconnect()
    again = await connect()
    resumed = await again.resume()
    assert (await again.frame(resumed))["type"] == "start"
    assert (await again.chunk(resumed, "text-delta"))["delta"] == "beginning "
    reply.say("rest")
    reply.finish()
    chunks = await again.chunks(resumed)
    answer = await Message.objects.aget(role="assistant")
    assert "beginning " + text_of(chunks) == answer.text == "beginning rest"


async def test_stop_closes_the_reply_keeps_the_text_and_ends_with_abort(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("so far")
    await socket.chunk(request, "text-delta")
    await socket.abort(request)
    chunks = await socket.chunks(request)
    assert reply.closed.is_set()
    assert chunks[-1] == {"type": "abort"}
    assert await stored() == [("user", "complete", "Tell me"), ("assistant", "stopped", "so far")]


async def test_stop_before_the_first_delta_stops_the_answer(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    await socket.abort(request)
    chunks = await socket.chunks(request)
    assert chunks[-1] == {"type": "abort"}
    assert (await stored())[1][1] == "stopped"


async def test_a_question_right_behind_a_stop_waits_for_the_stopped_answer(script, connect, monkeypatch):
    release, refused = threading.Event(), threading.Event()

    def ask_and_signal(*args):
        try:
            return ask(*args)
        except Refusal:
            refused.set()
            raise

    monkeypatch.setattr("chat.engine.run.finish", lambda *args: release.wait(5) and finish(*args))
    monkeypatch.setattr("chat.engine.start.ask", ask_and_signal)
    socket = await connect()
    first = await socket.ask("One", message="m1")
    await script.anext_reply()
    await socket.abort(first)
    second = await socket.ask("Two", message="m2")
    assert await asyncio.to_thread(refused.wait, 5)
    release.set()
    assert (await script.anext_reply()).request.messages[-1]["content"] == "One\n\nTwo"
    await socket.chunk(second, "start")


async def test_stop_through_a_resumed_request_stops_the_answer(script, connect):
    first, second = await connect(), await connect()
    request = await first.ask("Tell me")
    await script.anext_reply()
    resumed = await second.resume()
    while (await second.frame(resumed))["type"] != "chunk":
        pass
    await second.abort(resumed)
    assert (await first.chunks(request))[-1] == {"type": "abort"}


async def test_a_reply_that_ends_without_a_finish_reason_is_interrupted(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("half")
    reply.break_off()
    frames = await socket.rest(request)
    assert frames[-2]["chunk"] == {"type": "error", "errorText": "The answer was interrupted."}
    assert frames[-2]["code"] == "interrupted"
    assert (await stored())[1] == ("assistant", "interrupted", "half")


async def test_a_failed_reply_is_a_fixed_sentence_and_the_question_is_kept(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    (await script.anext_reply()).fail("rate_limited")
    frames = await socket.rest(request)
    assert (frames[-2]["code"], frames[-1]["type"]) == ("rate_limited", "end")
    assert await stored() == [("user", "complete", "Tell me"), ("assistant", "failed", "")]


async def test_a_call_that_may_succeed_later_is_repeated_before_the_first_delta(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    (await script.anext_reply()).fail("upstream", retry=True)
    reply = await script.anext_reply()
    reply.say("done")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "done"


async def test_a_call_that_failed_after_its_first_delta_is_not_repeated(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("some")
    await socket.chunk(request, "text-delta")
    reply.fail("upstream", retry=True)
    await socket.rest(request)
    assert script.waiting == 0
    assert (await stored())[1] == ("assistant", "failed", "some")


async def test_regenerate_makes_another_answer_and_leaves_the_old_one(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.break_off()
    await socket.rest(request)
    failed = await Message.objects.aget(role="assistant")
    again = await socket.regenerate(failed.uid, attempt="attempt-1")
    reply = await script.anext_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["Tell me"]
    reply.say("now")
    reply.finish()
    assert text_of(await socket.chunks(again)) == "now"
    repeated = await socket.regenerate(failed.uid, attempt="attempt-1")
    assert text_of(await socket.chunks(repeated)) == "now"
    assert [status for _, status, _ in await stored()] == ["complete", "interrupted", "complete"]


async def test_a_repeated_send_finds_its_answer_and_calls_the_model_once(script, connect):
    first, second = await connect(), await connect()
    one = await first.ask("Tell me")
    reply = await script.anext_reply()
    other = await second.ask("Tell me")
    start = await second.chunk(other, "start")
    reply.say("once")
    reply.finish()
    assert text_of(await second.chunks(other)) == text_of(await first.chunks(one)) == "once"
    late = await second.ask("Tell me")
    assert (await second.chunk(late, "start")) == start
    assert script.waiting == 0
    assert await sync_to_async(Message.objects.count)() == 2


async def test_a_repeated_send_after_the_stream_is_gone_is_replayed_from_the_database(
    script, connect, settings, served
):
    settings.CHAT = {**settings.CHAT, "STREAM_RETENTION": 0.001}
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.think("Hm.")
    reply.say("once")
    reply.finish()
    sent = await socket.rest(request)
    answer = await Message.objects.aget(role="assistant")
    while served.stream_of(answer) is not None:
        await socket.rest(await socket.resume())
    repeated = await socket.rest(await socket.ask("Tell me"))
    known = [frame.get("chunk") for frame in sent]
    assert known[2].pop("providerMetadata")["llm_chat"].keys() == {"started"}  # of no use when the reasoning has ended
    assert [frame.get("chunk") for frame in repeated] == known


async def test_the_same_id_with_another_text_is_refused_unless_it_is_an_edit(script, connect):
    socket = await connect()
    request = await socket.ask("One")
    (await script.anext_reply()).finish()
    await socket.rest(request)
    assert await socket.error(await socket.ask("Another")) == "conflict"
    edited = await socket.ask("Another", messageId="m1")
    reply = await script.anext_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["Another"]
    reply.finish()
    await socket.chunks(edited)
    repeated = await socket.ask("Another", messageId="m1")
    await socket.chunks(repeated)
    assert script.waiting == 0


@pytest.mark.parametrize(("text", "code"), [("", "empty"), (" \n ", "empty"), ("x" * 101, "too_long")])
async def test_a_message_that_cannot_be_accepted_is_refused_and_nothing_is_stored(
    script, connect, settings, text, code
):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 100}
    socket = await connect()
    assert await socket.error(await socket.ask(text)) == code
    assert await stored() == []
    assert not await Conversation.objects.aexists()


async def test_a_second_send_while_an_answer_runs_is_refused_and_nothing_is_stored(script, connect):
    first, second = await connect(), await connect()
    await first.ask("One", message="m1")
    await script.anext_reply()
    request = await second.ask("Two", message="m2")
    frame = await second.frame(request)
    assert (frame["code"], frame["errorText"]) == ("busy", "An answer is already running in this conversation.")
    assert [text for _, _, text in await stored()] == ["One", ""]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("nonsense", "Expected one JSON object as a text frame."),
        ("[1]", "Expected a frame of a known type"),
        ('{"type": "send"}', "Expected a frame of a known type"),
        ('{"type": "abort"}', "requestId"),
        ('{"type": "dance", "requestId": "r"}', "dance"),
        ('{"type": "resume", "requestId": "r", "id": "a/b"}', "$.id"),
        ('{"type": "resume", "requestId": "r", "id": "c", "lastSequence": "7"}', "lastSequence"),
        ('{"type": "abort", "requestId": "conversation"}', "reserved"),
        ('{"type":"send","requestId":"r","id":"c","trigger":"submit-message","messages":[7]}', "UI message"),
    ],
)
async def test_a_bad_frame_closes_the_socket_with_4400_and_a_reason(connect, script, frame, reason):
    socket = await connect()
    await socket.raw(frame)
    code, said = await socket.closed()
    assert code == 4400
    assert reason in said


async def test_a02_half_a_character_in_a_question_is_replaced_and_a_repeat_finds_its_answer(script, connect):
    socket = await connect()
    request = await socket.ask("Why \ud83d?\0")
    reply = await script.anext_reply()
    assert reply.request.messages == [{"role": "user", "content": "Why \ufffd?\ufffd"}]
    reply.say("Because.")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "Because."
    for repeat in ("Why \ud83d?\0", "Why \ufffd?\ufffd"):
        assert text_of(await socket.chunks(await socket.ask(repeat))) == "Because."
    assert await stored() == [("user", "complete", "Why \ufffd?\ufffd"), ("assistant", "complete", "Because.")]
    edited = await socket.ask("How \ude00?", messageId="m1")
    (await script.anext_reply()).finish()
    await socket.chunks(edited)
    await socket.chunks(await socket.ask("How \ude00?", messageId="m1"))
    assert script.waiting == 0


async def test_a02_a_conversation_with_half_a_character_in_its_history_continues(script, connect):
    socket = await connect()
    older = [
        {"id": "\ud83d", "role": "user", "parts": [{"type": "text", "text": "\ude00\0"}], "metadata": {"\0": "\ud83d"}}
    ]
    asked = {"id": "m2", "role": "user", "parts": [{"type": "text", "text": "And now?"}]}
    frame = {"trigger": "submit-message", "id": "c1", "messages": [*older, asked], "body": {"\ud83d": "\0"}}
    request = await socket.send(frame | {"headers": {"\ud83d": "\0"}, "metadata": ["\ud83d"]})
    (await script.anext_reply()).finish()
    assert (await socket.rest(request))[-1]["type"] == "end"


@pytest.mark.parametrize("frame", [None, '{"type": "dance", "requestId": "r"}', '{"type": "ping", "requestId": "r"}'])
async def test_a12_a_page_of_another_version_gets_a_reload_event_and_its_frames_are_not_read(connect, script, frame):
    socket = await connect(query="?v=before")
    if frame:
        await socket.raw(frame)
    sent = json.loads(await socket.communicator.receive_from())
    assert sent == {"type": "event", "requestId": "conversation", "event": "reload"}
    assert (await socket.closed())[0] == 4409


@pytest.mark.parametrize("query", ["", "?v=", "?other=1", f"?v={PAGE_VERSION}"])
async def test_a12_a_client_of_this_version_or_of_none_is_served_and_closed_for_an_unknown_frame(
    connect, script, query
):
    socket = await connect(query=query)
    await socket.raw('{"type": "ping", "requestId": "r"}')
    assert (await socket.frame("r"))["type"] == "pong"
    await socket.raw('{"type": "dance", "requestId": "r"}')
    assert (await socket.closed())[0] == 4400


async def test_a_frame_over_the_limit_closes_the_socket(connect, settings):
    settings.CHAT = {"MAX_FRAME_SIZE": 1000}
    socket = await connect()
    await socket.raw("x" * 1001)
    assert (await socket.closed())[0] == 1009


async def test_only_the_last_of_many_messages_is_decoded(script, connect):
    socket = await connect()
    garbage = [{"not": "a message"}] * 1000
    user = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    await socket.send({"trigger": "submit-message", "id": "c1", "messages": [*garbage, user]})
    assert (await script.anext_reply()).request.messages == [{"role": "user", "content": "Hi"}]


async def test_resume_of_a_conversation_with_nothing_to_replay_gets_no_active(connect, script):
    socket = await connect()
    assert [frame["type"] for frame in await socket.rest(await socket.resume())] == ["no-active"]


async def test_resume_of_another_visitors_conversation_is_as_if_it_did_not_exist(script, connect):
    ann, bob = await connect("ann"), await connect("bob")
    await ann.ask("Mine")
    await script.anext_reply()
    assert [frame["type"] for frame in await bob.rest(await bob.resume())] == ["no-active"]
    await bob.ask("Mine too")
    await script.anext_reply()
    assert await sync_to_async(Conversation.objects.count)() == 2


async def test_resume_from_a_sequence_skips_what_came_before_if_the_answer_is_named(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    answer = (await socket.chunk(request, "start"))["messageId"]
    reply.say("one ")
    await socket.chunk(request, "text-delta")
    reply.say("two")
    reply.finish()
    await socket.chunks(request)
    named = await socket.resume(lastSequence=3, body={"messageId": answer})
    assert (await socket.frame(named))["type"] == "start"
    assert (await socket.frame(named))["sequence"] == 4
    for body, sequence in (({}, 3), ({"messageId": answer}, 99), ({"messageId": "another"}, 3)):
        whole = await socket.resume(lastSequence=sequence, body=body)
        await socket.frame(whole)
        assert (await socket.frame(whole))["sequence"] == 0


@pytest.mark.parametrize("shift", [-3600, 3600])
async def test_a05_an_answer_that_ended_by_another_clock_is_resumed_by_a_client_that_has_a_part_of_it(
    script, connect, settings, served, shift
):
    settings.CHAT = {**settings.CHAT, "STREAM_RETENTION": 0.001}
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("all")
    reply.finish()
    sent = await socket.rest(request)
    answer = await Message.objects.aget(role="assistant")
    while served.stream_of(answer) is not None:
        await socket.rest(await socket.resume())
    settings.CHAT = {**settings.CHAT, "STREAM_RETENTION": 60.0}
    await Message.objects.filter(pk=answer.pk).aupdate(ended_at=timezone.now() + timedelta(seconds=shift))
    resumed = await socket.rest(await socket.resume(lastSequence=3, body={"messageId": answer.uid}))
    assert [frame.get("chunk") for frame in resumed] == [None, *(frame.get("chunk") for frame in sent)]
    assert [frame["type"] for frame in await socket.rest(await socket.resume())] == ["no-active"]


async def test_a_socket_without_a_session_is_closed_with_4401(served):
    async with Socket.opened(None) as socket:
        assert (await socket.closed())[0] == 4401


async def test_more_open_requests_than_allowed_are_refused(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "MAX_PENDING_REQUESTS": 1}
    socket = await connect()
    await socket.ask("One")
    await script.anext_reply()
    assert await socket.error(await socket.resume()) == "too_many"


async def test_a_question_with_a_file_is_refused(connect, script):
    socket = await connect()
    user = {"id": "m1", "role": "user", "parts": [{"type": "file", "url": "data:,", "mediaType": "text/plain"}]}
    request = await socket.send({"trigger": "submit-message", "id": "c1", "messages": [user]})
    assert await socket.error(request) == "unsupported"


async def test_the_loading_status_of_a_model_is_sent(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.load()
    assert (await socket.chunk(request, "data-status")) == {
        "type": "data-status",
        "data": {"status": "loading"},
        "transient": True,
    }
    reply.loaded()
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_reasoning_is_a_part_of_its_own(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.think("Let me see. ")
    reply.say("Yes.")
    reply.finish()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert [kind for kind in kinds if kind.startswith("reasoning")] == [
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
    ]
    answer = await Message.objects.aget(role="assistant")
    reasoning, text = answer.parts
    assert (reasoning["type"], reasoning["text"]) == ("reasoning", "Let me see. ")
    assert text == {"type": "text", "text": "Yes."}
    assert answer.text == "Yes."


async def test_an_answer_is_cut_at_its_longest(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "MAX_ANSWER_LENGTH": 10}
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("123456")
    reply.say("7890abc")
    chunks = await socket.chunks(request)
    assert text_of(chunks) == "1234567890"
    assert chunks[-1] == {"type": "finish", "finishReason": "length"}
    assert reply.closed.is_set()
    assert (await stored())[1] == ("assistant", "cut", "1234567890")


@pytest.mark.parametrize(
    ("deadline", "said", "status"),
    [
        ("FIRST_TOKEN_TIMEOUT", "", "failed"),
        ("DELTA_TIMEOUT", "some", "failed"),
        ("MAX_DURATION", "some", "cut"),
    ],
)
async def test_a_model_that_falls_silent_meets_its_deadline(script, connect, settings, deadline, said, status):
    settings.CHAT = {**settings.CHAT, deadline: 0.05}
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    if said:
        reply.say(said)
    await socket.rest(request)
    assert reply.closed.is_set()
    assert (await stored())[1] == ("assistant", status, said)


async def test_nul_and_half_surrogates_are_replaced_before_they_are_stored(script, connect):
    socket = await connect()
    request = await socket.ask("a\0b")
    reply = await script.anext_reply()
    reply.say("c\0d\ud800")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "c\ufffdd\ufffd"
    assert [text for _, _, text in await stored()] == ["a\ufffdb", "c\ufffdd\ufffd"]


async def test_frames_are_one_json_object_each_with_camel_case_keys(script, connect):
    socket = await connect()
    await socket.ask("Hi")
    event, chunk = [json.loads(await socket.communicator.receive_from()) for _ in range(2)]
    assert set(event) == {"type", "requestId", "event", "id", "message", "version", "title"}
    assert set(chunk) == {"type", "requestId", "sequence", "chunk"}
    assert set(chunk["chunk"]) == {"type", "messageId"}


async def test_a_bad_frame_mid_answer_closes_the_socket_and_the_answer_continues(script, connect, caplog):
    socket = await connect()
    await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("one ")
    await socket.raw("nonsense")
    assert (await socket.closed())[0] == 4400
    reply.say("two")
    await socket.raw("more nonsense")
    reply.finish()
    again = await connect()
    frames = await again.rest(await again.resume())
    assert text_of([frame["chunk"] for frame in frames if frame["type"] == "chunk"]) == "one two"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def said(socket, script, text, message, answer, **more):
    """Ask a question, let it be answered, and return the texts that the model was sent."""
    request = await socket.ask(text, message=message, **more)
    reply = await script.anext_reply()
    reply.say(answer)
    reply.finish()
    await socket.chunks(request)
    return [turn["content"] for turn in reply.request.messages]


async def test_an_edit_back_to_an_earlier_text_continues_from_there(script, connect):
    socket = await connect()
    await said(socket, script, "A", "m1", "answer A")
    await said(socket, script, "B", "m1", "answer B", messageId="m1")
    assert text_of(await socket.chunks(await socket.ask("A", message="m1", messageId="m1"))) == "answer A"
    assert await said(socket, script, "next", "m2", "fine") == ["A", "answer A", "next"]


async def test_an_edited_question_is_regenerated_as_it_is_shown(script, connect):
    socket = await connect()
    await said(socket, script, "A", "m1", "answer A")
    await said(socket, script, "B", "m1", "answer B", messageId="m1")
    request = await socket.regenerate("m1")
    reply = await script.anext_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["B"]
    reply.finish()
    await socket.chunks(request)


@pytest.mark.parametrize(("chat", "message"), [("c1\n", "m1"), ("c1", "m1\n")])
async def test_an_id_does_not_end_in_a_line_feed(script, connect, chat, message):
    socket = await connect()
    await socket.ask("Hi", chat=chat, message=message)
    assert (await socket.closed())[0] == 4400


async def test_a_stop_is_not_lost_with_the_socket_while_the_question_is_being_stored(script, connect, monkeypatch):
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr("chat.engine.start.ask", lambda *args: begun.set() or (release.wait(5) and ask(*args)))
    socket = await connect()
    request = await socket.ask("Tell me")
    assert await asyncio.to_thread(begun.wait, 5)
    await socket.abort(request)
    resumed = await socket.resume(chat="other")  # answered after the abort
    await socket.rest(resumed)
    await socket.communicator.disconnect()
    release.set()
    again = await connect()
    assert (await again.chunks(await again.resume()))[-1] == {"type": "abort"}
    assert (await stored())[1][1] == "stopped"


async def test_a_resume_while_the_question_is_being_stored_gets_the_answer(script, connect, monkeypatch):
    committed, release = threading.Event(), threading.Event()

    def ask_slowly(*args):
        turn = ask(*args)
        committed.set()
        release.wait(5)
        return turn

    monkeypatch.setattr("chat.engine.start.ask", ask_slowly)
    first, second = await connect(), await connect()
    await first.ask("Tell me")
    assert await asyncio.to_thread(committed.wait, 5)
    text, html = await second.resume(), await second.resume(body={"view": "html"})
    release.set()
    reply = await script.anext_reply()
    await second.chunk(text, "start")
    assert (await second.frame(html))["type"] == "start"
    reply.finish()
    assert (await second.chunks(text))[-1]["type"] == "finish"
    shown = [chunk["data"] for chunk in await second.chunks(html) if chunk["type"].startswith("data-message")]
    assert shown[-1]["status"] == "complete"


async def test_a_stop_does_not_wait_for_the_thread_that_handshakes_share(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    await socket.chunk(request, "start")
    release = threading.Event()
    handshake = asyncio.ensure_future(sync_to_async(release.wait)(20))  # a stranger's slow query
    await asyncio.sleep(0)
    await socket.abort(request)
    assert await asyncio.to_thread(reply.closed.wait, 5)
    release.set()
    await handshake


async def test_a_frame_is_measured_in_bytes(connect, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_FRAME_SIZE": 1000}
    socket = await connect()
    await socket.raw("ü" * 501)
    assert (await socket.closed())[0] == 1009


async def test_a_ping_is_answered_at_once_whatever_else_is_open(script, connect):
    socket = await connect()
    await socket.ask("Tell me")
    await socket.raw('{"type": "ping", "requestId": "p1"}')
    assert await socket.frame("p1") == {"type": "pong", "requestId": "p1"}


async def broken_off(script, socket, text="The sky is"):
    """Ask for an answer that breaks off after some text, and return its id."""
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say(text)
    reply.break_off()
    return (await socket.chunks(request))[0]["messageId"]


async def test_continuing_makes_a_new_answer_that_begins_with_the_text_of_the_old_one(script, connect):
    socket = await connect()
    old = await broken_off(script, socket)
    request = await socket.regenerate(old, attempt="go-on", body={"continue": True})
    reply = await script.anext_reply()
    assert [message["role"] for message in reply.request.messages] == ["user", "assistant", "user"]
    assert reply.request.messages[1]["content"] == "The sky is"
    assert "Go on exactly where it ended" in reply.request.messages[2]["content"]
    reply.say(" blue.")
    reply.finish()
    chunks = await socket.chunks(request)
    assert text_of(chunks) == "The sky is blue."
    answer = await Message.objects.aget(uid=chunks[0]["messageId"])
    first = await Message.objects.aget(uid=old)
    assert (answer.text, answer.status, answer.parent_id) == ("The sky is blue.", "complete", first.parent_id)
    assert (first.text, first.status) == ("The sky is", "interrupted")


async def test_a_model_that_can_continue_its_own_text_gets_that_text_last(script, connect, monkeypatch):
    monkeypatch.setattr("chat.backends.scripted.ScriptedBackend.prefills", True)
    socket = await connect()
    await socket.regenerate(await broken_off(script, socket), body={"continue": True})
    reply = await script.anext_reply()
    assert [message["role"] for message in reply.request.messages] == ["user", "assistant"]


async def test_a_tick_before_the_runs_first_step_does_not_put_the_old_text_before_the_start(
    script, connect, served, monkeypatch
):
    begin = start.start
    monkeypatch.setattr(start, "start", lambda engine, *turn: (begin(engine, *turn), start._tick(engine)))
    socket = await connect()
    request = await socket.regenerate(await broken_off(script, socket), body={"continue": True})
    (await script.anext_reply()).finish()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds[:4] == ["start", "start-step", "text-start", "text-delta"]


async def test_the_same_attempt_to_continue_asks_the_model_once(script, connect):
    socket = await connect()
    old = await broken_off(script, socket)
    first = await socket.regenerate(old, attempt="go-on", body={"continue": True})
    second = await socket.regenerate(old, attempt="go-on", body={"continue": True})
    (await script.anext_reply()).finish()
    assert (await socket.chunks(first))[0] == (await socket.chunks(second))[0]
    assert script.waiting == 0


async def test_the_call_for_a_continued_answer_is_repeated_after_a_failure_before_the_first_new_word(script, connect):
    socket = await connect()
    request = await socket.regenerate(await broken_off(script, socket), body={"continue": True})
    (await script.anext_reply()).fail("upstream", retry=True)
    again = await script.anext_reply()
    again.say(" blue.")
    again.finish()
    assert text_of(await socket.chunks(request)) == "The sky is blue."


async def test_an_answer_that_ended_a_moment_ago_is_replayed_although_its_stream_is_gone(script, connect, served):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("So.")
    reply.finish()
    sent = await socket.chunks(request)
    served.streams.discard(StreamKey((await Message.objects.aget(role="assistant")).pk))
    frames = await socket.rest(await socket.resume())
    assert frames[0]["type"] == "start"
    assert [frame["chunk"] for frame in frames[1:-1]] == sent


class Standstill:
    """A clock that stands still, so that no token comes back however slow the machine is."""

    @staticmethod
    def monotonic():
        return 0.0


async def test_a04_frames_beyond_the_rate_wait_and_none_is_lost(connect, script, settings, monkeypatch):
    monkeypatch.setattr("chat.consumers.time", Standstill)
    settings.CHAT = {**settings.CHAT, "FRAME_RATE": 100.0}
    socket = await connect()
    begun = asyncio.get_running_loop().time()
    for number in range(505):
        await socket.raw(json.dumps({"type": "ping", "requestId": f"p{number}"}))
    assert (await socket.frame("p504"))["type"] == "pong"
    assert asyncio.get_running_loop().time() - begun >= 0.01 + 0.02 + 0.03 + 0.04 + 0.05


async def test_a04_bytes_beyond_the_rate_wait_and_the_socket_stays(connect, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_FRAME_SIZE": 1_048_576}  # which is 262,144 bytes per second
    socket = await connect()
    begun = asyncio.get_running_loop().time()
    for name in ("first", "second"):
        await socket.raw(json.dumps({"type": "ping", "requestId": name}) + 680_000 * " ")
        assert (await socket.frame(name))["type"] == "pong"
    assert asyncio.get_running_loop().time() - begun >= 0.15


async def test_a04_a_socket_that_is_too_fast_for_long_is_closed(connect, script, settings, monkeypatch):
    monkeypatch.setattr("chat.consumers.time", Standstill)
    monkeypatch.setattr("chat.consumers.PATIENCE", 0.02)
    settings.CHAT = {**settings.CHAT, "FRAME_RATE": 200.0}
    socket = await connect()
    for number in range(1_010):
        await socket.raw(json.dumps({"type": "ping", "requestId": f"p{number}"}))
    assert await socket.closed() == (4429, "Expected at most 200 frames a second.")


async def test_a_timeout_in_a_test_does_not_keep_its_socket_from_cleaning_up(served, script):
    store = SessionStore()
    store["llm_chat_visitor"] = "ann"
    await sync_to_async(store.save)()
    async with Socket.opened(store.session_key) as socket:
        with pytest.raises(TimeoutError):
            await socket.communicator.receive_output(0.01)
        assert socket.communicator.future.cancelled()


async def test_a04_the_sockets_of_an_owner_share_what_they_may_send(connect, script, settings, monkeypatch):
    monkeypatch.setattr("chat.consumers.time", Standstill)
    monkeypatch.setattr("chat.consumers.SHARE", 1)
    settings.CHAT = {**settings.CHAT, "FRAME_RATE": 100.0}
    first, second, other = await connect("ann"), await connect("ann"), await connect("ben")
    for number in range(500):
        await first.raw(json.dumps({"type": "ping", "requestId": f"p{number}"}))
    assert (await first.frame("p499"))["type"] == "pong"
    begun = asyncio.get_running_loop().time()
    for number in range(5):
        await second.raw(json.dumps({"type": "ping", "requestId": f"p{number}"}))
    assert (await second.frame("p4"))["type"] == "pong"
    assert asyncio.get_running_loop().time() - begun >= 0.01 + 0.02 + 0.03 + 0.04 + 0.05
    await other.raw(json.dumps({"type": "ping", "requestId": "p"}))
    assert (await other.frame("p"))["type"] == "pong"


async def test_a04_an_owner_has_a_limited_number_of_sockets_and_one_that_closes_makes_room(connect, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_SOCKETS_PER_OWNER": 1}
    first = await connect("ann")
    assert await (await connect("ann")).closed() == (4429, "Too many connections are open.")
    assert await (await connect("ben")).ask("Hello?")
    await first.raw("no frame")
    assert (await first.closed())[0] == 4400
    await (await connect("ann")).ask("Hello?")
    assert script.waiting <= 2


def session_of(visitor):
    store = SessionStore()
    store[VISITOR] = visitor
    store.save()
    return store.session_key


class ClientGoneError(OSError):
    """The error that a server raises if the client is gone."""


@pytest.mark.parametrize("last", ['{"type": "ping", "requestId": "p"}', "no frame", None])
async def test_a04_a_socket_is_no_longer_counted_however_it_ends(served, script, settings, last):
    settings.ALLOWED_HOSTS = ["localhost"]
    key = await sync_to_async(session_of)("ann")
    events = asyncio.Queue()
    events.put_nowait({"type": "websocket.connect"})

    async def send(event):
        if event["type"] != "websocket.accept":
            raise ClientGoneError

    scope = {"type": "websocket", "path": "/ws/chat/", "query_string": b"", "headers": headers(key, "http://localhost")}
    serving = asyncio.ensure_future(application(None)(scope, events.get, send))
    await eventually(lambda: served.sockets._open)
    if last is None:
        serving.cancel()  # as daphne does
    else:
        events.put_nowait({"type": "websocket.receive", "text": last})
    await asyncio.wait([serving], timeout=5)
    assert not served.sockets._open
    assert not served.events._listeners["visitor:ann"]
