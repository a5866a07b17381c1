"""The site as an ASGI application: ``uvicorn chatproject.asgi:application``, or daphne with the same path."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django_application = get_asgi_application()

from chat import routing  # noqa: E402 - what these import needs the apps that the line above has loaded

from .static_files import with_static_files  # noqa: E402

application = routing.application(with_static_files(django_application))
