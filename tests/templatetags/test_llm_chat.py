"""``{% chat %}`` on a page of any site."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django import urls
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import connections
from django.http import HttpResponse
from django.template import Context, Template
from django.test import AsyncClient, Client, override_settings
from django.urls import set_script_prefix
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy, override
from django.views.decorators.cache import cache_page

from chat import wsgi
from chat.assistants import Assistant, Starter
from chat.assistants.discovery import registry
from chat.beginnings import BEGUN, MOST, begin, begun_in
from chat.db.branches import WINDOW
from chat.models import Conversation, Message, Process
from chat.owners import VISITOR
from chat.templatetags import llm_chat

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of_a_visitor(rf, script):
    request = rf.get("/any/page/")
    request.user, request.session = AnonymousUser(), {}
    return request


def render(text, **context):
    return Template("{% load llm_chat %}" + text).render(Context(context))


def test_without_a_name_the_tag_shows_the_visitors_default_conversation(request_of_a_visitor):
    assert 'conversation="default"' in render("{% chat %}", request=request_of_a_visitor)


def test_an_empty_chat_offers_the_starters_of_its_assistant(request_of_a_visitor):
    class Default(Assistant):
        starters = (Starter('Is "A < B" true?'), Starter(gettext_lazy("Yes")))

    with registry.replaced(Default):
        page = render("{% chat %}", request=request_of_a_visitor)
        with override("de"):
            german = render("{% chat %}", request=request_of_a_visitor)
    buttons = re.findall(r'<button class="llm-chat-suggestion"[^>]* name="starter" value="([^"]*)"[^>]*>([^<]*)<', page)
    assert buttons == [("Is &quot;A &lt; B&quot; true?",) * 2, ("Yes", "Yes")]
    assert 'value="Ja"' in german
    assert page.count('id="llm-chat-form-default"') == 1
    assert page.count('form="llm-chat-form-default"') == 2


def test_a_chat_without_starters_has_no_place_for_them(request_of_a_visitor):
    assert "llm-chat-suggestion" not in render("{% chat %}", request=request_of_a_visitor)


def told(request, about=None):
    """Return the conversation and the title that a chat with a button for another one shows."""
    page = render('{% chat "default" new=True about=about %}', request=request, about=about)
    title = re.search(r"data-title>([^<]*)<", page)[1]
    return re.search(r'<llm-chat [^>]*conversation="([^"]+)"', page)[1], title


def begun(number, owner="visitor:ann", **fields):
    """Store a conversation that was begun at a minute."""
    fields = {"owner": owner, "uid": f"c{number}", "title": f"The <{number}>", "updated_at": timezone.now(), **fields}
    made = Conversation.objects.create(**fields)
    Conversation.objects.filter(pk=made.pk).update(created_at=timezone.now() + timedelta(minutes=number))
    return made


def test_e05_a_chat_with_a_button_for_another_one_shows_the_newest_of_its_assistant_and_object(request_of_a_visitor):
    class Default(Assistant):
        about = Group

    request_of_a_visitor.session[VISITOR] = "ann"
    with registry.replaced(Default):
        assert told(request_of_a_visitor) == ("default", "New chat")
        for number in (2, 3, 1):
            begun(number)
        group = Group.objects.create(name="Order")
        subject = {"about_model": "auth.group", "about_key": str(group.pk)}
        begun(4, deleted_at=timezone.now())
        begun(5, owner="visitor:ben")
        begun(6, assistant="support")
        begun(7, **subject)
        begun(8, about_model="auth.user", about_key=str(group.pk))
        assert told(request_of_a_visitor) == ("c3", "The &lt;3&gt;")
        assert told(request_of_a_visitor, group) == ("c7", "The &lt;7&gt;")


def test_e05_one_that_was_begun_is_shown_until_it_is_stored_and_then_the_newest(request_of_a_visitor):
    session = request_of_a_visitor.session
    session[VISITOR] = "ann"
    begun(1)
    uid = begin(session, "default")
    assert told(request_of_a_visitor) == (uid, "New chat")
    mine = begun(2, uid=uid)
    assert told(request_of_a_visitor) == (uid, "The &lt;2&gt;")
    mine.delete()
    assert told(request_of_a_visitor) == ("c1", "The &lt;1&gt;")
    begun(3)
    assert told(request_of_a_visitor) == ("c3", "The &lt;3&gt;")
    assert session[BEGUN] == {}


def test_e05_the_button_begins_another_conversation_also_without_scripts(script):
    browser = Client(headers={"accept": "text/html"}, enforce_csrf_checks=True)
    with override_settings(ROOT_URLCONF="tests.support.embedded"):
        page = browser.get("/host/new/?a=1").content.decode()
        action = re.search(r'llm-chat-heading">.*?action="([^"]+)"', page, re.DOTALL)[1]
        (wanted,) = set(re.findall(r'name="next" value="([^"]*)"', page))
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        assert browser.post(action, {"next": wanted}).status_code == 403
        response = browser.post(action, {"next": wanted, "csrfmiddlewaretoken": token})
        assert (response.status_code, response["Location"]) == (303, "/host/new/?a=1")
        after = browser.get("/host/new/").content.decode()
        assert browser.get("/host/one/").content.decode().count('conversation="default"') == 1
    assert 'conversation="default"' in page
    shown = re.search(r'<llm-chat [^>]*conversation="([^"]+)"', after)[1]
    assert shown not in ("default", "")
    assert browser.session[BEGUN] == {"default": shown}


def test_e05_a_session_remembers_few_of_them():
    session = {}
    for number in range(2 * MOST):
        last = begin(session, f"a{number}")
    assert len(session[BEGUN]) == MOST
    assert begun_in(session, f"a{2 * MOST - 1}") == last
    assert begun_in(session, "a0") == ""


def test_e05_what_it_needs_is_said(request_of_a_visitor):
    with pytest.raises(ImproperlyConfigured, match="leave conversation= out"):
        render('{% chat conversation="c1" new=True %}', request=request_of_a_visitor)
    with (
        override_settings(ROOT_URLCONF=()),
        pytest.raises(ImproperlyConfigured, match=r'include\("llm_chat.urls"\)'),
    ):
        render("{% chat new=True %}", request=request_of_a_visitor)


def test_one_page_can_show_several_conversations(request_of_a_visitor):
    page = render('{% chat conversation="support" %}{% chat conversation="sales" %}', request=request_of_a_visitor)
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


@pytest.mark.parametrize("name", ["a b", "x" * 65])
def test_a_name_that_cannot_be_an_id_is_refused(request_of_a_visitor, name):
    with pytest.raises(ImproperlyConfigured, match="64"):
        render("{% chat conversation=name %}", request=request_of_a_visitor, name=name)


@pytest.mark.parametrize("name", ["", "nobody", "a b"])
def test_an_assistant_that_the_site_does_not_have_is_an_error(request_of_a_visitor, name):
    with pytest.raises(ImproperlyConfigured, match=f"the name of an assistant of this site, got '{name}'"):
        render("{% chat name %}", request=request_of_a_visitor, name=name)


def test_the_tag_shows_another_assistant_in_a_conversation_of_its_own(request_of_a_visitor):
    class Support(Assistant):
        starters = (Starter("Where is my parcel?"),)

    with registry.replaced(Support):
        page = render('{% chat "support" %}', request=request_of_a_visitor)
    assert 'conversation="support" assistant="support"' in page
    assert "Where is my parcel?" in page


def test_the_path_of_the_socket_begins_with_the_script_name(request_of_a_visitor):
    set_script_prefix("/app/")
    try:
        assert 'path="/app/ws/chat/"' in render("{% chat %}", request=request_of_a_visitor)
    finally:
        set_script_prefix("/")


def test_on_another_page_of_the_site_the_form_returns_to_it(request_of_a_visitor):
    page = render("{% chat %}", request=request_of_a_visitor, csrf_token="secret")
    assert '<form class="llm-chat-form" method="post" action="/chat/default/"' in page
    assert '<input type="hidden" name="next" value="/any/page/">' in page
    assert '<input type="hidden" name="csrfmiddlewaretoken" value="secret">' in page
    assert "needs JavaScript" not in page


def test_without_the_apps_urls_the_form_sends_nothing_and_says_so(request_of_a_visitor):
    with override_settings(ROOT_URLCONF=()):
        page = render("{% chat %}", request=request_of_a_visitor, csrf_token="secret")
    assert '<form class="llm-chat-form" method="dialog"' in page
    assert "secret" not in page
    assert "Sending messages needs JavaScript." in page


@pytest.fixture
def long(request_of_a_visitor):
    """Make the visitor's default conversation one turn longer than a page's window."""
    render("{% chat %}", request=request_of_a_visitor)
    owner = f"visitor:{request_of_a_visitor.session[VISITOR]}"
    made = Conversation.objects.create(owner=owner, uid="default", updated_at=timezone.now())
    parent = None
    for number in range(WINDOW + 2):
        role = ("user", "assistant")[number % 2]
        parent = made.message_set.create(uid=f"m{number}", role=role, text=f"Text {number}.", parent=parent)
    Conversation.objects.filter(pk=made.pk).update(tip=parent)
    return request_of_a_visitor


def has_earlier(page):
    """Tell whether the transcript has the attribute that makes the style sheet show the link."""
    return re.search(r'<llm-chat-transcript class="llm-chat-transcript" earlier>', page) is not None


def shown(page):
    return re.findall(r'data-message="(m\d+)"', page)


def test_a_long_conversation_shows_its_last_turns_and_a_link_to_earlier_ones(long):
    page = render("{% chat %}", request=long)
    assert shown(page) == [f"m{number}" for number in range(2, WINDOW + 2)]
    assert re.search(
        r'<llm-chat-earlier class="llm-chat-earlier">\s*<a class="llm-chat-link" href="\?before=m2">', page
    )
    assert has_earlier(page)
    assert "Latest messages" not in page


def test_the_links_to_earlier_and_latest_messages_work_without_javascript(long, rf):
    long.GET = rf.get("/any/page/?tab=1&before=m2").GET
    page = render("{% chat %}", request=long)
    assert shown(page) == ["m0", "m1"]
    assert not has_earlier(page)
    assert re.search(
        r'<noscript><p class="llm-chat-later"><a class="llm-chat-link" href="\?tab=1">Latest messages</a>', page
    )


@pytest.mark.parametrize("before", ["", "m999", "\0", "x" * 1000])
def test_an_unknown_message_in_the_address_shows_the_latest_ones(long, rf, before):
    long.GET = rf.get("/any/page/", {"before": before}).GET
    assert shown(render("{% chat %}", request=long))[-1] == f"m{WINDOW + 1}"


def test_a_message_of_another_conversation_in_the_address_shows_nothing_of_it(long, rf):
    long.GET = rf.get("/any/page/?before=m2").GET
    assert shown(render('{% chat conversation="another" %}', request=long)) == []


def test_a_short_conversation_has_no_link_to_earlier_messages(request_of_a_visitor):
    page = render("{% chat %}", request=request_of_a_visitor)
    assert not has_earlier(page)


def test_a14_a_robots_request_leaves_no_session(request_of_a_visitor):
    request_of_a_visitor.method = "HEAD"
    assert "<llm-chat " in render("{% chat %}", request=request_of_a_visitor)
    assert request_of_a_visitor.session == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("tests.templatetags.atomic_page")
async def test_b37_the_tag_works_on_an_atomic_page_while_an_answer_runs(script, served, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    browser = AsyncClient()
    html = {"accept": "text/html"}
    assert 'conversation="default"' in (await browser.get("/help/", headers=html)).content.decode()
    assert (await browser.post("/chat/default/", {"id": "m1", "text": "Why?"})).status_code == 303
    reply = await script.anext_reply()
    page = (await browser.get("/help/", headers=html)).content.decode()
    assert ("Why?" in page, 'data-status="running"' in page) == (True, True)
    reply.finish()


def test_e11_a_naive_time_has_the_offset_of_the_sites_time_zone(request_of_a_visitor, settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Kathmandu"
    request_of_a_visitor.session[VISITOR] = "ann"
    made = Conversation.objects.create(owner="visitor:ann", uid="default", updated_at=timezone.now())
    made.tip = made.message_set.create(uid="q", role="user", text="Why?")
    made.save()
    Message.objects.update(created_at=datetime(2026, 3, 10, 12, 30))
    page = render("{% chat %}", request=request_of_a_visitor)
    times = re.findall(r'<time [^>]*datetime="([^"]+)">([^<]+)<', page)
    assert times == [("2026-03-10T12:30:00+05:45", "12:30 p.m.")]


@pytest.mark.parametrize("kept", ["one view", "the site"])
def test_e17_djangos_cache_never_shows_one_visitors_messages_to_another(script, settings, kept):
    settings.ROOT_URLCONF = __name__
    if kept == "the site":
        cached = "django.middleware.cache."
        settings.MIDDLEWARE = [
            cached + "UpdateCacheMiddleware",
            *settings.MIDDLEWARE,
            cached + "FetchFromCacheMiddleware",
        ]
    path = "/cached/" if kept == "one view" else "/plain/"
    pages = [Client().get(path, headers={"accept": "text/html"}).content.decode() for _ in range(2)]
    first, second = (re.search(r'owner="([0-9a-f]{16})"', page)[1] for page in pages)
    assert first != second


def ids_in(page):
    return re.findall(r'\sid="([^"]+)"', page)


def test_e05_ids_are_unique_on_a_page_with_two_chats(request_of_a_visitor):
    class Default(Assistant):
        starters = (Starter("Why?"),)

    with registry.replaced(Default):
        page = render('{% chat %}<hr>{% chat conversation="second" %}', request=request_of_a_visitor)
    first, second = map(ids_in, page.split("<hr>"))
    assert len(first) > len(second) > 0
    assert len(set(first + second)) == len(first + second)


def test_e05_a_page_that_is_rendered_again_for_the_same_request_has_its_icons(request_of_a_visitor):
    pages = [render("{% chat %}", request=request_of_a_visitor) for _ in range(2)]
    assert [page.count('id="llm-chat-copy"') for page in pages] == [1, 1]


async def test_e13_on_the_thread_of_an_event_loop_the_tag_says_what_to_do(request_of_a_visitor, monkeypatch):
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)
    with pytest.raises(SynchronousOnlyOperation, match=re.escape("await sync_to_async(render)(request, ...)")):
        render("{% chat %}", request=request_of_a_visitor)


@pytest.mark.parametrize("name", ["csp_nonce", "_csp_nonce"])
def test_e10_scripts_and_styles_have_the_nonce_of_the_request(request_of_a_visitor, name):
    setattr(request_of_a_visitor, name, SimpleLazyObject(lambda: "c2Vj+=="))
    page = render("{% chat %}", request=request_of_a_visitor)
    tags = re.findall(r"<(?:script|link) [^>]*>", page)
    assert len(tags) > 5
    assert [tag for tag in tags if 'nonce="c2Vj+=="' not in tag] == []


def test_e10_without_a_nonce_in_the_request_there_is_none_on_the_page(request_of_a_visitor):
    assert "nonce" not in render("{% chat %}", request=request_of_a_visitor)


def test_e10_every_script_and_every_style_sheet_of_the_templates_has_a_nonce():
    folder = Path(llm_chat.__file__).parent.parent / "templates"
    tags = [
        tag
        for path in folder.rglob("*.html")
        for tag in re.findall(r"<(?:script|link rel=\"style).*?>", path.read_text())
    ]
    assert len(tags) > 10
    assert [tag for tag in tags if "{% nonce %}" not in tag] == []


NOT_SERVED = "This page is served by WSGI"


@pytest.fixture
def new_process(monkeypatch):
    """Forget what earlier tests have found out about the server."""
    monkeypatch.setattr(llm_chat, "notice", wsgi.Notice())


def test_e07_a_page_by_wsgi_says_in_development_that_no_answer_can_arrive(request_of_a_visitor, new_process, settings):
    settings.DEBUG = True
    for _ in range(2):
        assert NOT_SERVED in render("{% chat %}", csrf_token="t", request=request_of_a_visitor)


def test_e07_otherwise_the_log_says_it_once(request_of_a_visitor, new_process, caplog):
    for _ in range(2):
        assert NOT_SERVED not in render("{% chat %}", csrf_token="t", request=request_of_a_visitor)
    assert caplog.text.count(NOT_SERVED) == 1


@pytest.mark.parametrize(("age", "served"), [(0, True), (1000, False)])
def test_e08_a_page_by_wsgi_is_fine_while_an_asgi_process_lives(
    request_of_a_visitor, new_process, settings, age, served
):
    settings.DEBUG = True
    seen = timezone.now() - timedelta(seconds=age)
    Process.objects.create(id="p", host="h", pid=1, started_at=seen, heartbeat_at=seen)
    assert (NOT_SERVED in render("{% chat %}", csrf_token="t", request=request_of_a_visitor)) is not served


def test_e07_a_page_by_asgi_needs_no_query_about_it(async_rf, new_process, settings, script, monkeypatch):
    settings.DEBUG = True
    monkeypatch.setattr(wsgi, "is_any_alive", lambda: pytest.fail("the database was asked"))
    request = async_rf.get("/any/page/")
    request.user, request.session = AnonymousUser(), {}
    assert NOT_SERVED not in render("{% chat %}", csrf_token="t", request=request)


def with_a_chat(request):
    return HttpResponse(render("{% chat %}", csrf_token="t", request=request))


urlpatterns = [
    urls.path("cached/", cache_page(60)(with_a_chat)),
    urls.path("plain/", with_a_chat),
    urls.path("chat/", urls.include("chat.urls")),
]
