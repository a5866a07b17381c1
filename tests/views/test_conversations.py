"""Renaming, pinning and deleting conversations."""

import re

import pytest
from asgiref.sync import sync_to_async

from chat.models import Conversation, Message
from chat.owners import Owner
from tests.engine.test_engine import eventually as holds
from tests.support.upstream import eventually
from tests.views.conftest import ANN, escaped

BOB = Owner("visitor:bob")
SCRIPT = {"headers": {"X-Requested-With": "llm-chat"}}

db = pytest.mark.django_db


def shown(owner=ANN):
    """Return the conversations that an owner sees."""
    return sorted(owner.conversations.values_list("uid", flat=True))


def title(uid="c1"):
    return Conversation.objects.get(uid=uid).title


@db
def test_the_options_of_a_conversation_work_without_javascript(ann, converse):
    converse(title="Two & <b>")
    page = ann.get("/chat/c1/options/").content.decode()
    assert 'action="/chat/c1/rename/"' in page
    assert 'value="Two &amp; &lt;b&gt;"' in page
    assert 'action="/chat/c1/delete/"' in page
    assert 'href="/chat/c1/export.md"' in page
    assert 'href="/chat/c1/export.json"' in page
    assert page.count('aria-current="page"') == 1


@db
@pytest.mark.parametrize("path", ["/chat/c1/options/", "/chat/~options/", "/chat/?q=sky", "/chat/c1/?q=sky"])
def test_a_script_gets_the_fragment_alone(ann, converse, path):
    converse()
    page = ann.get(path + ("&" if "?" in path else "?") + "fragment").content.decode()
    assert page.strip().startswith('<div class="llm-chat-panel"')
    assert "<html" not in page


@db
def test_a_conversation_gets_another_title_and_keeps_its_place(ann, converse):
    before = converse().updated_at
    response = ann.post("/chat/c1/rename/", {"title": "  The\tsky\r\n "})
    assert (response.status_code, response["Location"]) == (303, "/chat/c1/")
    assert title() == "The sky"
    assert Conversation.objects.get().updated_at == before


@db
def test_a02_half_a_character_in_a_title_is_replaced(ann, converse):
    converse()
    assert ann.post("/chat/c1/rename/", **escaped(title=r"Sky \ud83d\u0000")).status_code == 303
    assert title() == "Sky \ufffd\ufffd"
    page = ann.post("/chat/c1/rename/", **escaped(title=r"\ud83d" * 81)).content.decode()
    assert 'value="' + "\ufffd" * 81 + '"' in page


@db
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "Please write a title."),
        (" \n ", "Please write a title."),
        ("<b>" + "x" * 78, "A title can have at most 80 characters; this one has 81."),
    ],
)
@pytest.mark.parametrize("more", [{}, SCRIPT])
def test_an_invalid_title_is_refused_with_a_sentence_and_stays_in_its_field(ann, converse, given, sentence, more):
    converse()
    response = ann.post("/chat/c1/rename/", {"title": given}, **more)
    page = response.content.decode()
    assert response.status_code == 400
    assert f'role="alert">{sentence}</p>' in page
    assert f'value="{given.strip().replace("<", "&lt;").replace(">", "&gt;")}"' in page
    assert ("<html" in page) is (more == {})
    assert title() == "Why is the sky blue?"


@db
@pytest.mark.parametrize(
    ("path", "sentence"),
    [("/chat/c1/delete/", "Tick the box to confirm."), ("/chat/~delete/", "Please confirm the deletion.")],
)
def test_nothing_is_deleted_without_confirmation(ann, converse, path, sentence):
    converse()
    response = ann.post(path)
    assert response.status_code == 400
    assert f'role="alert">{sentence}' in response.content.decode()
    assert shown() == ["c1"]


@db
def test_a_conversation_is_deleted_and_no_other(ann, converse):
    converse(uid="c1")
    converse(uid="c2")
    response = ann.post("/chat/c1/delete/", {"confirm": "yes"})
    assert (response.status_code, response["Location"]) == (303, "/chat/")
    assert shown() == ["c2"]
    page = ann.get("/chat/").content.decode()
    assert 'data-conversation="c2"' in page
    assert 'data-conversation="c1"' not in page
    for address in ("options/", "export.md", "export.json"):
        assert ann.get(f"/chat/c1/{address}").status_code == 404
    assert "Why?" not in ann.get("/chat/c1/").content.decode()


@db
def test_several_conversations_are_deleted_at_once_but_never_those_of_others(ann, converse):
    for uid in ("c1", "c2", "c3"):
        converse(uid=uid)
    converse(BOB, uid="c4")
    response = ann.post("/chat/~delete/", {"confirm": "yes", "id": ["c1", "c3", "c4", "not-there"]}, **SCRIPT)
    assert response.status_code == 200
    assert "2 conversations deleted." in response.content.decode()
    assert (shown(), shown(BOB)) == (["c2"], ["c4"])


@db
def test_a_deletion_is_undone_from_any_page_without_javascript(ann, client, converse, settings):
    settings.CHAT = {**settings.CHAT, "UNDO_PERIOD": 60.0}
    converse()
    ann.post("/chat/c1/delete/", {"confirm": "yes"})
    page = ann.get("/chat/?q=nothing").content.decode()
    assert "Conversation deleted." in page
    assert 'action="/chat/~undo/"' in page
    at = re.search(r'name="at" value="(.*?)"', page)[1]
    response = ann.post("/chat/~undo/", {"at": at})
    assert (response.status_code, response["Location"]) == (303, "/chat/")
    assert shown() == ["c1"]
    assert "Why?" in ann.get("/chat/c1/").content.decode()
    assert "~undo" not in ann.get("/chat/").content.decode()


@db
@pytest.mark.parametrize(
    "at", ["", "yesterday", "2026-99-99", "2026-01-01", "2026-01-01T00:00:00+00:00", "0001-01-01T00:00:00+23:59"]
)
def test_an_undo_that_comes_too_late_says_so(ann, at):
    response = ann.post("/chat/~undo/", {"at": at})
    assert response.status_code == 410
    assert "It is too late to undo this deletion." in response.content.decode()


@db
def test_a_conversation_is_pinned_and_let_go(ann, converse):
    converse(uid="c1")
    converse(uid="c2")
    response = ann.post("/chat/c1/pin/", {"pinned": "yes"})
    assert (response.status_code, response["Location"]) == (303, "/chat/c1/")
    page = ann.get("/chat/").content.decode()
    assert re.findall(r'data-(?:day|conversation)="(pinned|today|c\d)"', page) == ["pinned", "c1", "today", "c2"]
    assert "Unpin" in ann.get("/chat/c1/options/").content.decode()
    ann.post("/chat/c1/pin/")
    page = ann.get("/chat/").content.decode()
    assert re.findall(r'data-(?:day|conversation)="(pinned|today|c\d)"', page) == ["pinned", "today", "c2", "c1"]


@db
def test_all_conversations_of_a_visitor_are_deleted_and_no_others(ann, converse):
    for number in range(3):
        converse(uid=f"c{number}")
    converse(BOB)
    assert "Delete all your 3 conversations?" in ann.get("/chat/~options/").content.decode()
    response = ann.post("/chat/~delete/", {"confirm": "yes"})
    assert (response.status_code, response["Location"]) == (303, "/chat/")
    assert (shown(), shown(BOB)) == ([], ["c1"])
    assert "You have no conversations." in ann.get("/chat/~options/").content.decode()


@db
@pytest.mark.parametrize("headers", [{"X-Requested-With": "llm-chat"}, {"Accept": "application/json"}])
def test_a_script_gets_an_empty_answer_to_its_commands(ann, converse, headers):
    converse()
    for path, fields in (("/chat/c1/rename/", {"title": "New"}), ("/chat/c1/pin/", {"pinned": "yes"})):
        response = ann.post(path, fields, headers=headers)
        assert (response.status_code, response.content) == (204, b"")


@db
def test_a_script_of_the_page_gets_the_form_that_undoes_a_deletion_and_others_an_empty_answer(ann, converse):
    converse()
    response = ann.post("/chat/c1/delete/", {"confirm": "yes"}, **SCRIPT)
    assert response.status_code == 200
    assert response.content.decode().strip().startswith("<form")
    response = ann.post("/chat/~delete/", {"confirm": "yes"}, headers={"Accept": "application/json"})
    assert (response.status_code, response.content) == (204, b"")


@db
@pytest.mark.parametrize("uid", ["bobs", "not-there"])
def test_missing_conversations_and_those_of_others_give_the_same_answer(ann, client, converse, uid):
    converse(BOB, uid="bobs")
    for page in ("options/", "export.md", "export.json"):
        assert ann.get(f"/chat/{uid}/{page}").status_code == 404
    for command in ("rename", "pin", "delete", "stop"):
        response = ann.post(f"/chat/{uid}/{command}/", {"title": "Mine", "confirm": "yes"})
        assert response.status_code == 404
    assert title("bobs") == "Why is the sky blue?"


@db
def test_commands_need_post_and_no_page_is_cached(ann, converse):
    converse()
    for path in ("/chat/c1/rename/", "/chat/c1/pin/", "/chat/c1/delete/", "/chat/~delete/", "/chat/~undo/"):
        assert ann.get(path).status_code == 405
    for path in ("/chat/c1/options/", "/chat/~options/", "/chat/?q=a", "/chat/c1/export.md", "/chat/c1/export.json"):
        assert "no-store" in ann.get(path)["Cache-Control"]
        assert ann.post(path.replace("?q=a", "c1/options/")).status_code == 405


async def test_open_pages_get_an_event_about_a_new_title(asgi, connect, converse):
    await sync_to_async(converse)()
    socket, other = await connect("ann"), await connect("bob")
    await asgi.post("/chat/c1/rename/", {"title": "The sky"})
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["title"]) == ("title", "c1", "The sky")
    await other.rest(await other.resume())
    assert "conversation" not in other._frames


async def test_open_pages_get_an_event_when_a_conversation_is_opened(asgi, connect, converse):
    await sync_to_async(converse)()
    await Conversation.objects.aupdate(unread=True)
    socket = await connect("ann")
    await asgi.get("/chat/c1/")
    assert (await socket.frame("conversation"))["event"] == "read"


@pytest.mark.parametrize("path", ["/chat/c1/delete/", "/chat/~delete/"])
async def test_deleting_a_conversation_mid_answer_ends_the_call_of_the_model(script, asgi, connect, path):
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    await asgi.post(path, {"confirm": "yes"})
    await eventually(reply.closed.is_set)
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    await holds(lambda: not Message.objects.exists())  # a heartbeat removes the rows for good


async def test_open_pages_get_events_when_a_conversation_is_pinned_deleted_and_brought_back(
    asgi, connect, converse, settings
):
    settings.CHAT = {**settings.CHAT, "UNDO_PERIOD": 60.0}
    made = await sync_to_async(converse)()
    socket = await connect("ann")
    await asgi.post("/chat/c1/pin/", {"pinned": "yes"})
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["pinned"]) == ("pinned", "c1", True)
    response = await asgi.post("/chat/c1/delete/", {"confirm": "yes"}, **SCRIPT)
    assert (await socket.frame("conversation"))["event"] == "deleted"
    await asgi.post("/chat/~undo/", {"at": re.search(r'name="at" value="(.*?)"', response.content.decode())[1]})
    event = await socket.frame("conversation")
    assert (event["event"], event["id"], event["title"], event["pinned"]) == ("restored", "c1", made.title, True)
    assert event["updated"] == made.updated_at.timestamp()
