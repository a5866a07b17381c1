"""The settings of the bicycle shop. The environment names its model, as it does for ``chatproject``."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from chatproject import environment
from chatproject.sqlite import PrivateFile

BASE_DIR = Path(__file__).resolve().parent
# Where the shop keeps the files that it creates: its database and its secret key.
DATA_DIR = Path(environment.text("DATA_DIR", str(BASE_DIR)))

DEBUG = environment.flag("DEBUG")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
SECRET_KEY = environment.secret_key("SECRET_KEY", DATA_DIR / ".secret_key", ALLOWED_HOSTS)

# Always a file of its own: DATABASE_URL may be that of another site, with other users.
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "shop.sqlite3",
        "OPTIONS": {
            "factory": PrivateFile,
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},  # visitors of llm_chat.testing need a file
    }
}

MODEL = environment.model_backend()
# The bundled model is too small to call tools. Without another one the shop plays a scripted conversation, and says so.
IS_SCRIPTED = MODEL["BACKEND"] == "chat.backends.local.LocalBackend"
if IS_SCRIPTED:
    MODEL = {"BACKEND": "example.demonstration.Demonstration", "OPTIONS": {}}
CHAT = {"BACKENDS": {"default": MODEL}}

INSTALLED_APPS = [
    "chat",
    "example.shop",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example.urls"
ASGI_APPLICATION = "example.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example.shop.context.shop",
            ],
        },
    },
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "shop.Customer"
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "orders"
LOGOUT_REDIRECT_URL = "home"
# Cookies do not know ports: the project's own site may run on the same host.
SESSION_COOKIE_NAME = "shop_session"
CSRF_COOKIE_NAME = "shop_csrf"

# The customers in the fixture, whom the page for signing in shows: this shop is only a demonstration.
DEMO_CUSTOMERS = ["ada@shop.example", "ben@shop.example"]
DEMO_PASSWORD = "ride-a-bike"  # noqa: S105 - shown to everybody

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = None

# The browser runs, shows and contacts only this site's own files: no inline scripts or styles either.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Set this where a proxy ends HTTPS and sends `X-Forwarded-Proto`, and only there: otherwise any visitor could claim it.
if environment.flag("BEHIND_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = environment.number("HSTS_SECONDS", 30 * 24 * 60 * 60)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "chat": {"level": "DEBUG" if DEBUG else "INFO"},
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
