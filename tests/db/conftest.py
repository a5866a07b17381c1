"""A real PostgreSQL beside the tests' SQLite."""

import pytest
from django.core.management import call_command
from django.db import connections

from chat.models import Conversation, Process, Usage
from tests.faults.services import postgres_server


class ToPostgres:
    """Sends every query to the PostgreSQL of the test."""

    def db_for_read(self, model, **hints):
        return "postgres"

    db_for_write = db_for_read

    def allow_migrate(self, *args, **hints):
        return True


@pytest.fixture(scope="module")
def postgres(django_db_setup, django_db_blocker):
    """Start and migrate a PostgreSQL, as another database of the site, without ``django.contrib.postgres``."""
    with postgres_server() as server, django_db_blocker.unblock():
        with server.connect() as connection:
            address = connection.info.get_parameters()
        entry = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "OPTIONS": {}, "CONN_MAX_AGE": None}
        entry |= {"HOST": address["host"], "USER": "postgres", "PASSWORD": "", "PORT": ""}
        connections.settings["postgres"] = {**connections.settings["default"], **entry}
        call_command("migrate", database="postgres", verbosity=0)
        yield
        connections["postgres"].close()
        del connections["postgres"], connections.settings["postgres"]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, transactional_db, settings):
    """Run a test on SQLite and on PostgreSQL; return the alias of the database."""
    if request.param == "postgres":
        request.getfixturevalue("postgres")
        settings.DATABASE_ROUTERS = [ToPostgres()]
        Conversation.objects.all().delete()
        Process.objects.all().delete()
        Usage.objects.all().delete()
    return Conversation.objects.db
