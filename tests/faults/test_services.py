"""The services that other tests break: each fault has its effect, and can be ended."""

import contextlib

import psycopg
import pytest
import redis


def test_a_killed_redis_comes_back_empty_on_its_port(redis_service):
    with redis_service.client() as client:
        client.set("a", "b")
    redis_service.kill()
    assert not redis_service.answers()
    redis_service.start()
    with redis_service.client() as client:
        assert client.get("a") is None


def test_a_paused_redis_answers_again_when_resumed(redis_service):
    redis_service.pause()
    assert not redis_service.answers()
    redis_service.resume()
    assert redis_service.answers()


def test_a_full_redis_refuses_writes_and_allows_reads(redis_service):
    redis_service.fill_up()
    with redis_service.client() as client:
        with pytest.raises(redis.OutOfMemoryError):
            client.set("a", "b")
        assert client.get("a") is None
        redis_service.make_room()
        client.set("a", "b")


def test_a_stopped_postgres_comes_back_with_its_data(postgres_service):
    postgres_service.create("kept")
    postgres_service.stop()
    with pytest.raises(psycopg.OperationalError):
        postgres_service.connect("kept")
    postgres_service.start()
    assert postgres_service.connections("kept") == 0
    postgres_service.drop("kept")


def test_a_paused_postgres_answers_when_resumed(postgres_service):
    with postgres_service.connect() as connection:
        postgres_service.pause()
        try:
            connection.pgconn.send_query(b"SELECT 1")
            connection.pgconn.flush()
            connection.pgconn.consume_input()
            assert connection.pgconn.is_busy()
        finally:
            postgres_service.resume()
        assert connection.pgconn.get_result() is not None
        assert connection.pgconn.get_result() is None


def test_a_postgres_can_run_out_of_connections(postgres_service):
    postgres_service.stop()
    postgres_service.start(max_connections=5)
    with contextlib.ExitStack() as open_connections:
        open_connections.callback(postgres_service.start)
        open_connections.callback(postgres_service.stop)
        with pytest.raises(psycopg.OperationalError, match=r"too many clients|reserved"):
            for _ in range(6):
                open_connections.enter_context(postgres_service.connect())
