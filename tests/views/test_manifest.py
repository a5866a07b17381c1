"""The web app manifest, and the icons that it names."""

import struct
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

PAGE = "/chat/"


def size_of(path):
    """Return the width and height of a PNG file."""
    head = Path(path).read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def icon(url):
    return finders.find(url.removeprefix("/static/"))


def test_it_describes_the_page(client):
    answer = client.get("/chat/~manifest.json")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    content = answer.json()
    assert content["name"] and content["display"] == "standalone"
    assert content["start_url"] == content["scope"] == content["id"] == PAGE
    for entry in content["icons"]:
        assert size_of(icon(entry["src"])) == tuple(map(int, entry["sizes"].split("x")))
    assert {entry["purpose"] for entry in content["icons"]} == {"any", "maskable"}
    assert {entry["sizes"] for entry in content["icons"]} == {"192x192", "512x512"}


@pytest.mark.parametrize(("code", "direction"), [("ar", "rtl"), ("de", "ltr")])
def test_it_is_in_the_language_of_the_browser(client, code, direction):
    content = client.get("/chat/~manifest.json", headers={"Accept-Language": code}).json()
    assert (content["lang"], content["dir"]) == (code, direction)


def test_it_needs_no_login_and_makes_no_visitor(client, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    answer = client.get("/chat/~manifest.json")
    assert answer.status_code == 200
    assert not answer.cookies


@pytest.mark.django_db
def test_the_page_links_to_it_and_to_the_icon_of_apple(ann):
    page = ann.get(PAGE).content.decode()
    assert '<link rel="manifest" href="/chat/~manifest.json">' in page
    touch = page.split('<link rel="apple-touch-icon" href="')[1].split('"')[0]
    assert size_of(icon(touch)) == (180, 180)
