"""``manage.py chat_erase``."""

import asyncio
import builtins
import io

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from chat.models import Conversation, Message, Usage
from chat.owners import Owner
from tests.support.askers import all_rows, settled
from tests.support.upstream import eventually

COUNTS = "2 conversations, 2 messages, 4 calls of tools, 1 ratings, 1 share links"


def erase(*arguments, **options):
    out = io.StringIO()
    call_command("chat_erase", *arguments, stdout=out, **options)
    return out.getvalue().splitlines()


@pytest.fixture
def answering(monkeypatch):
    """Return a function that answers the command's question."""

    def answering(text):
        asked = []
        monkeypatch.setattr(builtins, "input", lambda question: asked.append(question) or text)
        return asked

    return answering


@pytest.mark.django_db
def test_it_counts_asks_and_erases_everything_but_the_account(django_user_model, answering):
    askers, asked = settled(), answering("yes")
    assert erase("ann") == [
        f'The chat has stored about the user "ann": {COUNTS}.',
        "It is erased. The account itself was not changed.",
    ]
    assert asked == ['This cannot be undone. Type "yes" to erase everything about the user "ann": ']
    assert not Conversation.objects.filter(owner=askers.owner).exists()
    assert Conversation.objects.get().owner == "visitor:other"
    assert django_user_model.objects.filter(username="ann", is_active=True).exists()
    assert erase("ann")[0].endswith("0 conversations, 0 messages, 0 calls of tools, 0 ratings, 0 share links.")


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["", "y", "Yes", "no"])
def test_without_a_yes_nothing_is_erased(answering, answer):
    settled()
    answering(answer)
    before = all_rows()
    with pytest.raises(CommandError, match=r"^Nothing was erased\.$"):
        erase("ann")
    assert all_rows() == before


@pytest.mark.django_db
def test_where_nobody_can_be_asked_nothing_is_erased_unless_it_is_told_so(monkeypatch):
    settled()

    def gone(question):
        raise EOFError

    monkeypatch.setattr(builtins, "input", gone)
    before = all_rows()
    with pytest.raises(CommandError, match="Give --no-input"):
        erase("ann")
    assert all_rows() == before
    erase("ann", "--no-input")
    assert Conversation.objects.count() == 1


@pytest.mark.django_db
def test_a_dry_run_only_counts():
    settled()
    before = all_rows()
    assert erase("ann", "--dry-run") == [f'The chat has stored about the user "ann": {COUNTS}.']
    assert all_rows() == before


async def test_a_running_answer_is_stopped_before_and_the_pages_learn_of_both(script, connect, served):
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    said = asyncio.create_task(sync_to_async(erase)("--visitor", "ann", "--no-input"))
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    assert (await said)[-1].startswith("It is erased.")
    assert reply.closed.is_set()
    events = [(await socket.frame("conversation"))["event"] for _ in range(3)]
    assert events == ["run-started", "run-ended", "deleted"]
    assert not await Conversation.objects.aexists()


async def test_an_answer_whose_process_does_not_stop_it_is_given_up(script, connect, served, settings):
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 0.01}  # of the command; the server's waits for a tenth of a second
    await sync_to_async(erase)("--visitor", "ann", "--no-input")
    assert not await Message.objects.aexists()
    await eventually(reply.closed.is_set)
    await eventually(lambda: not served.runs)  # its run has stored what it has used
    call = await Usage.objects.aget()
    assert (call.owner, call.user_id, call.message_id) == ("", None, None)


@pytest.mark.django_db
def test_what_is_stored_meanwhile_is_reported(monkeypatch):
    askers = settled()
    owner = Owner(askers.owner)
    monkeypatch.setattr("chat.management.commands.chat_erase.erase", lambda found: None)
    with pytest.raises(CommandError, match="run the command again"):
        erase("ann", "--no-input")
    assert owner.conversations.exists()
