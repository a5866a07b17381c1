"""The services, each started when the first test needs it."""

import pytest

from tests.faults.services import postgres_server, redis_server


@pytest.fixture(scope="session")
def redis_session():
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_service(redis_session):
    """A Redis that is empty and well, before each test and after it."""
    redis_session.mend()
    yield redis_session
    redis_session.mend()


@pytest.fixture(scope="session")
def postgres_session():
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_service(postgres_session):
    """A PostgreSQL that runs."""
    yield postgres_session
    postgres_session.resume()
    if not postgres_session.running():
        postgres_session.start()
