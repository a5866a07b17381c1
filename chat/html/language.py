"""The language of a page: what is rendered for it, and the sentences that it is told, are in the one that it names."""

from django.utils.translation import get_supported_language_variant

from ..conf import conf


def spoken(asked: str) -> str:
    """The one of the site's languages that comes nearest to ``asked``, a tag such as ``de-AT``; else the site's own."""
    try:
        return get_supported_language_variant(asked.lower())
    except LookupError:
        return conf.language
