"""Picks the language of what is sent to a page: rendered messages and sentences."""

from django.utils.translation import get_supported_language_variant

from ..conf import conf


def spoken(asked: str) -> str:
    """Return the language of the site that is nearest to ``asked``, a tag such as ``de-AT``.

    Without such a language, the result is the site's ``LANGUAGE_CODE``.
    """
    try:
        return get_supported_language_variant(asked.lower())
    except LookupError:
        return conf.language
