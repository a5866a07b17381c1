"""The handlers of requests."""

from typing import get_args

from chat import consumers  # noqa: F401 (registers all handlers)
from chat.sockets.received import Asked
from chat.sockets.requests import HANDLERS


def test_every_kind_of_request_has_a_handler():
    assert set(HANDLERS) == set(get_args(Asked))
