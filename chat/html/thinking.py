"""Says how long a model has thought, in the active language."""

from django.utils.translation import gettext, ngettext

MINUTE = 60


def thought_for(seconds: float | None) -> str:
    """Return the heading of reasoning that has ended, with how long it took, if that is known."""
    if seconds is None:
        return gettext("Reasoning")
    if seconds < 1:
        return gettext("Thought for a moment")
    if round(seconds) < MINUTE:
        count = round(seconds)
        return ngettext("Thought for %(count)d s", "Thought for %(count)d s", count) % {"count": count}
    count = round(seconds / MINUTE)
    return ngettext("Thought for %(count)d min", "Thought for %(count)d min", count) % {"count": count}
