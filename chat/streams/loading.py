"""Makes the streams for which the site is configured."""

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from .base import Streams
from .memory import MemoryStreams


def make_streams() -> Streams:
    """Make streams in memory, or shared through Redis if ``CHAT["REDIS_URL"]`` is set.

    Raises:
        ImproperlyConfigured: the Redis client is not installed, or the URL is wrong.
    """
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
