"""Fixtures for services and sites: each starts when the first test needs it, and stops at the end of the run."""

import asyncio
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property, partial

import pytest

from tests.faults import pace
from tests.faults.databases import Postgres, Sqlite, postgres_template, sqlite_template
from tests.faults.network import Network
from tests.faults.services import postgres_server, redis_server
from tests.faults.site import site_of
from tests.faults.visitor import Visitor, asking
from tests.support.upstream import running_upstream

TOPOLOGIES = {"memory": 1, "redis-postgres": 2, "redis-sqlite": 2}
"""The number of processes in each topology. ``memory`` keeps its streams in memory and uses SQLite."""


def pytest_report_header():
    time = "in real time" if pace.REAL_TIME else "at a twentieth of real time"
    return f"faults: FAULTS_SEED={pace.SEED}, {time}"


class Services:
    """The Redis and the PostgreSQL of the test run."""

    def __init__(self, stack, folder):
        self._stack = stack
        self._folder = folder

    @cached_property
    def redis(self):
        return self._stack.enter_context(redis_server())

    @cached_property
    def postgres(self):
        return self._stack.enter_context(postgres_server())

    @cached_property
    def migrated_database(self):
        return postgres_template(self.postgres, self._folder)

    @cached_property
    def migrated_file(self):
        return sqlite_template(self._folder)


@pytest.fixture(scope="session")
def services(tmp_path_factory):
    with ExitStack() as stack:
        yield Services(stack, tmp_path_factory.mktemp("services"))


@pytest.fixture
def redis_service(services):
    """Provide an empty, healthy Redis, and mend it before and after each test."""
    services.redis.mend()
    yield services.redis
    services.redis.mend()


@pytest.fixture
def postgres_service(services):
    """Provide a running PostgreSQL, and mend it before and after each test."""
    services.postgres.mend()
    yield services.postgres
    services.postgres.mend()


@pytest.fixture(scope="session")
def upstream():
    """Provide the scripted model that all sites use."""
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def making_sites(services, upstream, tmp_path_factory):
    """Make sites that end with the context, because an idle process still costs 5 % of a core."""

    @contextmanager
    def making():
        with ExitStack() as stack:
            yield partial(make, stack)

    def make(stack, topology="memory"):
        folder = tmp_path_factory.mktemp(topology)
        redis = services.redis if topology.startswith("redis") else None
        if topology.endswith("postgres"):
            database = Postgres(services.postgres, services.migrated_database)
        else:
            database = Sqlite(folder, services.migrated_file)
        return stack.enter_context(site_of(folder, database, upstream, redis))

    return making


@pytest.fixture(scope="session")
def shared_sites(making_sites):
    """Provide ``shared_sites(topology)``: a site without processes on a new database, for the whole run."""
    with making_sites() as make:
        yield make


@pytest.fixture
def sites(making_sites):
    """Provide ``sites(topology)``: a site without processes on a new database, for one test."""
    with making_sites() as make:
        yield make


async def warm(site):
    """Let every process answer once in each format, so that everything created on first use exists."""
    for process in site.processes:
        async with Visitor.of(process) as visitor:
            for view in ("text", "html"):
                tab = await visitor.open(process.port, view)
                await (await tab.ask(asking("ok"))).ended()


@pytest.fixture(scope="session")
def site_of_topology(shared_sites):
    """Provide the running site of a topology, shared by all tests of the run."""

    @cache
    def running(topology):
        site = shared_sites(topology)
        for _ in range(TOPOLOGIES[topology]):
            site.add()
        asyncio.run(warm(site))
        return site

    return running


@pytest.fixture(scope="session", params=["memory", *pace.SHARED])
def running_site(request, site_of_topology):
    """Provide each topology's site; ``parametrize("running_site", [...], indirect=True)`` selects some of them.

    Its processes end after the last test of its topology; a test that needs the site again restarts them with ``mend``.
    """
    site = site_of_topology(request.param)
    yield site
    site.close()


@pytest.fixture
def site(running_site):
    """Provide the site of a topology, mended before each test."""
    running_site.mend()
    return running_site


@pytest.fixture(scope="session")
def one_process(shared_sites):
    """Provide the one-process site that the model-side tests share; some of them wait for its deadlines."""
    site = shared_sites()
    site.add(FIRST_TOKEN_TIMEOUT=pace.MODEL_DEADLINE, DELTA_TIMEOUT=pace.MODEL_DEADLINE)
    asyncio.run(warm(site))
    return site


@pytest.fixture
async def visitor(site):
    async with Visitor.of(site[0]) as visitor:
        yield visitor


@pytest.fixture
async def network(site):
    """Provide a network in front of the site's first process."""
    async with Network(site[0].port) as network:
        yield network


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Run tests that stop PostgreSQL last, because all other sites depend on it."""
    items.sort(key=lambda item: "postgres_service" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add the output of the site's processes to the report of a failure."""
    report = yield
    for site in {item.funcargs.get(name) for name in ("site", "one_process")} - {None} if report.failed else ():
        lines = [line for line in site.log.splitlines() if not line.startswith("INFO: ")]
        report.sections.append(("Output of the site's processes", "\n".join([*lines[:40], "...", *lines[-60:]])))
    return report
