"""The app's page as a browser receives it."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.urls import resolve

from chat.models import Conversation
from chat.owners import VISITOR, Owner

pytestmark = pytest.mark.django_db
BOB = Owner("visitor:bob")


def visit(client, path="/chat/"):
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def without_secrets(page):
    """Remove the values that differ in each rendering of a page."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
    page = re.sub(r' nonce="[^"]+"', "", page)
    return re.sub(r'name="id" value="[\w-]+"', "", page)


def test_the_first_view_gives_a_visitor_an_id_and_a_cookie(client):
    visit(client)
    assert client.session[VISITOR]
    assert "sessionid" in client.cookies


def test_a_conversation_is_rendered_with_its_messages(ann, converse):
    converse(question="Why <is> the sky blue?")
    page = visit(ann, "/chat/c1/")
    assert "Why &lt;is&gt; the sky blue?" in page
    assert "<strong>Scattering</strong>" in page
    assert page.count('aria-current="page"') == 1
    assert "<title>Why is the sky blue?</title>" in page


def test_another_visitors_conversation_looks_as_if_it_did_not_exist(ann, converse):
    converse(BOB)
    known, unknown = without_secrets(visit(ann, "/chat/c1/")), without_secrets(visit(ann, "/chat/not-there/"))
    for before, after in (("/", "/"), ('"', '"'), ("llm-chat-calls-", '"')):  # a hash may contain "c1", too
        known = known.replace(f"{before}c1{after}", f"{before}not-there{after}")
    assert known == unknown


def test_a_signed_in_users_conversations_belong_to_the_account(client, django_user_model, converse):
    user = django_user_model.objects.create_user("ann")
    client.force_login(user)
    converse(Owner(f"user:{user.pk}"))
    assert "<strong>Scattering</strong>" in visit(client, "/chat/c1/")
    client.logout()
    assert "<strong>Scattering</strong>" not in visit(client, "/chat/c1/")


def test_each_new_chat_has_an_id_of_its_own(client):
    ids = {re.search(r'<llm-chat [^>]*conversation="([^"]+)"', visit(client))[1] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/chat/a.b/", "/chat/" + "x" * 65 + "/", "/chat/a/b/", "/chat/~c1/"])
def test_a_malformed_id_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_the_page_is_never_cached_and_refuses_other_methods(client):
    assert client.put("/chat/").status_code == 405
    assert "no-store" in client.get("/chat/")["Cache-Control"]


def test_the_page_has_the_models_limit_of_a_message(client, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 1234}
    assert 'max-length="1234"' in visit(client)


def test_the_page_is_not_indexed_and_sets_the_colour_of_the_browsers_bars(client):
    page = visit(client)
    assert '<meta name="robots" content="noindex">' in page
    assert page.count('<meta name="theme-color"') == 2


def test_the_page_refreshes_itself_without_a_script_only_while_an_answer_runs(ann, converse):
    refresh = '<noscript><meta http-equiv="refresh"'
    converse(uid="runs", status="running")
    converse(uid="done")
    assert refresh in visit(ann, "/chat/runs/")
    assert refresh not in visit(ann, "/chat/done/")
    assert refresh not in visit(ann, "/chat/new/")


def test_a_conversation_that_is_opened_is_read_unless_its_answer_runs(ann, converse):
    converse(uid="runs", status="running")
    converse(uid="done")
    converse(BOB, uid="bobs")
    Conversation.objects.update(unread=True)
    for uid in ("runs", "done", "bobs"):
        visit(ann, f"/chat/{uid}/")
    assert set(Conversation.objects.filter(unread=True).values_list("uid", flat=True)) == {"runs", "bobs"}


def test_the_list_marks_running_and_unread_answers_and_links_to_the_options(ann, converse):
    converse(uid="runs", title="One", status="running")
    converse(uid="new", title="Two <b>")
    Conversation.objects.filter(uid="new").update(unread=True)
    page = visit(ann)
    assert '<li class="llm-chat-conversation" data-conversation="runs" data-running>' in page
    assert '<li class="llm-chat-conversation" data-conversation="new" data-unread>' in page
    assert 'href="/chat/new/options/" data-action="options" aria-label="Options for “Two &lt;b&gt;”"' in page


def test_the_page_has_the_template_of_a_new_list_entry(client):
    page = visit(client)
    assert page.count("data-conversations>") == 2
    assert '<section class="llm-chat-day" data-day="today">' in page
    template = re.search(r'<template data-template="conversation">(.*?)</template>', page, re.S)[1]
    assert 'data-conversation="_id_"' in template
    assert 'href="/chat/_id_/"' in template
    assert 'href="/chat/_id_/options/"' in template


def test_a_conversation_that_is_too_old_for_the_list_still_has_its_title(ann, converse, monkeypatch):
    converse()
    monkeypatch.setattr("chat.managers.ConversationQuerySet.listed", lambda self: self.none())
    assert "<title>Why is the sky blue?</title>" in visit(ann, "/chat/c1/")


HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/chat/", "/chat/unknown/", "/chat/?q=word", "/chat/~options/"])
def test_a14_the_first_view_of_a_browser_sets_the_cookie_on_any_page(client, path):
    client.get(path, headers={"accept": HTML})
    assert "sessionid" in client.cookies
    assert Session.objects.count() == 1


@pytest.mark.parametrize(("site", "count"), [("same-origin", 1), ("cross-site", 0), ("none", 0)])
def test_a14_a_page_that_a_script_of_the_site_fetches_sets_the_cookie(client, site, count):
    client.get("/chat/", headers={"accept": "*/*", "sec-fetch-site": site})
    assert Session.objects.count() == count


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("head", "/chat/", {"accept": HTML}),
        ("head", "/chat/", {}),
        ("get", "/chat/", {"accept": "*/*"}),
        ("get", "/chat/", {"accept": "application/json"}),
        ("get", "/chat/", {"accept": ""}),
        ("get", "/chat/?q=word", {"accept": "image/*"}),
        ("get", "/chat/~options/", {"accept": "*/*"}),
        ("get", "/chat/unknown/", {}),
        ("get", "/chat/unknown/", {"accept": "*/*"}),
        ("get", "/chat/unknown/options/", {"accept": HTML}),
        ("get", "/chat/unknown/export.json", {"accept": HTML}),
        ("post", "/chat/unknown/stop/", {"accept": HTML}),
        ("post", "/chat/unknown/delete/", {"accept": HTML}),
    ],
)
def test_a14_a_robot_or_a_probe_leaves_no_session(client, method, path, headers):
    response = getattr(client, method)(path, headers=headers)
    assert response.status_code in (200, 404)
    assert "sessionid" not in client.cookies
    assert not Session.objects.exists()


def test_a14_an_existing_session_is_used_by_every_request(ann, converse):
    converse()
    for headers in ({"accept": "*/*"}, {}):
        assert "Scattering" in ann.get("/chat/c1/", headers=headers).content.decode()


@pytest.mark.parametrize("path", ["/chat/", "/chat/c1/", "/chat/c1/stop/", "/chat/c1/rename/", "/chat/~delete/"])
def test_a14_a_form_that_is_too_long_is_refused_before_it_is_read(rf, path):
    request = rf.post(path, b"x", content_type="multipart/form-data; boundary=b", CONTENT_LENGTH="300000000")
    request.read = lambda *_: pytest.fail("it was read")
    view, args, kwargs = resolve(path)
    assert view(request, *args, **kwargs).status_code == 413
