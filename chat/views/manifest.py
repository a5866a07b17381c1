"""The web app manifest, with which a browser installs the app's page."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, get_language_bidi, gettext
from django.views.decorators.http import require_safe

from ..db.threads import without_transaction

ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-mask.png", "512x512", "maskable"),
)


@without_transaction
@login_not_required  # browsers fetch it without cookies
@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Describe the app's page in the language of the browser: name, address, colours and icons."""
    home = reverse("llm_chat:page")
    icons: list[dict[str, Any]] = [
        {"src": static(f"llm_chat/{name}"), "sizes": sizes, "type": "image/png", "purpose": purpose}
        for name, sizes, purpose in ICONS
    ]
    content = {
        "id": home,
        "start_url": home,
        "scope": home,
        "name": gettext("Chat"),
        "short_name": gettext("Chat"),
        "lang": get_language(),
        "dir": "rtl" if get_language_bidi() else "ltr",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#ffffff",
        "icons": icons,
    }
    return JsonResponse(content, content_type="application/manifest+json", json_dumps_params={"ensure_ascii": False})
