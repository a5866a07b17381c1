"""Pages of a site around the chat: in a column, a dialog, below other things, twice, and swapped in by a script."""

from csp.decorators import csp_exempt
from django import urls
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.utils.decorators import decorator_from_middleware

from chatproject.urls import urlpatterns as site

PAGE = """{% load llm_chat static %}<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>A page of the site</title>
  <link rel="icon" href="{% static "chatproject/favicon.svg" %}" type="image/svg+xml">
  <link rel="stylesheet" href="/host.css"{% nonce %}>
  {% block head %}{% endblock %}
</head>
<body>BODY</body>
</html>
"""
SHEET = """
body { margin: 0; }
.column { width: 320px; }
.tall { height: 3000px; }
.chat { max-height: 5rem; color: rgb(1, 2, 3); }
.chat button { border: 3px solid; padding: 7px; }
"""
BODIES = {
    "one": "{% chat %}",
    "new": '<div class="column">{% chat new=True %}</div>',
    "two": '{% chat "default" conversation="first" %}<hr>{% chat "default" conversation="second" %}',
    "column": '<div class="column">{% chat %}</div>',
    "dialog": '<button type="button">Help</button><dialog>{% chat %}</dialog>',
    "below": '<div class="tall">Much to read</div>{% chat %}<div class="tall">More</div>',
    "swapped": '<div id="place"></div>',
    "own": '<div class="chat"><p>A talk of the site\'s</p><button type="button">Join</button></div>{% chat %}',
}


def render(request, text):
    return HttpResponse(Template("{% load llm_chat static %}" + text).render(RequestContext(request)))


def page(request, name):
    return render(request, PAGE.replace("BODY", BODIES[name]))


@csp_exempt()
def secure(request):
    """Show a chat in a site that has Django's own policy (6.0) in place of django-csp's."""
    from django.middleware.csp import ContentSecurityPolicyMiddleware

    del request.csp_nonce
    return decorator_from_middleware(ContentSecurityPolicyMiddleware)(page)(request, "one")


def fragment(request):
    """Return what a script of the site puts into a page that is open."""
    return render(request, f"{{% chat conversation='{request.GET['conversation']}' %}}")


def sheet(request):
    return HttpResponse(SHEET, content_type="text/css")


urlpatterns = [
    urls.path("host.css", sheet),
    urls.path("host/~fragment/", fragment),
    urls.path("host/~secure/", secure),
    urls.path("host/<name>/", page),
    *site,
]
