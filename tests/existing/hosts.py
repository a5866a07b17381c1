"""Pages that have the style sheets of others around the chat."""

from pathlib import Path

from django import urls
from django.http import HttpResponse
from django.template import Context, Template

from chatproject.urls import urlpatterns as site

PACKAGES = Path(__file__).parent / "node_modules"
LOOKS = {
    "bootstrap": ["bootstrap/dist/css/bootstrap.css"],
    "tailwind": ["tailwindcss/preflight.css"],
    "pico": ["@picocss/pico/css/pico.css"],
    "daisyui": ["tailwindcss/preflight.css", "daisyui/themes.css", "daisyui/daisyui.css"],
}
"""The files of each look, from npm."""

PAGE = """{% load llm_chat static %}<!doctype html>
<html lang="en" data-theme="{{ scheme }}" data-bs-theme="{{ scheme }}" class="{{ scheme }}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>A page of the site</title>
  <link rel="icon" href="{% static "chatproject/favicon.svg" %}" type="image/svg+xml">
  {% for number in files %}<link rel="stylesheet" href="/looks/{{ look }}/{{ number }}.css" data-host>{% endfor %}
  <link rel="stylesheet" href="/looks/{{ scheme }}.css">
</head>
<body>
  <main class="host container">
    <h1>A site</h1>
    <nav><ul><li><a href="#">One</a></li><li><a href="#">Two</a></li></ul></nav>
    <div class="chat chat-start"><div class="chat-header">Ann</div><div class="chat-bubble">Hello</div></div>
    <form><label>Name <input name="name"></label> <button class="btn btn-primary" type="button">Send</button></form>
    <table class="table"><tr><th>A</th><td>1</td></tr></table>
    <pre><code>x = 1</code></pre>
  </main>
  <div class="column">{% chat %}</div>
</body>
</html>
"""
SHEET = """
:root {{ font-size: 16px !important; color-scheme: {scheme}; }}
* {{ transition: none !important; animation: none !important; }}
.column {{ inline-size: 600px; }}
"""
"""What a test compares is not to depend on the size that the look gives to a rem, nor on the time."""


def page(request, look):
    scheme = request.GET.get("scheme", "light")
    context = {"request": request, "look": look, "scheme": scheme, "files": range(len(LOOKS[look]))}
    return HttpResponse(Template(PAGE).render(Context(context)))


def file(request, look, number):
    return HttpResponse(PACKAGES.joinpath(LOOKS[look][number]).read_text(), content_type="text/css")


def sheet(request, scheme):
    return HttpResponse(SHEET.format(scheme=scheme), content_type="text/css")


urlpatterns = [
    urls.path("looks/<scheme>.css", sheet),
    urls.path("looks/<look>/<int:number>.css", file),
    urls.path("looks/<look>/", page),
    *site,
]
