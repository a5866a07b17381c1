"""Sites with what others put into theirs for development and production: a toolbar, hashed static files (E17)."""

import re

import pytest

from tests.support.kinds import Kind, build, converse
from tests.support.startproject import Visitor

TOOLBAR = """
INSTALLED_APPS += ["debug_toolbar"]
MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *MIDDLEWARE]
INTERNAL_IPS = ["127.0.0.1"]
"""
TOOLBAR_URLS = """
from debug_toolbar.toolbar import debug_toolbar_urls
urlpatterns += debug_toolbar_urls()
"""
WHITENOISE = """
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
MIDDLEWARE = [MIDDLEWARE[0], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[1:]]
STATIC_ROOT = BASE_DIR / "collected"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
"""
MAILERS = """
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
"""
"""What Django asks of a site in production since 6.1."""
PAGE = "<!doctype html><html><head><title>Help</title></head><body>{% load llm_chat %}{% chat %}</body></html>"
QUIET = ("-W", "ignore:StreamingHttpResponse must consume")
"""whitenoise iterates over its files synchronously, of which Django warns under ASGI."""


@pytest.fixture
def made(python, instructions, start_project):
    """Make a site with more settings and URLs."""

    def made(settings, urls=""):
        site = start_project(python)
        build(site, Kind(settings=settings, urls=urls, page=PAGE), instructions.additions)
        return site

    return made


def test_e17_the_debug_toolbar_shows_on_the_page_with_the_chat(made, production):
    site = made(TOOLBAR, TOOLBAR_URLS)
    assert "no issues" in site.run("manage.py", "check", "--fail-level", "WARNING")
    with site.served(*production) as url:
        visitor = converse(url, "/help/")
        for page in ("/help/", "/chat/default/"):
            assert 'id="djDebug"' in visitor.get(page)[1]


def test_e17_hashed_and_compressed_files_by_whitenoise(made, production):
    site = made(WHITENOISE)
    site.run("manage.py", "collectstatic", "--no-input")
    with site.served(*QUIET, *production) as url:
        visitor = converse(url, "/help/")
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.get("/help/")[1])
        assert len(files) > 5
        assert [file for file in files if not re.search(r"\.[0-9a-f]{12}\.(js|css)$", file)] == []
        assert {visitor.get(file)[0] for file in files} == {"text/css", "text/javascript"}
        assert "<llm-chat " in Visitor(url).get("/chat/")[1]


def test_e17_the_check_of_a_deployment_names_nothing_of_the_chat(made):
    found = made(WHITENOISE + MAILERS).succeed("manage.py", "check", "--deploy")
    assert re.findall(r"\((?!security)[\w.]+\.[EW]\d+\)", found) == []
    assert "security.W004" in found  # the check has looked
