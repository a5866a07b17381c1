"""Pages of sites with widgets: the URLs of a site around the chat, and the looks and policies that such sites have."""

from csp.constants import NONCE, NONE, SELF, STRICT_DYNAMIC
from django import urls
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.template import Context, Template

from chat.assistants import Assistant, Starter
from chatproject.urls import urlpatterns as site

PAGE = """{% load llm_chat static %}<!doctype html>
<html lang="en" dir="{{ direction }}"{% if look == "dark" %} class="dark"{% endif %}>
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ name }}</title>
  <link rel="icon" href="{% static "chatproject/favicon.svg" %}" type="image/svg+xml">
  <link rel="stylesheet" href="/looks/{{ look }}.css"{% nonce %}>
</head>
<body>
  <header class="navbar">
    <a class="brand" href="/host/">Acme</a> <a href="/host/two/">Second page</a> <a href="/host/article/">Article</a>
  </header>
  <main class="chat">
    <h1>{{ name }}</h1>
    <p>We make <a href="#anvils">anvils</a>, and answer questions about them.</p>
    <form>
      <label>Your name <input name="name"></label>
      <button type="button" data-llm-chat-open="support" data-llm-chat-text="How heavy?">Ask how heavy</button>
    </form>
    {% for number in "123456789"|make_list %}
      <h2>Anvil {{ number }}</h2>
      <p>It is made of cast steel, and falls well. We deliver on the same day.</p>
    {% endfor %}
    CHAT
  </main>
  WIDGET
</body>
</html>
"""

SUPPORT = '{% chat_widget "support" %}'
PAGES = {
    "": (SUPPORT, ""),
    "two/": (SUPPORT, ""),
    "article/": ('{% chat_widget "support" about=group label="Ask about this" %}', ""),
    "both/": (SUPPORT + '{% chat_widget "sales" label="Buy" id="buy" %}', ""),
    "beside/": (SUPPORT, '{% chat "sales" %}'),
    "same/": (SUPPORT, '{% chat "support" %}'),
    "quiet/": ('{% chat_widget "support" launcher=False %}', ""),
    "none/": ("", ""),
}
"""The widgets of each page, and the chat in it."""

RESET = """*, ::before, ::after { box-sizing: border-box; margin: 0; padding: 0; border: 0 solid; }
a { color: #0d6efd; text-decoration: underline; } a:hover { color: #0a58ca; }
button, input { font: inherit; color: inherit; background-color: transparent; text-transform: uppercase; }
svg { display: block; vertical-align: middle; } h1, h2, h3 { font-size: 3rem; margin-bottom: 0.5rem; color: #146c43; }
p { margin-bottom: 1rem; line-height: 3; } header { background: #212529; padding: 1rem; } dialog { padding: 3rem; }
textarea, input { border: 1px solid #888; padding: 0.5rem; } ul, ol { list-style: none; }
.navbar { position: sticky; top: 0; z-index: 1030; } header a { color: #fff; }
main { max-width: 60rem; margin: auto; } """
LOOKS = {
    "plain": "body { margin: 0 auto; max-width: 50rem; font: 1.125rem/1.6 Georgia, serif; }",
    "reset": RESET + "body { font: 1rem/1.5 system-ui, sans-serif; color: #212529; background: #fff; }",
    "dark": ":root { color-scheme: dark; } body { font: 1rem/1.6 system-ui; background: #0b0f19; color: #e5e7eb; }",
    "grid": "body { display: grid; gap: 2rem; min-height: 100vh; grid-template-rows: auto 1fr; margin: 0; }",
}
"""Style sheets of sites."""

STRICT = {
    "default-src": [NONE],
    **{f"{kind}-src": [SELF] for kind in ("script", "style", "connect", "img", "font", "frame")},
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
NONCES = {
    **STRICT,
    "script-src": [NONCE, STRICT_DYNAMIC],
    "style-src": [NONCE],
}
TRUSTED = {**NONCES, "require-trusted-types-for": ["'script'"], "trusted-types": ["llm-chat"]}
POLICIES = {"none": None, "strict": STRICT, "nonces": NONCES, "trusted": TRUSTED}


class Support(Assistant):
    label = "Support"
    about = Group
    starters = (Starter("What do you sell?"), Starter("Where is my parcel?"))

    def has_about_permission(self, about):
        return about.name != "secret"


class Sales(Assistant):
    label = "Sales"


def host(request, path=""):
    """Show a page of a site; ``?look=`` names its style sheet, ``?dir=`` its direction."""
    widget, chat = PAGES[path]
    text = PAGE.replace("WIDGET", "{% load llm_chat %}" + widget).replace("CHAT", chat)
    context = {
        "request": request,
        "name": f"Page {path}",
        "look": request.GET.get("look", "plain"),
        "direction": request.GET.get("dir", "ltr"),
        "group": Group.objects.filter(name=request.GET.get("about", "Anvils")).first() if "about=" in text else None,
    }
    return HttpResponse(Template(text).render(Context(context)))


def look(request, name):
    return HttpResponse(LOOKS[name], content_type="text/css")


urlpatterns = [
    urls.path("host/", host),
    urls.path("looks/<name>.css", look),
    urls.path("members/", login_required(host)),
    urls.path("host/<path:path>", host),
    *site,
]
