"""The services and the sites, each started when the first test needs it, and ended with the run."""

from contextlib import ExitStack

import pytest

from chat.conf import DEFAULTS
from tests.faults import pace
from tests.faults.databases import Postgres, Sqlite, postgres_template, sqlite_template
from tests.faults.services import postgres_server, redis_server
from tests.faults.site import site_of
from tests.faults.visitor import Visitor
from tests.upstream import running_upstream

TOPOLOGIES = {"memory": 1, "redis-postgres": 2, "redis-sqlite": 2}
"""How many processes each has. The first keeps its logs in memory, on SQLite."""


def pytest_report_header():
    time = "in real time" if pace.REAL_TIME else "at a twentieth of real time"
    return f"faults: FAULTS_SEED={pace.SEED}, {time}"


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


@pytest.fixture(scope="session")
def upstream_session():
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    return sqlite_template(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def migrated_database(postgres_session, tmp_path_factory):
    return postgres_template(postgres_session, tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def sites(request, upstream_session, migrated_file, tmp_path_factory):
    """``sites(topology)`` is a site without a process yet, on a new database."""

    with ExitStack() as stack:

        def site(topology="memory"):
            folder = tmp_path_factory.mktemp(topology)
            redis = request.getfixturevalue("redis_session") if topology.startswith("redis") else None
            if topology.endswith("postgres"):
                template = request.getfixturevalue("migrated_database")
                database = Postgres(request.getfixturevalue("postgres_session"), template)
            else:
                database = Sqlite(folder, migrated_file)
            return stack.enter_context(site_of(folder, database, upstream_session, redis))

        yield site


@pytest.fixture(scope="session", params=TOPOLOGIES)
def running_site(request, sites):
    """The site of a topology, for all tests of the run."""
    topology = request.param
    if TOPOLOGIES[topology] > 1 and "REDIS_URL" not in DEFAULTS:
        pytest.skip("logs that are shared through Redis are still to come: there is no CHAT['REDIS_URL']")
    site = sites(topology)
    for _ in range(TOPOLOGIES[topology]):
        site.add()
    return site


@pytest.fixture
def site(running_site):
    """The site of a topology, well before each test."""
    running_site.mend()
    return running_site


@pytest.fixture(scope="session")
def one_process(sites):
    """A site of one process, which the tests of the model's side share."""
    site = sites()
    site.add()
    return site


@pytest.fixture
async def visitor(site):
    async with Visitor.of(site[0]) as visitor:
        yield visitor
