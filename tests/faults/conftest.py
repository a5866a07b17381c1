"""The services and the sites, each started when the first test needs it, and ended with the run."""

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
"""How many processes each has. The first keeps its logs in memory, on SQLite."""


def pytest_report_header():
    time = "in real time" if pace.REAL_TIME else "at a twentieth of real time"
    return f"faults: FAULTS_SEED={pace.SEED}, {time}"


class Services:
    """The Redis and the PostgreSQL of the run."""

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
    """A Redis that is empty and well, before each test and after it."""
    services.redis.mend()
    yield services.redis
    services.redis.mend()


@pytest.fixture
def postgres_service(services):
    """A PostgreSQL that runs, before each test and after it."""
    services.postgres.mend()
    yield services.postgres
    services.postgres.mend()


@pytest.fixture(scope="session")
def upstream():
    """The scripted model of all sites."""
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def making_sites(services, upstream, tmp_path_factory):
    """Make sites that end when the context ends: a process that does nothing still costs 5 % of a core."""

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
    """``shared_sites(topology)`` is a site without a process yet, on a new database; it ends with the run."""
    with making_sites() as make:
        yield make


@pytest.fixture
def sites(making_sites):
    """The same; it ends with the test."""
    with making_sites() as make:
        yield make


async def warm(site):
    """Let every process answer once in each view, so that what it makes on first use is there."""
    for process in site.processes:
        async with Visitor.of(process) as visitor:
            for view in ("text", "html"):
                tab = await visitor.open(process.port, view)
                await (await tab.ask(asking("ok"))).ended()


@pytest.fixture(scope="session")
def site_of_topology(shared_sites):
    """The site of a topology, for all tests of the run."""

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
    """Each topology's site; ``parametrize("running_site", [...], indirect=True)`` chooses some of them.

    Its processes end with the last test of its kind; whoever needs it once more mends it.
    """
    site = site_of_topology(request.param)
    yield site
    site.close()


@pytest.fixture
def site(running_site):
    """The site of a topology, well before each test."""
    running_site.mend()
    return running_site


@pytest.fixture(scope="session")
def one_process(shared_sites):
    """A site of one process, which the tests of the model's side share; some of them wait for its deadlines."""
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
    """A network before the site's first process."""
    async with Network(site[0].port) as network:
        yield network


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Who stops PostgreSQL comes last: the sites of all others stand on it."""
    items.sort(key=lambda item: "postgres_service" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show with a failure what the processes of its site had to say."""
    report = yield
    for site in {item.funcargs.get(name) for name in ("site", "one_process")} - {None} if report.failed else ():
        lines = [line for line in site.log.splitlines() if not line.startswith("INFO: ")]
        report.sections.append(("What the site's processes said", "\n".join([*lines[:40], "...", *lines[-60:]])))
    return report
