"""The addresses of the site. The chat is the whole of it, so ``/`` leads there."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from chat import health


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """For pages without a link to the icon, such as the admin's: a browser asks here on its own."""
    return HttpResponseRedirect(static("chatproject/favicon.svg"))


urlpatterns = [
    path("", RedirectView.as_view(url="/chat/")),
    path("chat/", include("chat.urls")),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("favicon.ico", favicon),
]
