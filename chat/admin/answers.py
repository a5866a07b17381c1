"""The admin's lists of answers that run and that wait for a decision, where staff can stop them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from ..db.underway import running, waiting
from ..engine.stopping import stop, stop_undecided
from ..models import Message, RunningAnswer, ToolCall, WaitingAnswer
from ..owners import UNKEPT_KEY, key_of
from .base import ReadOnly, conversation_link, owner_name, users_of


class OpenAnswers(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Answers that have not ended, the oldest first. To stop one takes the permission to change messages."""

    actions = ("stop",)
    list_display_links = None
    ordering = ("pk",)
    show_full_result_count = False

    def found(self) -> QuerySet[Any]:
        """Return the answers."""
        raise NotImplementedError

    def end(self, answer: Any, user: Any) -> bool:
        """Stop an answer for a user of the admin; return whether there was something to stop."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the answers with their users."""
        return self.found().prefetch_related(users_of("conversation__user")).order_by(*self.ordering)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Tell whether the user may see messages, or stop them."""
        return self._may(request, "view") or self.has_stop_permission(request)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may change messages."""
        return self._may(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: answers are deleted with their conversations."""
        return False

    def _may(self, request: HttpRequest, verb: str) -> bool:
        return bool(request.user.has_perm(f"{Message._meta.app_label}.{verb}_message"))

    @admin.action(description=_("Stop selected answers"), permissions=["stop"])
    def stop(self, request: HttpRequest, answers: Iterable[Any]) -> None:
        """Stop answers, and say how many there were; the others have ended meanwhile."""
        stopped = [answer for answer in answers if self.end(answer, request.user)]
        for answer in stopped:
            # The answer is in no list any more; what is not kept has no page.
            kept = answer.conversation.owner != UNKEPT_KEY
            self.log_change(request, answer.conversation if kept else answer, gettext("Stopped"))
        count = len(stopped)
        said = ngettext("%(count)s answer is being stopped.", "%(count)s answers are being stopped.", count)
        self.message_user(request, said % {"count": localize(count)}, messages.SUCCESS if count else messages.WARNING)

    @admin.display(description=_("conversation"))
    def in_conversation(self, answer: Message) -> str:
        """Link to the conversation, if it is one to keep."""
        return conversation_link(answer.conversation)

    @admin.display(description=_("user"))
    def owned_by(self, answer: Message) -> str:
        """Name the user who asked, or say that it was a visitor without an account, or the site's own code."""
        return owner_name(answer.conversation.owner, answer.conversation.user)

    @admin.display(description=_("assistant"))
    def assistant(self, answer: Message) -> str:
        """Name the assistant."""
        return answer.conversation.assistant


@admin.register(RunningAnswer)
class RunningAnswerAdmin(OpenAnswers):
    """The answers that run, with their processes."""

    list_display = ("in_conversation", "owned_by", "assistant", "age", "process", "alive", "stops", "created_at")
    fields = readonly_fields = list_display

    def found(self) -> QuerySet[RunningAnswer]:
        """Return the answers that run."""
        return running()

    def end(self, answer: RunningAnswer, user: Any) -> bool:
        """Stop an answer as its owner does. A process that does not hear of it reads it with its next heartbeat."""
        stop(answer)
        return True

    @admin.display(description=_("age"), ordering="pk")
    def age(self, answer: Message) -> str:
        """Say how long ago the answer began."""
        return passed(answer.created_at)

    @admin.display(description=_("process alive"), boolean=True)
    def alive(self, answer: Message) -> bool:
        """Tell whether the process has a heartbeat."""
        return bool(getattr(answer, "alive"))  # noqa: B009 (annotated)

    @admin.display(description=_("stopping"), boolean=True)
    def stops(self, answer: Message) -> bool | None:
        """Tell whether the answer has been asked to stop."""
        return answer.stopping or None


@admin.register(WaitingAnswer)
class WaitingAnswerAdmin(OpenAnswers):
    """The answers that wait for a decision of their owners, with the tools that they want to call."""

    list_display = ("in_conversation", "owned_by", "assistant", "tools", "age", "expires", "since")
    fields = readonly_fields = list_display

    def found(self) -> QuerySet[WaitingAnswer]:
        """Return the answers that wait."""
        return waiting()

    def end(self, answer: WaitingAnswer, user: Any) -> bool:
        """Stop an answer, and deny its calls. The owner's page shows that."""
        return stop_undecided(answer.conversation, key_of(user.pk), answer.pk)

    @admin.display(description=_("tools"))
    def tools(self, answer: Message) -> str:
        """Name the tools about which nobody has decided."""
        return ", ".join(call.name for call in _asked(answer)) or "-"

    @admin.display(description=_("waiting since"), ordering="ended_at")
    def since(self, answer: Message) -> datetime:
        """Return when the answer began to wait."""
        return answer.ended_at or answer.created_at

    @admin.display(description=_("waiting time"))
    def age(self, answer: Message) -> str:
        """Say how long the answer has been waiting."""
        return passed(self.since(answer))

    @admin.display(description=_("expires at"))
    def expires(self, answer: Message) -> datetime | None:
        """Return when the first of the questions expires."""
        return min((call.expires_at for call in _asked(answer) if call.expires_at), default=None)


def _asked(answer: Message) -> list[ToolCall]:
    found: list[ToolCall] = getattr(answer, "asked")  # noqa: B009 (prefetched)
    return found


def passed(since: datetime) -> str:
    """Return the time since then: hours, minutes and seconds, or in words after a day."""
    age = timezone.now() - since
    return timesince(since) if age >= timedelta(days=1) else str(timedelta(seconds=max(0, int(age.total_seconds()))))
