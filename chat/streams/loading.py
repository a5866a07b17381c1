"""The streams that the site's settings ask for."""

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from .base import Streams
from .memory import MemoryStreams


def make_streams() -> Streams:
    """Return streams in memory, or shared through ``CHAT["REDIS_URL"]``. Raises ``ImproperlyConfigured``."""
    if not conf.redis_url:
        return MemoryStreams()
    try:
        from .redis.streams import RedisStreams
    except ImportError as error:
        raise ImproperlyConfigured(
            f'CHAT["REDIS_URL"] needs the Redis client: pip install "django-llm-chat[redis]" ({error}).'
        ) from error
    try:
        return RedisStreams()
    except ValueError:
        raise ImproperlyConfigured(
            'CHAT["REDIS_URL"] must be a URL such as "redis://localhost:6379/0", "rediss://..." or "unix://...".'
        ) from None
