"""The language of a page: of the markup and of the sentences that it receives."""

import json

import pytest
from django.test import override_settings
from django.utils.translation import get_language

from chat.errors import ERRORS, sentence
from chat.html.language import spoken
from chat.models import Conversation, Message

GERMAN = {"view": "html", "language": "de"}
FRENCH = {"view": "html", "language": "fr"}


@pytest.mark.parametrize(
    ("asked", "language"),
    [("de", "de"), ("DE", "de"), ("de-AT", "de"), ("en-us", "en"), ("", "en"), ("tlh", "en"), ("../de", "en")],
)
def test_the_nearest_language_of_the_site_is_used(asked, language):
    assert spoken(asked) == language


def test_the_sites_own_language_is_used_where_none_fits():
    with override_settings(LANGUAGE_CODE="fr"):
        assert spoken("") == spoken("ja") == "fr"
        assert spoken("de") == "de"


def test_a_sentence_without_a_language_is_not_translated():
    assert sentence("busy", "") == ERRORS["busy"].sentence
    assert "bereits" in sentence("busy", "de")
    assert get_language() == "en"


async def test_two_pages_read_one_answer_in_two_languages(script, connect):
    german, french = await connect("ann"), await connect("ann")
    asked = await german.ask("Warum?", body=GERMAN)
    await german.chunk(asked, "data-message")
    resumed = await french.resume(body=FRENCH)
    while (await french.chunk(resumed, "data-message"))["data"]["status"] != "running":
        pass  # the question
    (await script.anext_reply()).break_off()
    for socket, request, said in ((german, asked, "unterbrochen"), (french, resumed, "interrompue")):
        frames = await socket.rest(request)
        texts = [
            frame["chunk"]["data"]["html"]
            for frame in frames
            if frame.get("chunk", {}).get("type") == "data-message-end"
        ]
        assert said in texts[0]
        error = frames[-2]
        assert error["code"] == "interrupted"
        assert said in error["chunk"]["errorText"]


async def test_a_page_that_resumes_gets_its_messages_in_its_language(script, connect):
    socket = await connect("ann")
    request = await socket.ask("Why?", body=GERMAN)
    (await script.anext_reply()).fail("timeout")
    await socket.rest(request)
    chunks = await socket.chunks(await socket.resume(body=FRENCH))
    question, answer = [chunk["data"]["html"] for chunk in chunks if chunk["type"] == "data-message"]
    assert "Vous" in question
    assert "Le modèle a mis trop de temps" in answer and "Réessayer" in answer
    (stored,) = [message async for message in Message.objects.filter(role="assistant")]
    assert stored.error == "timeout"


@pytest.mark.parametrize("kind", ["source", "rate", "read"])
async def test_a_refusal_is_in_the_language_of_the_page(kind, connect):
    socket = await connect("ann")
    fields = {"messageId": "m1", "value": 1} if kind == "rate" else {"messageId": "m1"}
    frame = {"type": kind, "requestId": "r", "id": "c1", "body": {"language": "de"}, **fields}
    await socket.raw(json.dumps(frame))
    (error,) = await socket.rest("r")
    assert (error["code"], error["errorText"]) == ("not_found", sentence("not_found", "de"))


async def test_a_refusal_of_a_question_is_in_the_language_of_an_html_page_only(script, connect):
    socket = await connect("ann")
    for body, language in ((GERMAN, "de"), ({}, ""), ({"language": "de"}, "")):
        (error,) = await socket.rest(await socket.ask(" ", body=body))
        assert (error["code"], error["errorText"]) == ("empty", sentence("empty", language))


async def test_the_text_format_keeps_its_fixed_sentences(script, connect, settings):
    settings.LANGUAGE_CODE = "de"
    socket = await connect("ann")
    request = await socket.ask("Why?")
    (await script.anext_reply()).fail("timeout")
    error = (await socket.rest(request))[-2]
    assert (error["code"], error["chunk"]["errorText"]) == ("timeout", ERRORS["timeout"].sentence)


def test_a_page_over_http_is_in_the_language_of_the_browser(client, script, db):
    client.get("/chat/")
    owner = f"visitor:{client.session['llm_chat_visitor']}"
    conversation = Conversation.objects.create(owner=owner, uid="c1", title="One", updated_at="2026-01-01T00:00Z")
    question = conversation.message_set.create(uid="m1", role="user", text="Why?")
    conversation.tip = conversation.message_set.create(
        uid="a1", role="assistant", parent=question, status="failed", error="timeout"
    )
    conversation.save()
    page = client.get("/chat/c1/", headers={"Accept-Language": "fr-CH, fr;q=0.9"}).content.decode()
    assert "Le modèle a mis trop de temps à répondre." in page
    assert '<llm-chat class="llm-chat" lang="fr"' in page
    assert ERRORS["timeout"].sentence in client.get("/chat/c1/").content.decode()
