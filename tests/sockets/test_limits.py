"""Token buckets, and the limits on open sockets."""

import pytest

from chat.sockets.limits import BURST, Bucket, Sockets, volume


def test_the_tokens_of_five_seconds_may_be_taken_at_once():
    bucket = Bucket(10, now=0.0)
    assert bucket.take(0.0, int(10 * BURST)) == 0.0
    assert bucket.take(0.0) == pytest.approx(0.1)


def test_a_bucket_fills_up_again_but_not_beyond_its_burst():
    bucket = Bucket(10, now=0.0)
    bucket.take(0.0, 60)
    assert bucket.take(1.0, 0) == 0.0
    assert bucket.take(1_000.0, 51) == pytest.approx(0.1)


@pytest.mark.parametrize(("largest", "at_once"), [(8_000_000, 8_000_000), (1_000, 1_048_576)])
def test_a_frame_of_the_largest_size_may_come_at_once(largest, at_once):
    bucket = volume(largest, now=0.0)
    assert bucket.take(0.0, at_once) == 0.0
    assert bucket.take(0.0, at_once) == pytest.approx(3.0)
    assert bucket.take(100.0, at_once) == 0.0


def test_a_socket_that_is_refused_for_one_of_its_keys_counts_under_none():
    sockets = Sockets()
    assert sockets.enter({"ann": 2, "9.9.9.9": 2})
    assert sockets.enter({"ben": 2, "9.9.9.9": 2})
    assert not sockets.enter({"ann": 2, "9.9.9.9": 2})
    assert sockets.enter({"ann": 2})
    assert not sockets.enter({"ann": 2})


def test_the_sockets_of_an_owner_share_a_bucket_until_the_last_has_left():
    sockets = Sockets()
    for _ in range(2):
        sockets.enter({"ann": 2})
    bucket = sockets.shared("ann", 10.0, 0.0)
    sockets.leave({"ann": 2})
    assert sockets.shared("ann", 10.0, 0.0) is bucket
    sockets.leave({"ann": 2})
    assert not sockets._shared


def test_a_socket_that_has_left_makes_room_and_leaves_nothing_behind():
    sockets = Sockets()
    for _ in range(3):
        assert sockets.enter({"ann": 1})
        sockets.leave({"ann": 1})
    assert not sockets._open
