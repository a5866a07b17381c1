"""Visitors of the app's pages, and their conversations."""

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.utils import timezone

from chat.models import Conversation, Message
from chat.owners import VISITOR, Owner

ANN = Owner("visitor:ann")


def escaped(**fields):
    """Encode a form in a charset of Python's in which half a surrogate pair can be written."""
    parts = (f'--bound\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}' for name in fields)
    data = "\r\n".join([*parts, "--bound--\r\n"]).encode()
    return {"data": data, "content_type": "multipart/form-data; boundary=bound; charset=raw_unicode_escape"}


@pytest.fixture(autouse=True)
def scripted(script):
    """Keep pages from loading the weights of a real model."""


@pytest.fixture
def ann(client):
    """Return the browser of the visitor Ann, under WSGI."""
    session = client.session
    session[VISITOR] = "ann"
    session.save()
    return client


@pytest.fixture
async def asgi(served):
    """Return the browser of the visitor Ann, on the event loop of the server."""
    store = SessionStore()
    store[VISITOR] = "ann"
    await sync_to_async(store.save)()
    client = AsyncClient()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = store.session_key
    return client


@pytest.fixture
def converse():
    """Return a function that stores a conversation of one question and its answer."""

    def converse(owner=ANN, uid="c1", title="Why is the sky blue?", question="Why?", answer="**Scattering**", **fields):
        made = Conversation.objects.create(owner=owner.key, uid=uid, title=title, updated_at=timezone.now())
        asked = made.message_set.create(uid=f"q-{uid}", role="user", text=question)
        answered = made.message_set.create(
            uid=f"a-{uid}",
            role="assistant",
            parent=asked,
            text=answer,
            parts=[{"type": "text", "text": answer}],
            **fields,
        )
        running = answered if fields.get("status") == "running" else None
        Conversation.objects.filter(pk=made.pk).update(tip=answered, running=running)
        made.refresh_from_db()
        return made

    return converse


@pytest.fixture
def asked(converse):
    """Store a conversation whose answer waits for a decision, and return the call."""

    def ask(**fields):
        conversation = converse(status="waiting", finish_reason="tool-calls")
        call = conversation.tip.tool_calls.create(
            **{"uid": "t-1", "step": 0, "name": "cancel", "input": {"number": "B7"}, "state": "asked", **fields},
            question="Cancel the order B7?",
        )
        parts = [{"type": "tool", "call": call.uid}]
        Message.objects.filter(pk=conversation.tip_id).update(parts=parts, has_calls=True)
        return call

    return ask
