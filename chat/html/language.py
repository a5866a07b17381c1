"""The language of a page: what is rendered for it, and the sentences that it is told, are in the one that it names."""

from django.utils.translation import get_supported_language_variant, gettext, override

from ..chunks import ERRORS
from ..conf import conf


def spoken(asked: str) -> str:
    """The one of the site's languages that comes nearest to ``asked``, a tag such as ``de-AT``; else the site's own."""
    try:
        return get_supported_language_variant(asked.lower())
    except LookupError:
        return conf.language


def sentence(code: str, language: str) -> str:
    """The sentence of an error code; without a language the fixed one, in English."""
    if not language:
        return ERRORS[code]
    with override(language):
        return gettext(ERRORS[code])
