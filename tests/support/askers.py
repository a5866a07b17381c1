"""Five who ask about one conversation: its owner, and others who must neither see nor change anything of it."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.utils import timezone

from chat.assistants import Assistant, tool
from chat.assistants.buttons import sign
from chat.assistants.discovery import registry
from chat.db.shares import share
from chat.models import Conversation, Feedback, Message, Share, ToolCall
from chat.owners import VISITOR, Owner, key_of

OWNER, STRANGER, OTHER, MEMBER, STAFF = "owner", "stranger", "other", "member", "staff"
ASKERS = (OWNER, STRANGER, OTHER, MEMBER, STAFF)
"""The owner has an account. A stranger is a visitor without any conversation, the other one has a conversation with the
same id; a member and the staff have accounts, the staff every permission."""

WORD = "blaubeere"
"""A word of the conversation, for searches."""

SECRETS = ("text", "reasoning", "input", "output", "question", "reason", "comment", "title", "error")
"""The places where the owner's conversation has a secret: ``canary-`` and the place."""


def canary(place: str) -> str:
    return f"canary-{place}"


@dataclass
class Askers:
    """Their sessions, and what the owner has."""

    sessions: dict[str, str]
    owner: str
    """The key of the owner."""
    link: str
    """The id of the owner's share link."""
    at: str
    """The time of the owner's last deletion, as the page's form has it."""
    button: str
    """The value of a button on the owner's page."""

    def client(self, asker: str, **options) -> AsyncClient:
        client = AsyncClient(**options)
        client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[asker]
        return client

    def rows(self) -> list[list[dict]]:
        """Return all that the owner has."""
        mine = Conversation.objects.filter(owner=self.owner).order_by("pk")
        return [
            list(mine.values()),
            list(Message.objects.filter(conversation__in=mine).order_by("pk").values()),
            list(ToolCall.objects.filter(message__conversation__in=mine).order_by("pk").values()),
            list(Feedback.objects.filter(message__conversation__in=mine).order_by("pk").values()),
            list(Share.objects.filter(conversation__in=mine).order_by("pk").values()),
        ]


def all_rows(*but: str) -> list[list[dict]]:
    """Return all rows of the chat without these columns, but not those of processes."""
    tables = (
        list(model.objects.order_by("pk").values()) for model in (Conversation, Message, ToolCall, Feedback, Share)
    )
    return [[{name: row[name] for name in row.keys() - set(but)} for row in rows] for rows in tables]


class Default(Assistant):
    """The assistant of the site where a test needs no other."""

    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        return "cancelled"


def settled() -> Askers:
    """Do what ``settle`` does, in a site without an assistant of its own."""
    with registry.replaced(Default):
        return settle()


def settle() -> Askers:
    """Store the five, the owner's conversation, and that of the other visitor."""
    users = {
        OWNER: User.objects.create_user("ann"),
        MEMBER: User.objects.create_user("bob"),
        STAFF: User.objects.create_superuser("root"),
    }
    sessions = {asker: _session(asker, users.get(asker)) for asker in ASKERS}
    key = key_of(users[OWNER].pk)
    conversation = _conversation(key, users[OWNER])
    link = share(conversation)
    assert link is not None
    deleted = Conversation.objects.create(
        owner=key, uid="c9", title=canary("title"), updated_at=timezone.now(), deleted_at=timezone.now()
    )
    deleted.refresh_from_db()
    _others_conversation()
    assert deleted.deleted_at is not None
    given = (Owner(key).digest, "c1", "default", "cancel", {"number": canary("input")}, "Cancel it")
    button = sign(*given, answers=False)
    return Askers(sessions, key, link.uid, deleted.deleted_at.isoformat(), button)


def _session(asker: str, user: User | None) -> str:
    store = SessionStore()
    store[VISITOR] = asker
    if user is not None:
        store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store.save()
    return str(store.session_key)


def _conversation(owner: str, user: User) -> Conversation:
    """Store a conversation with the id ``c1`` whose answer ``a1`` waits for a decision about the call ``t-asked``."""
    made = Conversation.objects.create(
        owner=owner, user=user, uid="c1", title=canary("title"), updated_at=timezone.now(), unread=True
    )
    asked = made.message_set.create(uid="m1", role="user", text=f"{canary('text')} {WORD}")
    answer = made.message_set.create(
        uid="a1",
        role="assistant",
        status="waiting",
        finish_reason="tool-calls",
        parent=asked,
        text=canary("text"),
        parts=[
            {"type": "reasoning", "text": canary("reasoning")},
            {"type": "text", "text": canary("text")},
            *({"type": "tool", "call": uid} for uid in ("t-done", "t-failed", "t-denied", "t-asked")),
        ],
        has_calls=True,
        ended_at=timezone.now(),
    )
    calls = answer.tool_calls
    given = {"name": "cancel", "step": 0, "input": {"number": canary("input")}}
    calls.create(uid="t-done", state="done", output=canary("output"), **given)
    calls.create(uid="t-failed", state="failed", error=canary("error"), **given)
    question = {"question": canary("question"), **given}
    calls.create(uid="t-denied", state="denied", reason=canary("reason"), error=canary("reason"), **question)
    calls.create(uid="t-asked", state="asked", expires_at=timezone.now() + timedelta(days=1), **question)
    Feedback.objects.create(message=answer, value=-1, comment=canary("comment"), updated_at=timezone.now())
    Conversation.objects.filter(pk=made.pk).update(tip=answer)
    made.refresh_from_db()
    return made


def _others_conversation() -> None:
    """Store a conversation of the other visitor with the same id, and with a call of its own that waits."""
    made = Conversation.objects.create(owner=f"visitor:{OTHER}", uid="c1", title="Mine", updated_at=timezone.now())
    asked = made.message_set.create(uid="m1", role="user", text="My question")
    answer = made.message_set.create(
        uid="b1",
        role="assistant",
        status="waiting",
        finish_reason="tool-calls",
        parent=asked,
        parts=[{"type": "tool", "call": "u-asked"}],
        has_calls=True,
        ended_at=timezone.now(),
    )
    answer.tool_calls.create(
        uid="u-asked", name="cancel", step=0, state="asked", question="Mine?", input={"number": "1"}
    )
    Conversation.objects.filter(pk=made.pk).update(tip=answer)
