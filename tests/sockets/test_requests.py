"""Requests of a socket: which handler a frame gets, and what becomes of its failure."""

import json
from typing import get_args

import pytest
from django.db import DatabaseError

from chat import consumers  # noqa: F401 (registers all handlers)
from chat.errors import Refusal
from chat.owners import Owner
from chat.sockets.received import Asked, Read
from chat.sockets.requests import HANDLERS, GoneError, Request
from chat.streams.base import LostStreamError


def test_every_frame_that_asks_has_a_handler():
    assert set(HANDLERS) == set(get_args(Asked))


class Client:
    """A client that takes frames until it is gone."""

    def __init__(self, gone=False):
        self.gone = gone
        self.frames = []

    async def send(self, text):
        if self.gone:
            raise GoneError
        self.frames.append(json.loads(text))


def request_of(client):
    asked = Read(request_id="r1", id="c1")
    return Request(None, Owner("visitor:ann"), asked, client.send), asked


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Refusal("busy"), "busy"),
        (LostStreamError("given up"), "lost"),
        (DatabaseError("away"), "storage"),
        (OSError("no route"), "internal"),
        (ValueError("a bug"), "internal"),
    ],
)
async def test_a_failure_of_a_handler_is_an_error_frame(caplog, failure, code):
    async def fail(request, asked):
        raise failure

    client = Client()
    request, asked = request_of(client)
    await request.serve(fail, asked)
    assert [(frame["type"], frame["code"]) for frame in client.frames] == [("error", code)]
    assert ("Traceback" in caplog.text) == (code in ("storage", "internal"))


@pytest.mark.parametrize("failure", [None, Refusal("busy")])
async def test_a_client_that_is_gone_ends_its_request_without_an_error(caplog, failure):
    async def answer(request, asked):
        if failure:
            raise failure
        await request.end()

    request, asked = request_of(Client(gone=True))
    await request.serve(answer, asked)
    assert "Traceback" not in caplog.text
