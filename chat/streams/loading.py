"""The logs that the site's settings ask for."""

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from .base import Logs
from .memory import MemoryLogs


def make_logs() -> Logs:
    """Logs in memory, or shared through ``CHAT["REDIS_URL"]``. Raises ``ImproperlyConfigured``."""
    if not conf.redis_url:
        return MemoryLogs()
    try:
        from .redis.streams import RedisLogs
    except ImportError as error:
        raise ImproperlyConfigured(
            f'CHAT["REDIS_URL"] needs the client of Redis: pip install "django-llm-chat[redis]" ({error}).'
        ) from error
    try:
        return RedisLogs()
    except ValueError:
        raise ImproperlyConfigured(
            'CHAT["REDIS_URL"] must be a URL such as "redis://localhost:6379/0", "rediss://..." or "unix://...".'
        ) from None
