"""Renaming and deleting conversations."""

import pytest
from asgiref.sync import sync_to_async

from chat.models import Conversation, Message
from chat.owners import Owner
from tests.support.upstream import eventually
from tests.views.conftest import escaped

BOB = Owner("visitor:bob")
SCRIPT = {"headers": {"X-Requested-With": "llm-chat"}}

db = pytest.mark.django_db


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
@pytest.mark.parametrize("command", ["delete", "~delete"])
def test_nothing_is_deleted_without_confirmation(ann, converse, command):
    converse()
    path = "/chat/~delete/" if command == "~delete" else "/chat/c1/delete/"
    response = ann.post(path)
    assert response.status_code == 400
    assert 'role="alert">Tick the box to confirm.' in response.content.decode()
    assert Conversation.objects.exists()


@db
def test_a_conversation_is_deleted_with_its_messages_and_no_other(ann, converse):
    converse(uid="c1")
    converse(uid="c2")
    response = ann.post("/chat/c1/delete/", {"confirm": "yes"})
    assert (response.status_code, response["Location"]) == (303, "/chat/")
    assert list(Message.objects.order_by("pk").values_list("uid", flat=True)) == ["q-c2", "a-c2"]


@db
def test_all_conversations_of_a_visitor_are_deleted_and_no_others(ann, converse):
    for number in range(3):
        converse(uid=f"c{number}")
    converse(BOB)
    assert "Delete all my 3 conversations." in ann.get("/chat/~options/").content.decode()
    response = ann.post("/chat/~delete/", {"confirm": "yes"})
    assert (response.status_code, response["Location"]) == (303, "/chat/")
    assert list(Conversation.objects.values_list("owner", flat=True)) == [BOB.key]
    assert "You have no conversations." in ann.get("/chat/~options/").content.decode()


@db
@pytest.mark.parametrize("headers", [{"X-Requested-With": "llm-chat"}, {"Accept": "application/json"}])
def test_a_script_gets_an_empty_answer_to_its_commands(ann, converse, headers):
    converse()
    for path, fields in (
        ("/chat/c1/rename/", {"title": "New"}),
        ("/chat/c1/delete/", {"confirm": "yes"}),
        ("/chat/~delete/", {"confirm": "yes"}),
    ):
        response = ann.post(path, fields, headers=headers)
        assert (response.status_code, response.content) == (204, b"")


@db
@pytest.mark.parametrize("uid", ["bobs", "not-there"])
def test_missing_conversations_and_those_of_others_give_the_same_answer(ann, client, converse, uid):
    converse(BOB, uid="bobs")
    for page in ("options/", "export.md", "export.json"):
        assert ann.get(f"/chat/{uid}/{page}").status_code == 404
    for command in ("rename", "delete", "stop"):
        response = ann.post(f"/chat/{uid}/{command}/", {"title": "Mine", "confirm": "yes"})
        assert response.status_code == 404
    assert title("bobs") == "Why is the sky blue?"


@db
def test_commands_need_post_and_no_page_is_cached(ann, converse):
    converse()
    for path in ("/chat/c1/rename/", "/chat/c1/delete/", "/chat/~delete/"):
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
    assert await socket.error(request) == "lost"
    assert not await Message.objects.aexists()
