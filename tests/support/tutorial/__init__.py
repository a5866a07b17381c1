"""A site with its own ``chat`` app, made as Channels' tutorial describes."""

import shutil
from pathlib import Path

from tests.support.startproject import Site

CHAT = Path(__file__).parent / "chat"
ASGI = """
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from chat.routing import websocket_urlpatterns

websocket = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
application = ProtocolTypeRouter({"http": application, "websocket": websocket})
"""
URLS = """
from django.urls import include

urlpatterns += [path("chat/", include("chat.urls"))]
"""
SETTINGS = """
INSTALLED_APPS = ["daphne", "chat", *INSTALLED_APPS]
ASGI_APPLICATION = "mysite.asgi.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
"""


def follow_tutorial(site: Site) -> None:
    """Create the app ``chat``, and add it to the site."""
    site.run("manage.py", "startapp", "chat")
    shutil.copytree(CHAT, site.path / "chat", dirs_exist_ok=True)
    site.add({"mysite/settings.py": SETTINGS, "mysite/urls.py": URLS, "mysite/asgi.py": ASGI})
    site.run("manage.py", "makemigrations", "chat")
