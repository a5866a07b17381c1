"""The URLs of a site that shows the chat on a page of its own, besides the chat's pages."""

from django.http import HttpResponse
from django.template import Context, Template
from django.urls import include, path


def page(request):
    return HttpResponse(Template("{% load llm_chat %}{% chat %}").render(Context({"request": request})))


urlpatterns = [path("help/", page), path("chat/", include("chat.urls"))]
