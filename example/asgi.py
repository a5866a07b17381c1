"""The shop as an ASGI application: ``uvicorn example.asgi:application``."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
django_application = get_asgi_application()

from chat.routing import application as with_chat  # noqa: E402 - needs the apps that the line above has loaded
from chatproject.static_files import with_static_files  # noqa: E402

application = with_chat(with_static_files(django_application))
