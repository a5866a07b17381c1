"""``{% chat_widget %}`` on a page of any site."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import Signer
from django.template import Context, Template, TemplateSyntaxError
from django.test import override_settings
from django.utils.translation import gettext_lazy, override

from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.owners import VISITOR, Owner
from tests.support import hosts


class Support(Assistant):
    label = gettext_lazy("Search")
    about = Group


class Default(Assistant):
    pass


@pytest.fixture(autouse=True)
def assistants():
    with registry.replaced(Support):
        yield


def render(text, **context):
    return Template("{% load llm_chat %}" + text).render(Context(context))


def query(page):
    """Return the fields of the launcher's address."""
    link = unescape(re.search(r'<a class="llm-chat-launcher" href="([^"]*)"', page)[1])
    return {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}


def reference(page):
    """Return what the launcher refers to, and for whom."""
    return Signer(salt="llm_chat.about").unsign_object(query(page)["about"])


@pytest.fixture
def group():
    return Group(pk=7, name="Anvils")


def test_the_launcher_leads_to_the_conversation_with_the_assistant():
    page = render('{% chat_widget "support" %}')
    assert 'href="/chat/support/?assistant=support&amp;language=en"' in page
    assert 'assistant="support" conversation="support"' in page
    assert query(render('{% chat_widget "support" %}')) == {"assistant": "support", "language": "en"}


def test_it_is_called_like_the_assistant_or_has_a_label_of_the_page():
    page = render('{% chat_widget "support" %}')
    assert '<dialog class="llm-chat-dialog" aria-label="Search"' in page
    assert '<span class="llm-chat-launcher-name">Search</span>' in page
    page = render('{% chat_widget "support" label=label %}', label="Ask <us>")
    assert '<span class="llm-chat-launcher-label">Ask &lt;us&gt;</span>' in page
    assert 'aria-label="Search"' in page
    with override("de"):
        page = render('{% chat_widget "support" %}')
    assert 'aria-label="Suchen"' in page
    assert query(page)["language"] == "de"


@pytest.mark.parametrize(("label", "title"), [("", "Chat"), ("Ask us", "Ask us")])
def test_an_assistant_without_a_name_is_called_like_the_label_or_chat(label, title):
    with registry.replaced(Default):
        page = render("{% chat_widget label=label %}", label=label)
    assert f'<dialog class="llm-chat-dialog" aria-label="{title}"' in page


def test_the_launcher_can_be_left_out_and_the_element_can_have_an_id():
    page = render('{% chat_widget "support" id="buy" launcher=False %}')
    assert 'llm-chat-launcher"' not in page
    assert '<llm-chat-widget class="llm-chat-widget" id="buy"' in page
    assert " id=" not in render('{% chat_widget "support" %}')


def test_the_tag_has_no_inline_script_or_style():
    page = render('{% chat_widget "support" %}')
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == 1 == page.count('<script type="module" src="/static/llm_chat/widget.js"></script>')


@pytest.mark.parametrize("name", ["csp_nonce", "_csp_nonce"])
def test_scripts_and_styles_have_the_nonce_of_the_request(rf, name):
    request = rf.get("/")
    setattr(request, name, "c2VjcmV0")
    page = render('{% chat_widget "support" %}', request=request)
    assert page.count(' nonce="c2VjcmV0">') == 3  # the element, for what its script links
    assert "nonce" not in render('{% chat_widget "support" %}', request=rf.get("/"))


@pytest.mark.parametrize("name", ["", "nobody", "a b"])
def test_an_assistant_that_the_site_does_not_have_is_an_error(name):
    with pytest.raises(ImproperlyConfigured, match=f"chat_widget %}} needs the name of an assistant .*, got '{name}'"):
        render("{% chat_widget name %}", name=name)


def test_an_argument_that_the_tag_does_not_have_is_an_error():
    with pytest.raises(TemplateSyntaxError, match="unexpected keyword argument 'colour'"):
        render('{% chat_widget "support" colour="red" %}')


@pytest.mark.parametrize("about", [Group(name="new"), "7", 7])
def test_an_object_that_the_assistant_does_not_talk_about_is_an_error(about):
    with pytest.raises(ImproperlyConfigured, match=r'chat_widget "support" about=\.\.\. %} is about auth.Group, got'):
        render('{% chat_widget "support" about=about %}', about=about)


def test_without_the_apps_urls_the_tag_says_what_it_needs():
    with override_settings(ROOT_URLCONF=()), pytest.raises(ImproperlyConfigured, match=r"llm_chat\.urls"):
        render('{% chat_widget "support" %}')


def test_a_page_that_knows_no_visitor_refers_for_everybody_and_stays_as_it_was(rf, group):
    request = rf.get("/")
    request.session = SessionStore("k" * 32)
    page = render('{% chat_widget "support" about=group %}', request=request, group=group)
    assert reference(page) == ["support", "auth.group", "7", ""]
    assert (request.session.accessed, request.session.modified) == (False, False)
    assert reference(render('{% chat_widget "support" about=group %}', group=group))[-1] == ""


@pytest.mark.django_db
def test_a_page_with_a_widget_costs_no_query_and_can_be_cached(client, settings, django_assert_num_queries):
    settings.ROOT_URLCONF = hosts.__name__
    client.cookies["sessionid"] = "k" * 32
    with django_assert_num_queries(0):
        response = client.get("/host/")
    assert "<llm-chat-widget " in response.content.decode()
    assert "Cookie" not in response.get("Vary", "")
    assert response.cookies == {}


@pytest.mark.parametrize(
    ("session", "owner"),
    [({VISITOR: "ann"}, "visitor:ann"), ({"_auth_user_id": "7"}, "user:7"), ({"basket": 1}, "")],
)
def test_a_page_that_has_looked_who_the_visitor_is_refers_for_that_one(rf, group, session, owner):
    request = rf.get("/")
    request.session = SessionStore()
    request.session._session_cache = session
    request.session.get("anything")
    page = render('{% chat_widget "support" about=group %}', request=request, group=group)
    assert reference(page)[-1] == (Owner(owner).digest if owner else "")
    assert request.session.modified is False
