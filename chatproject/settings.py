"""The settings of the site, a thin one around the reusable app ``chat``; the environment sets what varies."""

from pathlib import Path

from csp.constants import NONE, SELF

from chatproject import environment

BASE_DIR = Path(__file__).resolve().parent.parent
# Where the site keeps the files that it creates: the SQLite database and the secret key.
DATA_DIR = Path(environment.text("DATA_DIR", str(BASE_DIR)))

DEBUG = environment.flag("DEBUG")
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = environment.trusted_origins("CSRF_TRUSTED_ORIGINS")
SECRET_KEY = environment.secret_key("SECRET_KEY", DATA_DIR / ".secret_key", ALLOWED_HOSTS)
DATABASES = {"default": environment.database("DATABASE_URL", DATA_DIR / "db.sqlite3")}
CHANNEL_LAYERS = environment.channel_layers("REDIS_URL")
CHAT = {
    "BACKENDS": {"default": environment.model_backend()},
    "REDIS_URL": environment.redis_url("REDIS_URL"),
    "METRICS": environment.text("METRICS_TOKEN") or False,
}

INSTALLED_APPS = [
    "daphne",  # before staticfiles: makes `manage.py runserver` an ASGI server
    "channels",
    "chat",
    "django.contrib.admin",
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
    "django.middleware.locale.LocaleMiddleware",  # each visitor reads the site in the language of their browser
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# For `manage.py runserver`: a frame may have 8 MiB, because useChat sends the whole history with each message.
DAPHNE_WEBSOCKET_MAX_MESSAGE_SIZE = DAPHNE_WEBSOCKET_MAX_FRAME_SIZE = 8 * 1024 * 1024

ROOT_URLCONF = "chatproject.urls"
ASGI_APPLICATION = "chatproject.asgi.application"

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
            ],
        },
    },
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]  # for the site's own templates; the app has its own
TIME_ZONE = "UTC"

# With STATIC_ROOT, `manage.py collectstatic` fills that folder and its hashed files are served, to be cached forever.
# Without it, the files are served from the apps' folders, so that nothing has to be collected before a first start.
STATIC_URL = "static/"
STATIC_ROOT = environment.text("STATIC_ROOT") or None
STATICFILES_DIRS = [BASE_DIR / "chatproject" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# The browser runs, shows and contacts only this site's own files: no inline scripts or styles either.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "frame-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [SELF],
    }
}
X_FRAME_OPTIONS = "SAMEORIGIN"  # a page of this site may show the chat in a frame

# Set this where a proxy ends HTTPS and sends `X-Forwarded-Proto`, and only there: otherwise any visitor could claim it.
if environment.flag("BEHIND_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Browsers that have been here use only HTTPS for this many seconds: 30 days.
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
