"""The ``CHAT`` setting of a site, one row per key. No other module reads ``django.conf.settings``.

Nothing is cached, so ``override_settings(CHAT={...})`` works. The system checks and the table in the README are made
from the rows; ``python scripts/settings_table.py`` writes the table.
"""

from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from .limits import complaint as wrong_limits
from .limits import window_complaint
from .prices import complaint as wrong_prices
from .retention import RETENTION
from .setting import (
    BYTES,
    CHARACTERS,
    COUNT,
    DICTIONARY,
    DURATION,
    FLAG,
    METRICS,
    NON_NEGATIVE,
    PATH,
    PER_SECOND,
    PROMPT,
    SECONDS,
    TEXT,
    Kind,
    Prompt,
    Setting,
    choice,
    table,
)

RATE = Kind(str, lambda value: not window_complaint(value), "a limit", complain=window_complaint)


class Conf:
    """The chat's settings, and the settings of Django that it needs."""

    __slots__ = ()

    backends = Setting(
        DICTIONARY,
        {"default": {"BACKEND": f"{__package__}.backends.local.LocalBackend", "OPTIONS": {}}},
        'Models by name: `{"default": {"BACKEND": dotted path, "OPTIONS": {...}}}`',
        shown="the local model",
        secret=True,
    )
    system_prompt = Setting[Prompt](
        PROMPT,
        "",
        "System prompt: a string, a callable that takes the conversation, or the dotted path of one",
    )
    titles = Setting(
        choice("question", "model"),
        "question",
        'Source of titles: the first `"question"`, or the `"model"`, by one more short call after the first answer',
    )
    prices = Setting[dict[str, Any]](
        table(wrong_prices),
        {},
        "What a million tokens of each model cost, for the admin and for limits: see [limits.md](docs/limits.md). "
        "For other models, the library `genai-prices` counts if it is installed, in USD",
        shown="none",
    )
    limits = Setting[dict[str, Any]](
        table(wrong_limits),
        {},
        "How much each `anonymous` visitor, each `user`, each `address` and the whole `site` may use: `answers`, "
        "`tokens` and `cost`, see [limits.md](docs/limits.md)",
    )
    trusted_proxies = Setting(
        NON_NEGATIVE,
        0,
        "How many proxies in front of the site add the address that they see to `X-Forwarded-For`. If it is set, also "
        "to 0, private addresses count, too",
    )
    max_running_per_owner = Setting(COUNT, 10, "How many answers of one visitor may run at once")
    max_conversations_per_visitor = Setting(COUNT, 500, "How many conversations a visitor without an account may have")
    max_new_visitors_per_address = Setting(
        RATE,
        "1_000/hour",
        "How many new visitors without an account may come from one address (IPv6: one /64 network)",
    )
    show_model = Setting(FLAG, True, "Pages name the model: below each answer, and in an empty chat")
    max_duration = Setting(SECONDS, 300.0, "Maximum duration of an answer, after the model has loaded; it is cut there")
    first_token_timeout = Setting(
        SECONDS,
        120.0,
        "Maximum wait for the first delta; each comment or event from the model before it restarts the wait",
    )
    delta_timeout = Setting(SECONDS, 30.0, "Maximum wait between two deltas")
    loading_timeout = Setting(SECONDS, 120.0, "Maximum time a model may take to load, before the other deadlines begin")
    retries = Setting(NON_NEGATIVE, 2, "How often a failed call to the model is repeated, before the first delta only")
    retry_wait = Setting(
        SECONDS, 0.5, "Wait before the first retry, unless the model names one; doubled for each further retry"
    )
    retry_after_max = Setting(SECONDS, 5.0, "Longest `Retry-After` that is honoured; a longer one is an error at once")
    max_message_length = Setting(CHARACTERS, 32_000, "Maximum length of a visitor's message; a model may lower it")
    max_history_length = Setting(
        CHARACTERS, 200_000, "Maximum length of the history sent to the model; the oldest turns beyond it are left out"
    )
    max_answer_length = Setting(CHARACTERS, 1_000_000, "Maximum length of an answer; it is cut there")
    max_frame_size = Setting(BYTES, 8 * 1024 * 1024, "Maximum size of a websocket frame")
    max_pending_requests = Setting(COUNT, 32, "How many requests one socket may have open")
    frame_rate = Setting(
        PER_SECOND, 20.0, "Rate at which frames are read from one socket; a burst of five seconds' worth is allowed"
    )
    frame_timeout = Setting(
        SECONDS,
        30.0,
        "Maximum time in which a frame, or 64 KB more of it, must arrive; ten times that for a whole frame "
        "(uvicorn with `GuardedProtocol` only)",
    )
    max_sockets_per_owner = Setting(COUNT, 50, "How many sockets one visitor may have open in one process")
    max_sockets_per_address = Setting(
        COUNT, 500, "How many sockets one public IP address (IPv6: one /64 network) may have open in one process"
    )
    tick = Setting(SECONDS, 0.04, "How long deltas are gathered into one chunk")
    heartbeat = Setting(SECONDS, 2.0, "How often a process writes its heartbeat and the checkpoints of its answers")
    process_timeout = Setting(
        SECONDS, 30.0, "Time without a heartbeat after which a process is considered dead and another ends its answers"
    )
    save_timeout = Setting(
        SECONDS, 30.0, "How long to keep retrying the final save before telling readers it has not been saved"
    )
    grace_period = Setting(SECONDS, 20.0, "How long a stopping process lets its running answers finish")
    undo_period = Setting(
        SECONDS, 10.0, "How long deleted conversations can be brought back; then a heartbeat removes them for good"
    )
    retention = Setting[dict[str, timedelta]](
        RETENTION,
        {},
        'How long conversations are kept after their last use, by kind of owner: `{"anonymous": "30 days", '
        '"user": "2 years"}`, or `timedelta`; `manage.py chat_prune` removes older ones. Without an entry: forever',
    )
    stream_retention = Setting(SECONDS, 60.0, "How long an answer that has ended can be followed and resumed")
    database_threads = Setting(COUNT, 8, "Threads, and therefore database connections, of one process")
    database_wait = Setting(SECONDS, 10.0, "Maximum wait for one of these threads; a step that waits longer is refused")
    database_max_age = Setting(
        DURATION,
        60.0,
        "How long each of these threads keeps its connection; `CONN_MAX_AGE` counts if it is longer. "
        "With 0, and with a pool of the driver's, it is given back after each step",
    )
    tool_threads = Setting(COUNT, 8, "Threads, of one process, on which the synchronous hooks of assistants run")
    redis_url = Setting(
        TEXT,
        "",
        "The Redis through which several processes share their answers; empty for a single process",
        secret=True,
    )
    redis_prefix = Setting(
        TEXT, "llm_chat", "Prefix of this site's Redis keys; no other site on the same Redis database may use it"
    )
    redis_timeout = Setting(SECONDS, 2.0, "Maximum wait for a connection to Redis, and for a reply")
    socket_path = Setting(PATH, "/ws/chat/", "Path of the websocket")
    sharing = Setting(
        FLAG,
        False,
        "Visitors can make links to read-only copies of their conversations, which everybody who has the link can read",
    )
    merge_at_login = Setting(
        FLAG, True, "When a visitor signs in, the conversations that this browser has begun move to the account"
    )
    metrics = Setting[bool | str](
        METRICS,
        False,
        "Numbers for Prometheus, where the site routes `llm_chat.metrics.read`: `True` for staff, a token also for "
        "`Authorization: Bearer`",
        secret=True,
    )
    gc_tuning = Setting(
        FLAG,
        True,
        "A server makes full garbage collections rare (`gc.set_threshold`) and exempts from them what it holds after "
        "its start (`gc.freeze`); otherwise they stop all answers for 0.1 s or more every few seconds under load",
    )
    user_constraint = Setting(
        FLAG,
        True,
        "The database checks that a conversation's user exists; set `False`, before the first `migrate`, "
        "where a router keeps users in another database",
    )

    @property
    def given(self) -> Any:
        """Return ``CHAT`` as the site wrote it, unchecked."""
        return getattr(settings, "CHAT", {})

    def gives(self, name: str) -> bool:
        """Tell whether the site has set a setting itself."""
        return name in self.values

    @property
    def debug(self) -> bool:
        """Tell whether the site is being developed."""
        return bool(settings.DEBUG)

    @property
    def values(self) -> dict[str, Any]:
        """Return the site's values by name; none if ``CHAT`` is not a dictionary, which the checks report."""
        given = getattr(settings, "CHAT", None)
        return given if isinstance(given, dict) else {}

    @property
    def max_form_size(self) -> int:
        """Maximum size in bytes of a form that is posted to the app: two messages, percent-encoded."""
        return 2 * 12 * self.max_message_length + 64 * 1024

    @property
    def user_model(self) -> str:
        """Django's ``AUTH_USER_MODEL``, as ``app_label.Model``."""
        return settings.AUTH_USER_MODEL

    @property
    def session_store(self) -> type[SessionBase]:
        """The sessions of Django's ``SESSION_ENGINE``."""
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    @property
    def session_cookie(self) -> str:
        """Django's ``SESSION_COOKIE_NAME``."""
        return settings.SESSION_COOKIE_NAME

    @property
    def claim_cookie(self) -> dict[str, Any]:
        """The attributes of the cookie of ``claims``, after those of Django's session cookie."""
        return {
            "max_age": None if settings.SESSION_EXPIRE_AT_BROWSER_CLOSE else settings.SESSION_COOKIE_AGE,
            "path": settings.SESSION_COOKIE_PATH,
            "domain": settings.SESSION_COOKIE_DOMAIN,
            "secure": bool(settings.SESSION_COOKIE_SECURE),
            "httponly": True,
            "samesite": "Lax",
        }

    @property
    def language(self) -> str:
        """Django's ``LANGUAGE_CODE``, used when the client names no language that the site supports."""
        return settings.LANGUAGE_CODE

    @property
    def asgi_application(self) -> str:
        """Django's ``ASGI_APPLICATION``, a dotted path; empty in a site that has not set it."""
        return getattr(settings, "ASGI_APPLICATION", None) or ""

    @property
    def trusted_origins(self) -> list[str]:
        """Django's ``CSRF_TRUSTED_ORIGINS``."""
        return list(settings.CSRF_TRUSTED_ORIGINS)

    @property
    def script_name(self) -> str:
        """Django's ``FORCE_SCRIPT_NAME``, the URL path of the whole site, without a slash at its end."""
        return (settings.FORCE_SCRIPT_NAME or "").rstrip("/")


conf = Conf()

SETTINGS: dict[str, Setting[Any]] = {row.name: row for row in vars(Conf).values() if isinstance(row, Setting)}
"""All settings by their names in ``CHAT``."""
