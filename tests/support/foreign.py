"""The URLs of a site with a page of its own, on which ``{% chat %}`` is all there is of the app."""

from django.http import HttpResponse
from django.template import Context, Template
from django.urls import path

from chatproject.urls import urlpatterns as of_the_site

PAGE = """{% load llm_chat %}<!doctype html><html lang="en"><title>Wine</title><link rel="icon" href="data:,">
<main>{% chat %}</main></html>"""


def page(request):
    return HttpResponse(Template(PAGE).render(Context({"request": request})))


urlpatterns = [path("wine/", page), *of_the_site]
