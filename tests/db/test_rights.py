"""What the rights of users and sessions depend on, on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.db import rights
from chat.db.rights import look

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def on(database):
    for model in (User, Group, Session):
        model.objects.all().delete()
    return database


@pytest.fixture
def ann():
    return User.objects.create_user("ann", password="secret")


def session(store=SessionStore):
    made = store()
    made["key"] = "value"
    made.save()
    return made.session_key


def fingerprint(user):
    return look([user.pk], []).users[user.pk]


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def permission(number):
    return Permission.objects.order_by("pk")[number]


CHANGES = {
    "deactivated": deactivate,
    "password": lambda user: User.objects.filter(pk=user.pk).update(password="other"),
    "staff": lambda user: User.objects.filter(pk=user.pk).update(is_staff=True),
    "superuser": lambda user: User.objects.filter(pk=user.pk).update(is_superuser=True),
    "another group": lambda user: User.groups.through.objects.filter(user=user).delete(),
    "a permission": lambda user: user.user_permissions.add(permission(3)),
    "another permission": lambda user: user.user_permissions.set([permission(4)]),
    "a permission of a group": lambda user: Group.objects.get().permissions.remove(permission(0)),
    "another permission of a group": lambda user: Group.objects.get().permissions.set([permission(1), permission(2)]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_rights_depend_on_changes_the_fingerprint_of_that_user_alone(ann, change):
    ben = User.objects.create_user("ben")
    editors = Group.objects.create(name="editors")
    editors.permissions.set([permission(0), permission(1)])
    ann.groups.add(editors)
    ann.user_permissions.add(permission(5))
    before, others = fingerprint(ann), fingerprint(ben)
    CHANGES[change](ann)
    assert fingerprint(ann) != before
    assert fingerprint(ben) == others


def test_a_visit_does_not_change_the_fingerprint(ann):
    before = fingerprint(ann)
    User.objects.filter(pk=ann.pk).update(last_login=timezone.now())
    assert fingerprint(ann) == before


def test_users_who_are_not_there_have_no_fingerprint(ann):
    ann.groups.add(Group.objects.create(name="editors"))
    key = ann.pk
    assert set(look([key, key + 1], []).users) == {key}
    User.groups.through.objects.all().delete()
    User.objects.all().delete()
    assert look([key], []).users == {}


def test_sessions_that_were_removed_or_have_expired_are_not_there():
    here, expired = session(), session()
    Session.objects.filter(pk=expired).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert look([], [here, expired, "removed"]).sessions == {here}


def test_users_and_sessions_of_one_database_take_one_query(on, ann):
    keys = [session() for _ in range(3)]
    with CaptureQueriesContext(connections[on]) as queries:
        found = look([ann.pk], keys)
    assert (set(found.users), found.sessions) == ({ann.pk}, set(keys))
    assert len(queries) == 1


def test_more_than_a_batch_is_read_in_several(on, ann, monkeypatch):
    monkeypatch.setattr(rights, "BATCH", 2)
    keys = [session() for _ in range(5)]
    with CaptureQueriesContext(connections[on]) as queries:
        found = look([ann.pk], keys)
    assert (set(found.users), found.sessions) == ({ann.pk}, set(keys))
    assert len(queries) == 3


def test_a_batch_has_no_more_parameters_than_the_database_takes(ann):
    many = range(10**6, 10**6 + rights.BATCH - 1)
    found = look([ann.pk, *many], [f"key{number}" for number in range(rights.BATCH)])
    assert (set(found.users), found.sessions) == ({ann.pk}, set())


class Apart:
    """Keeps sessions in another database than everything else."""

    def db_for_read(self, model, **hints):
        return "postgres" if model is Session else "default"

    db_for_write = db_for_read


def test_sessions_in_another_database_take_a_query_of_their_own(on, postgres, settings):
    if on == "postgres":
        pytest.skip("the users have to be in the other database")
    settings.DATABASE_ROUTERS = [Apart()]
    ann, key = User.objects.create_user("ann"), session()
    with CaptureQueriesContext(connections["default"]) as one, CaptureQueriesContext(connections["postgres"]) as other:
        found = look([ann.pk], [key, "removed"])
    assert (set(found.users), found.sessions) == ({ann.pk}, {key})
    assert (len(one), len(other)) == (1, 1)


@pytest.fixture
def cache(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "rights"}}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    caches["default"].clear()
    return caches["default"]


def test_sessions_in_a_cache_are_asked_for_at_once(cache, monkeypatch):
    keys, asked = [session(CacheStore) for _ in range(3)], []
    ask = type(cache).get_many
    monkeypatch.setattr(type(cache), "get_many", lambda *given: asked.append(given) or ask(*given))
    assert look([], keys).sessions == set(keys), "the first look only tells an outage from an end"
    CacheStore(keys[0]).flush()
    assert look([], keys).sessions == set(keys[1:])
    assert len(asked) == 2


def test_an_emptied_cache_ends_sessions_only_when_it_works_again(cache):
    key = session(CacheStore)
    look([], [key])
    cache.clear()
    assert look([], [key]).sessions == {key}
    assert look([], [key]).sessions == set()


def test_sessions_in_files_are_found(settings, tmp_path, monkeypatch):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    kept, removed = session(FileStore), session(FileStore)
    FileStore(removed).flush()
    assert look([], [kept, removed]).sessions == {kept}


def test_sessions_in_signed_cookies_cannot_be_known(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert look([], ["whatever"]).sessions == {"whatever"}
