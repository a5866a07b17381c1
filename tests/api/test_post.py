"""``post``: a message of the site's own, on open pages and in the history that models read."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import transaction

from chat import ChatRefused, ask, post
from chat.assistants.about import subject_of, uid_of
from chat.db.deletion import hide
from chat.db.history import OPENING
from chat.models import Conversation, Counter, Message, Usage
from chat.owners import Owner, key_of
from chat.signals import answered
from chat.signals import asking as question_asked
from tests.support.sockets import text_of


def owner_of(user):
    return Owner(key_of(user.pk), user.pk)


def refused(*arguments, **options):
    with pytest.raises(ChatRefused) as found:
        post(*arguments, **options)
    return found.value.code


def test_a_message_begins_the_conversation_that_the_tag_shows(asking, ada):
    group = Group.objects.create(name="Order 1")
    assert post("default", "Hello\nthere", user=ada) == "default"
    uid = post("support", "It is on its way.", user=ada, about=group)
    assert uid == uid_of(subject_of("support", group))
    newest, _ = owner_of(ada).conversations.listed()
    assert (newest.uid, newest.title, newest.unread, newest.user) == (uid, "It is on its way.", True, ada)
    message = newest.tip
    assert (message.role, message.status, message.text, message.parent) == (
        "assistant",
        "complete",
        "It is on its way.",
        None,
    )
    assert (message.parts, message.usage, message.model) == ([{"type": "text", "text": message.text}], None, "")
    assert asking.requests == []


def test_a_model_reads_a_message_wherever_it_was_posted(asking, ada):
    uid = post("default", "Welcome.", user=ada)
    asking.will_say("Uno.")
    ask("default", "One?", user=ada, conversation=uid)
    assert post("default", "By the way.", user=ada, conversation=uid) == uid
    asking.will_say("Dos.")
    ask("default", "Two?", user=ada, conversation=uid)
    assert asking.requests[-1].messages == [
        {"role": "user", "content": OPENING},
        {"role": "assistant", "content": "Welcome."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Uno.\n\nBy the way."},
        {"role": "user", "content": "Two?"},
    ]


def test_a_message_that_no_longer_fits_the_history_takes_its_opening_along(asking, ada, settings):
    settings.CHAT = {**settings.CHAT, "MAX_HISTORY_LENGTH": 20}
    uid = post("default", "Welcome. " * 5, user=ada)
    asking.will_say("Uno.")
    ask("default", "One?", user=ada, conversation=uid)
    assert asking.requests[-1].messages == [{"role": "user", "content": "One?"}]


def test_a_message_counts_against_no_limit_and_no_receiver_is_asked(asking, ada, settings):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"user": {"answers": "1/day"}, "site": {"tokens": "9000/day"}}}
    heard = []

    def hear(signal, **_):
        heard.append(signal)

    for signal in (question_asked, answered):
        signal.connect(hear)
    try:
        uid = post("default", "Welcome.", user=ada)
        post("default", "By the way.", user=ada)
    finally:
        for signal in (question_asked, answered):
            signal.disconnect(hear)
    assert (heard, Counter.objects.count(), Usage.objects.count()) == ([], 0, 0)
    asking.will_say("Uno.")
    ask("default", "One?", user=ada, conversation=uid)
    with pytest.raises(ChatRefused) as found:
        ask("default", "Two?", user=ada, conversation=uid)
    assert found.value.code == "limit"
    assert post("default", "You have reached the limit.", user=ada) == uid


async def test_an_open_page_shows_a_message_at_once_and_the_list_marks_it(script, served, ada, connect):
    await served.start()
    text, html = await connect(user=ada), await connect(user=ada)
    await sync_to_async(post)("default", "**Shipped**", user=ada)
    started, ended = await html.frame("conversation"), await html.frame("conversation")
    assert (started["event"], started["title"], started["id"]) == ("run-started", "Shipped", "default")
    assert (ended["event"], ended["message"]) == ("run-ended", started["message"])
    request = await html.resume(chat="default", body={"view": "html"})
    shown = (await html.chunk(request, "data-message"))["data"]
    assert (shown["id"], shown["status"]) == (started["message"], "complete")
    assert "<strong>Shipped</strong>" in shown["html"]
    assert 'data-action="retry"' not in shown["html"]
    assert text_of(await text.chunks(await text.resume(chat="default"))) == "**Shipped**"


async def test_a_message_that_was_read_at_once_does_not_look_like_a_running_answer(
    script, served, ada, connect, settings
):
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 0.05}
    await served.start()
    socket = await connect(user=ada)

    def posted_and_read():
        with transaction.atomic():
            post("default", "Shipped", user=ada)
            Conversation.objects.update(unread=False)

    await sync_to_async(posted_and_read)()
    told = [(await socket.frame("conversation"))["event"] for _ in range(5)]
    # The second time, a heartbeat has found it, which does not know that it was told.
    assert told == ["run-started", "run-ended", "run-started", "run-ended", "read"]


async def test_a_message_answers_no_question_so_there_is_no_other_answer(script, served, ada, connect):
    await sync_to_async(post)("default", "Welcome.", user=ada)
    socket = await connect(user=ada)
    message = await Message.objects.aget()
    assert await socket.error(await socket.regenerate(message.uid, chat="default")) == "not_found"
    asked = await socket.ask("One?", chat="default")
    (await script.anext_reply()).finish()
    await socket.chunks(asked)
    await sync_to_async(post)("default", "By the way.", user=ada)
    last = await Message.objects.order_by("-pk").afirst()
    for named in (last.uid, None):
        assert await socket.error(await socket.regenerate(named, chat="default")) == "not_found"


async def test_while_an_answer_runs_or_waits_a_message_is_refused(script, served, ada, connect):
    socket = await connect(user=ada)
    body = {"assistant": "support"}
    running = await socket.ask("One?", chat="support", body=body)
    reply = await script.anext_reply()
    assert await sync_to_async(refused)("support", "Hello", user=ada) == "busy"
    reply.call("cancel", number="7")
    reply.finish()
    await socket.chunks(running)
    assert await sync_to_async(refused)("support", "Hello", user=ada) == "busy"


def test_a_message_is_refused_where_it_cannot_be_stored(ada):
    bob = User.objects.create_user("bob")
    uid = post("default", "Welcome.", user=ada)
    assert refused("nobody", "Hello", user=ada) == "forbidden"
    assert refused("default", " ", user=ada) == "empty"
    assert refused("default", "Hello", user=bob, conversation=uid) == "gone"
    assert refused("support", "Hello", user=ada, conversation=uid) == "conflict"
    assert refused("support", "Hello", user=ada, about=bob) == "forbidden"  # it talks about groups
    Conversation.objects.create(owner=key_of(ada.pk), uid="support", user=ada, updated_at="2026-01-01T00:00Z")
    assert refused("support", "Hello", user=ada) == "conflict"  # that is one with the default assistant
    hide(owner_of(ada), owner_of(ada).conversations)
    assert refused("default", "Hello", user=ada) == "gone"
    assert Message.objects.count() == 1


def test_a_message_is_refused_where_its_object_is_gone(ada):
    group = Group.objects.create(name="Order 1")
    uid = post("support", "It is on its way.", user=ada, about=group)
    Group.objects.all().delete()
    assert refused("support", "It has arrived.", user=ada, conversation=uid) == "forbidden"
    assert Message.objects.count() == 1


def test_arguments_of_the_wrong_type_are_named(ada):
    with pytest.raises(TypeError, match="user must be a user that is stored, got "):
        post("default", "Hello", user=AnonymousUser())
    with pytest.raises(TypeError, match="user must be a user that is stored, got "):
        post("default", "Hello", user=None)
    with pytest.raises(TypeError, match="text must be a string"):
        post("default", 7, user=ada)


async def test_posting_inside_an_event_loop_is_an_error_that_says_what_to_do():
    with pytest.raises(RuntimeError, match="sync_to_async"):
        post("default", "Hello", user=None)


async def test_a_message_that_is_rolled_back_is_on_no_page(script, served, ada, connect):
    await served.start()
    socket = await connect(user=ada)

    def rolled_back():
        with transaction.atomic():
            post("default", "Never", user=ada)
            transaction.set_rollback(True)

    await sync_to_async(rolled_back)()
    assert await socket.communicator.receive_nothing(0.1)
    assert await Message.objects.acount() == 0
