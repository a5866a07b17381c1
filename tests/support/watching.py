"""Adds a script to the site's pages that notes what they complain of: errors, and violations of the security policy."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

SCRIPT = Path(__file__).with_name("watch.js")
NOTED = "watched"
"""The key in the browser's storage under which the complaints are, one a line."""


class Watching(MiddlewareMixin):
    """Puts the script before all others on each page, from the site itself, as the security policy wants it."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Serve the script."""
        return (
            HttpResponse(SCRIPT.read_bytes(), content_type="text/javascript") if request.path == "/watch.js" else None
        )

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Name the script in a page's head."""
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            response.content = response.content.replace(b"<head>", b'<head><script src="/watch.js"></script>', 1)
        return response
