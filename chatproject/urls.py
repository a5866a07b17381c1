"""The URLs of the site. The chat is all it has, so ``/`` redirects there."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from chat import health, metrics


def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect to the icon from pages without a link to it, such as the admin's: a browser asks here by itself."""
    return HttpResponseRedirect(static("chatproject/favicon.svg"))


urlpatterns = [
    path("", RedirectView.as_view(url="/chat/")),
    path("chat/", include("chat.urls")),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", metrics.read),
    path("favicon.ico", favicon),
]
