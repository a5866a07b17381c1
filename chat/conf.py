"""The ``CHAT`` setting of a site, typed: the only module that reads ``django.conf.settings``.

Nothing is cached, so ``override_settings(CHAT={...})`` works. Times are seconds, sizes of texts are characters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

DEFAULTS: dict[str, Any] = {
    "BACKENDS": {"default": {"BACKEND": f"{__package__}.backends.local.LocalBackend", "OPTIONS": {}}},
    "SYSTEM_PROMPT": "",
    "TITLES": "question",
    "MAX_DURATION": 300.0,
    "FIRST_TOKEN_TIMEOUT": 120.0,
    "DELTA_TIMEOUT": 30.0,
    "LOADING_TIMEOUT": 120.0,
    "RETRIES": 2,
    "RETRY_WAIT": 0.5,
    "RETRY_AFTER_MAX": 5.0,
    "MAX_MESSAGE_LENGTH": 32_000,
    "MAX_HISTORY_LENGTH": 200_000,
    "MAX_ANSWER_LENGTH": 1_000_000,
    "MAX_FRAME_SIZE": 8 * 1024 * 1024,
    "MAX_PENDING_REQUESTS": 32,
    "FRAME_RATE": 20.0,
    "FRAME_TIMEOUT": 30.0,
    "MAX_SOCKETS_PER_OWNER": 50,
    "MAX_SOCKETS_PER_ADDRESS": 500,
    "TICK": 0.06,
    "HEARTBEAT": 2.0,
    "PROCESS_TIMEOUT": 30.0,
    "GRACE_PERIOD": 20.0,
    "SAVE_TIMEOUT": 30.0,
    "STREAM_RETENTION": 60.0,
    "DATABASE_THREADS": 8,
    "DATABASE_WAIT": 10.0,
    "REDIS_URL": "",
    "REDIS_PREFIX": "llm_chat",
    "REDIS_TIMEOUT": 2.0,
    "SOCKET_PATH": "/ws/chat/",
    "USER_CONSTRAINT": True,
}


PLACES = {"chat": "a checkout", "llm_chat": "an installed site"}
"""What the app's package is called, and where."""


def import_path(path: str) -> Any:
    """Import the object that a setting names by its dotted path.

    Raises ``ImportError``, with the right path where the setting has the package's other name.
    """
    try:
        return import_string(path)
    except ModuleNotFoundError as error:
        if not (renamed := _renamed(path, error.name)):
            raise
        place = f'in {PLACES[__package__]} the package is "{__package__}"'
        raise ImportError(f'{place}, so write "{renamed}".') from error


def _renamed(path: str, missing: str | None) -> str:
    """Return ``path`` below the app's present name if it exists there and what is missing is not some other module."""
    package, _, rest = path.partition(".")
    renamed = f"{__package__}.{rest}"
    if {package, __package__} != PLACES.keys() or not f"{path}.".startswith(f"{missing}."):
        return ""
    try:
        import_string(renamed)
    except ImportError:
        return ""
    return renamed


class BackendConf(NamedTuple):
    """One entry of ``CHAT["BACKENDS"]``: a dotted path and the keyword arguments of its class."""

    path: str
    options: dict[str, Any]


class Conf:
    """Typed properties over ``settings.CHAT``, each with its default."""

    @property
    def given(self) -> Any:
        """What the site wrote, unchecked."""
        return getattr(settings, "CHAT", {})

    def _get(self, name: str) -> Any:
        return self.given.get(name, DEFAULTS[name])

    @property
    def user_model(self) -> str:
        """The site's user model, as ``app_label.Model``."""
        return settings.AUTH_USER_MODEL

    @property
    def language(self) -> str:
        """Django's ``LANGUAGE_CODE``: the language of who names none of the site's."""
        return settings.LANGUAGE_CODE

    @property
    def trusted_origins(self) -> list[str]:
        """Django's ``CSRF_TRUSTED_ORIGINS``."""
        return list(settings.CSRF_TRUSTED_ORIGINS)

    def backend(self, alias: str = "default") -> BackendConf:
        """The backend under ``alias``. Raises ``ImproperlyConfigured`` where there is none or it is not well formed."""
        backends = self._get("BACKENDS")
        if alias not in backends:
            raise ImproperlyConfigured(
                f'CHAT["BACKENDS"] has no "{alias}"; it has: {", ".join(backends) or "nothing"}.'
            )
        entry = backends[alias]
        if not isinstance(entry, dict) or not isinstance(entry.get("BACKEND"), str):
            raise ImproperlyConfigured(
                f'CHAT["BACKENDS"]["{alias}"] must be {{"BACKEND": "dotted.path", "OPTIONS": {{...}}}}, got {entry!r}.'
            )
        return BackendConf(entry["BACKEND"], entry.get("OPTIONS", {}))

    @property
    def system_prompt(self) -> str | Callable[..., str]:
        """The text sent before every history, or a callable that takes the ``Conversation`` and returns it.

        A string that is the dotted path of a callable is imported; any other string is the prompt itself. Raises
        ``ImproperlyConfigured`` where the import fails.
        """
        value = self._get("SYSTEM_PROMPT")
        if isinstance(value, str) and value.replace(".", "").isidentifier() and "." in value.strip("."):
            try:
                return cast(Callable[..., str], import_path(value))
            except ImportError as error:
                raise ImproperlyConfigured(f'CHAT["SYSTEM_PROMPT"] "{value}" cannot be imported: {error}') from error
        return cast(str | Callable[..., str], value)

    @property
    def titles(self) -> str:
        """Where conversations get their titles from: ``"question"``, the first one's first line, or ``"model"``."""
        return cast(str, self._get("TITLES"))

    @property
    def max_duration(self) -> float:
        """Longest time that one answer may take, model loading apart."""
        return float(self._get("MAX_DURATION"))

    @property
    def first_token_timeout(self) -> float:
        """Longest wait for the first delta of an answer, or for any sign of life before it."""
        return float(self._get("FIRST_TOKEN_TIMEOUT"))

    @property
    def delta_timeout(self) -> float:
        """Longest wait between two deltas of an answer."""
        return float(self._get("DELTA_TIMEOUT"))

    @property
    def loading_timeout(self) -> float:
        """Longest time that a backend may take to load its model, before the other deadlines begin."""
        return float(self._get("LOADING_TIMEOUT"))

    @property
    def retries(self) -> int:
        """How often a call to the model is repeated, before its first delta only."""
        return int(self._get("RETRIES"))

    @property
    def retry_wait(self) -> float:
        """Wait before the first repeat, where the model names none; doubled for each further one."""
        return float(self._get("RETRY_WAIT"))

    @property
    def retry_after_max(self) -> float:
        """The longest ``Retry-After`` that is honoured; a longer one is an error at once."""
        return float(self._get("RETRY_AFTER_MAX"))

    @property
    def max_message_length(self) -> int:
        """Longest message that a visitor may send."""
        return int(self._get("MAX_MESSAGE_LENGTH"))

    @property
    def max_history_length(self) -> int:
        """Budget of the history sent to the model; the oldest turns beyond it are left out."""
        return int(self._get("MAX_HISTORY_LENGTH"))

    @property
    def max_answer_length(self) -> int:
        """An answer is cut at this length."""
        return int(self._get("MAX_ANSWER_LENGTH"))

    @property
    def max_frame_size(self) -> int:
        """Largest websocket frame that is read, in bytes."""
        return int(self._get("MAX_FRAME_SIZE"))

    @property
    def max_form_size(self) -> int:
        """Largest body of what is posted to the app's pages, in bytes: twice the longest message, percent-encoded."""
        return 2 * 12 * self.max_message_length + 64 * 1024

    @property
    def max_pending_requests(self) -> int:
        """How many requests one socket may have open at once."""
        return int(self._get("MAX_PENDING_REQUESTS"))

    @property
    def frame_rate(self) -> float:
        """Frames a second that are read from one socket; the frames of five seconds may come at once."""
        return float(self._get("FRAME_RATE"))

    @property
    def frame_timeout(self) -> float:
        """Longest time in which a frame, or 64 KB more of it, must have arrived (``GuardedProtocol`` only)."""
        return float(self._get("FRAME_TIMEOUT"))

    @property
    def max_sockets_per_owner(self) -> int:
        """Sockets that one visitor or user may have open in one process."""
        return int(self._get("MAX_SOCKETS_PER_OWNER"))

    @property
    def max_sockets_per_address(self) -> int:
        """Sockets that one public IP address may have open in one process."""
        return int(self._get("MAX_SOCKETS_PER_ADDRESS"))

    @property
    def tick(self) -> float:
        """How long deltas are gathered before they are appended to the log as one chunk."""
        return float(self._get("TICK"))

    @property
    def heartbeat(self) -> float:
        """How often a process writes its heartbeat and the checkpoints of its running answers."""
        return float(self._get("HEARTBEAT"))

    @property
    def process_timeout(self) -> float:
        """How long a process may show no heartbeat before another one takes it for dead and ends its answers."""
        return float(self._get("PROCESS_TIMEOUT"))

    @property
    def save_timeout(self) -> float:
        """How long the end of an answer is tried to be written before its readers are told that it is not saved."""
        return float(self._get("SAVE_TIMEOUT"))

    @property
    def grace_period(self) -> float:
        """How long a stopping process lets its running answers finish."""
        return float(self._get("GRACE_PERIOD"))

    @property
    def stream_retention(self) -> float:
        """How long the log of an ended answer can still be followed, and the answer be resumed in the text view."""
        return float(self._get("STREAM_RETENTION"))

    @property
    def database_threads(self) -> int:
        """Threads, and so database connections, that serve the coroutines of one process."""
        return int(self._get("DATABASE_THREADS"))

    @property
    def database_wait(self) -> float:
        """Longest wait for one of those threads: what comes to its turn later is refused instead of done."""
        return float(self._get("DATABASE_WAIT"))

    @property
    def redis_url(self) -> str:
        """The Redis that the processes of the site share their logs through; empty for one process alone."""
        return cast(str, self._get("REDIS_URL"))

    @property
    def redis_prefix(self) -> str:
        """How the names of this site's keys begin: no other site on the same Redis database may use it."""
        return cast(str, self._get("REDIS_PREFIX"))

    @property
    def redis_timeout(self) -> float:
        """Longest wait for a connection to Redis, and for one answer of it."""
        return float(self._get("REDIS_TIMEOUT"))

    @property
    def socket_path(self) -> str:
        """The path of the websocket route."""
        return cast(str, self._get("SOCKET_PATH"))

    @property
    def script_name(self) -> str:
        """Django's ``FORCE_SCRIPT_NAME``: the path under which the whole site is served, without its last slash."""
        return (settings.FORCE_SCRIPT_NAME or "").rstrip("/")

    @property
    def user_constraint(self) -> bool:
        """Whether the database checks that a conversation's user exists; not where users are in another database."""
        given = self.given if isinstance(self.given, dict) else {}  # asked before ``manage.py check`` can complain
        return cast(bool, given.get("USER_CONSTRAINT", DEFAULTS["USER_CONSTRAINT"]))


conf = Conf()
