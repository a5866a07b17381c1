"""No cache keeps a page of the chat: each URL of the app, whatever it answers, and pages of the site with a chat."""

import re

import pytest
from asgiref.sync import sync_to_async
from django import urls
from django.http import HttpResponse
from django.template import TemplateSyntaxError, engines
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import reverse
from django.views.decorators.cache import cache_control

from chat.urls import urlpatterns as pages
from tests.support.askers import OTHER, OWNER, settled

PUBLIC = {"manifest"}
"""The URLs whose responses are the same for everybody. A new URL is private, unless it is here."""

CACHE = "django.middleware.cache."


@pytest.fixture
async def askers(served, script, settings):
    settings.CHAT = {**settings.CHAT, "SHARING": True}
    return await sync_to_async(settled)()


def address(pattern, uid, link):
    given = {"uid": uid, "link": link}
    return reverse(f"llm_chat:{pattern.name}", kwargs={key: given[key] for key in pattern.pattern.converters})


def kept_by_nobody(response):
    said = {part.strip() for part in response.get("Cache-Control", "").split(",")}
    return {"private", "no-store"} <= said


@pytest.mark.parametrize("asker", [OWNER, OTHER])
@pytest.mark.parametrize("uid", ["c1", "nowhere"])
@pytest.mark.parametrize("method", ["get", "head", "post", "put"])
@pytest.mark.parametrize("pattern", pages, ids=lambda pattern: pattern.name)
async def test_no_response_may_be_stored(askers, pattern, method, uid, asker):
    client, link = askers.client(asker), askers.link if uid == "c1" else "nowhere"
    response = await getattr(client, method)(address(pattern, uid, link), headers={"accept": "text/html"})
    assert kept_by_nobody(response) == (pattern.name not in PUBLIC), (response.status_code, response.headers)


@pytest.mark.parametrize("query", ["?q=blaubeere", "?q=", "?fragment", "?before=a1"])
async def test_searches_and_fragments_may_not_be_stored_either(askers, query):
    for path in ("/chat/", "/chat/c1/", "/chat/c1/options/", "/chat/~options/"):
        assert kept_by_nobody(await askers.client(OWNER).get(path + query))


async def test_a_refused_form_may_not_be_stored(askers, settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if not path.endswith("CsrfViewMiddleware")]
    client = askers.client(OWNER, enforce_csrf_checks=True)
    for pattern in pages:
        response = await client.post(address(pattern, "c1", askers.link), {"text": "x", "confirm": "on"})
        assert response.status_code in (403, 405)
        assert kept_by_nobody(response) or pattern.name in PUBLIC


def test_a_page_that_is_not_there_is_django_s_own(client, db):
    plain, ours = client.get("/nowhere/"), client.get("/chat/nowhere/options/")
    assert (ours.status_code, ours.content.count(b"Not Found")) == (404, plain.content.count(b"Not Found"))


# ---- Pages of the site ----


def text():
    return engines["django"].from_string("{% load llm_chat %}{% chat %}")


def plain(request):
    return HttpResponse(text().render({}, request))


def late(request):
    return TemplateResponse(request, text())


@cache_control(public=True, max_age=600)
def public(request):
    return HttpResponse(text().render({}, request))


urlpatterns = [urls.path(f"{view.__name__}/", view) for view in (plain, late, public)]
urlpatterns += [urls.path("chat/", urls.include("chat.urls"))]


@pytest.fixture(params=["with", "without"])
def cached_site(request, db, script, settings):
    """Cache all pages of the site in Django's own cache, as it documents, with and without its CSRF middleware.

    That middleware sets a cookie with each page, and newer versions of Django keep no page that sets one.
    """
    settings.ROOT_URLCONF = __name__
    settings.CACHE_MIDDLEWARE_SECONDS = 600
    if request.param == "without":
        settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if not path.endswith("CsrfViewMiddleware")]
    settings.MIDDLEWARE = [f"{CACHE}UpdateCacheMiddleware", *settings.MIDDLEWARE, f"{CACHE}FetchFromCacheMiddleware"]


def owner_in(response):
    return re.search(r'owner="([0-9a-f]{16})"', response.content.decode())[1]


@pytest.mark.parametrize("path", ["/plain/", "/late/", "/public/"])
@pytest.mark.parametrize("cookies", ["none", "their own"])
def test_the_sites_cache_never_shows_one_visitors_page_to_another(cached_site, path, cookies):
    """Also not to one who has no cookie, like the first one when the page was made."""
    first, second = Client(), Client()
    if cookies == "their own":
        shown = [client.get(path, headers={"accept": "text/html"}) for client in (first, second)]
        assert len({owner_in(response) for response in shown}) == 2
    one, other = (owner_in(client.get(path, headers={"accept": "text/html"})) for client in (first, second))
    assert one != other


@pytest.mark.parametrize("path", ["/plain/", "/late/", "/public/"])
def test_the_same_visitor_never_sees_an_old_page(cached_site, path):
    client = Client()
    client.get(path, headers={"accept": "text/html"})
    token = [re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).content.decode())[1] for _ in "12"]
    assert token[0] != token[1]


@pytest.mark.parametrize("around", ["{% cache 600 chat %}", "{% if True %}{% cache 600 chat user %}{% if True %}"])
def test_a_fragment_that_is_cached_cannot_have_a_chat(around):
    template = "{% load cache llm_chat %}" + around + "{% chat %}"
    with pytest.raises(TemplateSyntaxError, match=r"^{% chat %} cannot be inside {% cache %}"):
        engines["django"].from_string(template)
    engines["django"].from_string("{% load cache llm_chat %}{% cache 600 menu %}menu{% endcache %}{% chat %}")


@pytest.mark.parametrize("path", ["/plain/", "/late/"])
def test_a_page_of_the_site_tells_caches_that_it_depends_on_the_cookie(cached_site, path):
    response = Client().get(path, headers={"accept": "text/html"})
    assert "Cookie" in response["Vary"]
    assert "Cache-Control" not in response  # so that what the view says is left to it
