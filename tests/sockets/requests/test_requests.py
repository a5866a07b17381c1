"""Which reply a frame gets."""

from typing import get_args

from chat.sockets.received import Asked
from chat.sockets.requests import REPLIES


def test_every_frame_that_asks_has_a_reply():
    assert set(REPLIES) == set(get_args(Asked))
