"""``{% chat %}`` on a page of any site."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import override_settings
from django.urls import set_script_prefix

from chat.owners import VISITOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of_a_visitor(rf, script):
    request = rf.get("/any/page/")
    request.user, request.session = AnonymousUser(), {}
    return request


def render(text, **context):
    return Template("{% load chat %}" + text).render(Context(context))


def test_without_a_name_the_tag_shows_the_visitors_default_conversation(request_of_a_visitor):
    assert 'conversation="default"' in render("{% chat %}", request=request_of_a_visitor)


def test_several_conversations_stand_on_one_page(request_of_a_visitor):
    page = render('{% chat "support" %}{% chat "sales" %}', request=request_of_a_visitor)
    assert page.count("<llm-chat ") == 2
    assert 'conversation="support"' in page
    assert 'conversation="sales"' in page


def test_the_page_tells_visitors_apart_without_naming_them(request_of_a_visitor, rf):
    other = rf.get("/any/page/")
    other.user, other.session = AnonymousUser(), {}
    pages = [render("{% chat %}", request=request) for request in (request_of_a_visitor, request_of_a_visitor, other)]
    owners = [re.search(r'owner="([0-9a-f]{16})"', page)[1] for page in pages]
    assert owners[0] == owners[1] != owners[2]
    assert request_of_a_visitor.session[VISITOR] not in pages[0]


def test_the_tag_has_no_inline_script_or_style(request_of_a_visitor):
    page = render("{% chat %}", request=request_of_a_visitor)
    assert "<style" not in page
    assert " style=" not in page
    assert " on" + "click=" not in page
    assert page.count("<script") == page.count('<script type="module" src="')


def test_without_a_request_the_tag_says_what_it_needs():
    with pytest.raises(ImproperlyConfigured, match="request"):
        render("{% chat %}")


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
def test_a_name_that_cannot_be_an_id_is_refused(request_of_a_visitor, name):
    with pytest.raises(ImproperlyConfigured, match="64"):
        render("{% chat name %}", request=request_of_a_visitor, name=name)


def test_the_address_of_the_socket_follows_the_script_name(request_of_a_visitor):
    set_script_prefix("/app/")
    try:
        assert 'path="/app/ws/chat/"' in render("{% chat %}", request=request_of_a_visitor)
    finally:
        set_script_prefix("/")


def test_on_a_page_of_the_sites_own_the_form_leads_back_to_it(request_of_a_visitor):
    page = render("{% chat %}", request=request_of_a_visitor, csrf_token="secret")
    assert '<form class="chat-form" method="post" action="/chat/default/"' in page
    assert '<input type="hidden" name="next" value="/any/page/">' in page
    assert '<input type="hidden" name="csrfmiddlewaretoken" value="secret">' in page
    assert "needs JavaScript" not in page


def test_without_the_apps_pages_the_form_sends_nothing_and_says_so(request_of_a_visitor):
    with override_settings(ROOT_URLCONF=()):
        page = render("{% chat %}", request=request_of_a_visitor, csrf_token="secret")
    assert '<form class="chat-form" method="dialog"' in page
    assert "secret" not in page
    assert "Sending messages needs JavaScript." in page
