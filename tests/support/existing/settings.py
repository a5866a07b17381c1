"""Two databases, a transaction around each request, login required for each page, a URL prefix, and naive datetimes."""

import os
from pathlib import Path

from chatproject import environment
from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT, DATA_DIR, INSTALLED_APPS, MIDDLEWARE

DATABASES = {
    "default": environment.database("DATABASE_URL", Path(DATA_DIR, "db.sqlite3")),
    "chat": environment.database("CHAT_DATABASE_URL", Path(DATA_DIR, "chat.sqlite3")),
    "replica": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(DATA_DIR, "replica.sqlite3")},
}
for _database in DATABASES.values():
    _database["ATOMIC_REQUESTS"] = True
DATABASE_ROUTERS = ["tests.support.existing.router.Router"]

INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.existing.people"]
AUTH_USER_MODEL = "people.Person"
MIDDLEWARE = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
LOGIN_REDIRECT_URL = "/app/chat/"

FORCE_SCRIPT_NAME = "/app"
USE_TZ = False
TIME_ZONE = "Asia/Kathmandu"  # 5:45 h ahead of UTC, all year round
CHAT |= {"USER_CONSTRAINT": os.environ.get("USER_CONSTRAINT") == "true", "HEARTBEAT": 0.2}
