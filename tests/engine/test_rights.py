"""Sockets whose visitors lose the right to them, and those of others, which stay."""

import asyncio
import threading
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import DatabaseError, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils import timezone

from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.db.threads import in_database
from chat.engine import rights as module
from chat.engine.rights import Admission
from chat.models import Conversation
from chat.owners import VISITOR, Owner
from tests.support.sockets import Socket
from tests.support.upstream import eventually

User = get_user_model()


@pytest.fixture
def site(script, settings, served):
    """Provide a process whose heartbeats come 20 times as often as on a real site; return the model."""
    return script


@pytest.fixture
def slow(site, settings):
    """Let heartbeats come so seldom that only a signal can have been the reason."""
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    return site


class Staff(Assistant):
    """Permits itself to those whom Django's permission names, and notes on which threads it was asked."""

    name = "default"
    asked: list[str]

    def has_permission(self):
        self.asked.append(threading.current_thread().name)
        return self.user is not None and self.user.has_perm("auth.view_group")


@pytest.fixture
def staff():
    Staff.asked = []
    with registry.replaced(Staff):
        yield Staff


def browser_of(name, **fields):
    """Sign a user in, and return the browser."""
    browser = Client()
    user, created = User.objects.get_or_create(username=name)
    if created:
        user.set_password("secret")
        User.objects.filter(pk=user.pk).update(password=user.password, **fields)
        user.refresh_from_db()
    browser.force_login(user)
    return browser


async def opened(browser):
    return Socket.opened(browser.cookies["sessionid"].value)


async def pong(socket, request):
    """Let a socket answer a ping, so that everything before it has been handled."""
    await socket.raw(f'{{"type": "ping", "requestId": "{request}"}}')
    assert (await socket.frame(request))["type"] == "pong"


def by_query(**columns):
    return lambda user: User.objects.filter(pk=user.pk).update(**columns)


def change_password(user):
    user.set_password("another")
    user.save()


UNSEEN = {
    "deactivated by a query": by_query(is_active=False),
    "password by a query": by_query(password="another"),
    "deleted by a query": lambda user: User.objects.filter(pk=user.pk)._raw_delete("default"),
    "session removed": lambda user: Session.objects.all()._raw_delete("default"),
}
SEEN = {
    "password": change_password,
    "deleted": lambda user: user.delete(),
    "deleted with others": lambda user: User.objects.filter(pk=user.pk).delete(),
    "deactivated": lambda user: (setattr(user, "is_active", False), user.save()),
}


@pytest.mark.parametrize("change", UNSEEN)
async def test_s05_what_no_signal_tells_closes_the_sockets_within_a_heartbeat(site, change):
    browser = await sync_to_async(browser_of)("ann")
    ben = await sync_to_async(browser_of)("ben") if change != "session removed" else None
    user = await User.objects.aget(username="ann")
    async with await opened(browser) as tab, await opened(browser) as second:
        if ben is None:
            await sync_to_async(UNSEEN[change])(user)
        else:
            async with await opened(ben) as other:
                await sync_to_async(UNSEEN[change])(user)
                assert (await tab.closed())[0] == 4410
                await pong(other, "p")
        assert (await second.closed())[0] == 4410


@pytest.mark.parametrize("change", SEEN)
async def test_s05_what_a_signal_tells_closes_the_sockets_at_once(slow, change):
    browser, ben = await sync_to_async(browser_of)("ann"), await sync_to_async(browser_of)("ben")
    user = await User.objects.aget(username="ann")
    async with await opened(browser) as tab, await opened(ben) as other:
        await sync_to_async(SEEN[change])(user)
        assert (await tab.closed())[0] == 4410
        await pong(other, "p")


async def test_s05_a_page_that_connects_again_after_that_is_turned_away(site):
    browser = await sync_to_async(browser_of)("ann")
    async with await opened(browser) as tab:
        await sync_to_async(by_query(is_active=False))(await User.objects.aget())
        await tab.closed()
    async with await opened(browser) as again:
        assert (await again.closed())[0] == 4401


async def test_s05_a_change_that_is_rolled_back_closes_nothing(slow):
    browser = await sync_to_async(browser_of)("ann")

    def fail():
        with pytest.raises(LookupError), transaction.atomic():
            change_password(User.objects.get())
            raise LookupError

    async with await opened(browser) as tab:
        await sync_to_async(fail)()
        await pong(tab, "p")


async def test_s05_the_session_of_a_visitor_ends(site, connect):
    tab, other = await connect("ann"), await connect("ben")
    key = next(found.pk for found in await sync_to_async(list)(Session.objects.all()) if is_of(found, "ann"))
    await Session.objects.filter(pk=key).adelete()
    assert (await tab.closed())[0] == 4410
    await pong(other, "p")


def is_of(session, visitor):
    return session.get_decoded().get(VISITOR) == visitor


async def test_s05_a_session_that_gets_another_key_lets_its_page_connect_again(site):
    """As in the browser in which a user changes the password."""
    browser = await sync_to_async(browser_of)("ann")
    async with await opened(browser) as tab:
        await sync_to_async(cycle)(browser)
        assert (await tab.closed())[0] == 4410
    async with await opened(browser) as again:
        await pong(again, "p")


def cycle(browser):
    session = browser.session
    session.cycle_key()
    session.save()
    browser.cookies["sessionid"] = session.session_key


async def permit(name, *, by="group"):
    """Permit a user to view groups, directly or by a group."""
    user = await User.objects.aget(username=name)
    permission = await Permission.objects.aget(codename="view_group")
    if by == "group":
        group, _ = await Group.objects.aget_or_create(name="staff")
        await group.permissions.aadd(permission)
        await user.groups.aadd(group)
    else:
        await user.user_permissions.aadd(permission)
    return user


LOSSES = {
    "the group": ("group", lambda user: user.groups.clear()),
    "the group by a query": ("group", lambda user: User.groups.through.objects.all()._raw_delete("default")),
    "the permission of the group": ("group", lambda user: Group.objects.get().permissions.clear()),
    "the group itself": ("group", lambda user: Group.objects.all().delete()),
    "the permission": ("user", lambda user: user.user_permissions.clear()),
    "superuser by a query": ("superuser", by_query(is_superuser=False)),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_s05_a_lost_permission_closes_the_sockets_of_that_assistant(site, staff, loss):
    by, lose = LOSSES[loss]
    browser = await sync_to_async(browser_of)("ann", is_superuser=by == "superuser")
    ben = await sync_to_async(browser_of)("ben", is_superuser=True)
    user = await permit("ann", by=by) if by != "superuser" else await User.objects.aget(username="ann")
    async with await opened(browser) as tab, await opened(browser) as idle, await opened(ben) as other:
        request = await tab.ask("Why?")
        reply = await site.anext_reply()
        reply.say("Because")
        await tab.chunk(request, "text-delta")
        await other.resume()
        await sync_to_async(lose)(user)
        assert (await tab.closed())[0] == 4403
        await pong(idle, "p")  # it has named no conversation yet
        await pong(other, "p")
        assert not reply.closed.is_set(), "what is paid for goes on"
        reply.finish()
        await eventually(lambda: not user_runs(user))
    assert await Conversation.objects.aget(running=None)


def user_runs(user):
    from chat.engine.engine import engine

    return [run for run in engine().runs.values() if run.conversation[0] == f"user:{user.pk}"]


async def test_s05_another_right_leaves_the_sockets_open_and_is_asked_about_once(slow, staff, served):
    browser = await sync_to_async(browser_of)("ann", is_superuser=True)
    user = await User.objects.aget()
    async with await opened(browser) as tab, await opened(browser) as second:
        for socket in (tab, second):
            request = await socket.resume()
            await socket.rest(request)
        staff.asked.clear()
        await sync_to_async(by_query(is_staff=True))(user)
        await served.rights.look()
        await eventually(lambda: staff.asked)
        await served.rights.look()
        await pong(tab, "p")
        assert len(staff.asked) == 1
        assert staff.asked[0].startswith("chat-tools")


async def test_s05_a_permission_that_cannot_be_found_out_is_asked_again(slow, staff, served, monkeypatch):
    browser = await sync_to_async(browser_of)("ann", is_superuser=True)
    user = await User.objects.aget()
    hangs = asyncio.Event()

    async def hang(_):
        await hangs.wait()
        return False

    async with await opened(browser) as tab:
        await tab.rest(await tab.resume())
        monkeypatch.setattr(Staff, "has_permission", hang)
        monkeypatch.setattr("chat.engine.admission.ADMISSION_WAIT", 0.05)
        await sync_to_async(by_query(is_staff=True))(user)
        await served.rights.look()
        await eventually(lambda: not any(each.is_checked for each in served.rights._admissions))
        await pong(tab, "p")
        hangs.set()
        await served.rights.look()
        assert (await tab.closed())[0] == 4403


async def test_s05_a_check_that_hangs_does_not_hold_up_others_or_the_heartbeat(site, staff, served, monkeypatch):
    ann = await sync_to_async(browser_of)("ann", is_superuser=True)
    ben = await sync_to_async(browser_of)("ben")

    async def hang(assistant):
        await asyncio.sleep(60)

    async with await opened(ann) as tab, await opened(ben) as other:
        await tab.rest(await tab.resume())
        monkeypatch.setattr(Staff, "has_permission", hang)
        await sync_to_async(by_query(is_staff=True))(await User.objects.aget(username="ann"))
        await eventually(lambda: any(each.is_checked for each in served.rights._admissions))
        await sync_to_async(by_query(is_active=False))(await User.objects.aget(username="ben"))
        assert (await other.closed())[0] == 4410
        await pong(tab, "p")


async def test_s05_a_database_that_is_away_closes_nothing_and_is_logged_once(site, served, monkeypatch, caplog):
    browser = await sync_to_async(browser_of)("ann")
    looks = []

    def fail(*_):
        looks.append(1)
        raise DatabaseError("away")

    async with await opened(browser) as tab:
        monkeypatch.setattr(module, "look", fail)
        await eventually(lambda: len(looks) > 2)
        await pong(tab, "p")
        logged = [record for record in caplog.records if record.name == module.__name__]
        assert len(logged) == 1
        monkeypatch.undo()
        await sync_to_async(by_query(is_active=False))(await User.objects.aget())
        assert (await tab.closed())[0] == 4410


async def test_s05_a_session_that_signs_out_is_turned_away_as_long_as_its_cookie_may_come_back(slow, served):
    """Django sends its signal before it removes the session, and a signed cookie stays valid for ever."""
    browser = await sync_to_async(browser_of)("ann")
    key = browser.cookies["sessionid"].value
    await sync_to_async(browser.post)("/accounts/logout/")
    user = await User.objects.aget()
    await sync_to_async(restore)(key, user)
    async with Socket.opened(key) as tab:
        assert (await tab.closed())[0] == 4401
    served.rights._ended.clear()
    async with Socket.opened(key) as tab:
        await pong(tab, "p")


def restore(key, user):
    data = SessionStore().encode(signed_in(user))
    Session.objects.create(session_key=key, session_data=data, expire_date=timezone.now() + timedelta(days=1))


def signed_in(user):
    """Return what Django's ``login`` puts into a session."""
    backend = "django.contrib.auth.backends.ModelBackend"
    return {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: user.get_session_auth_hash()}


async def test_s05_a_thousand_sockets_take_one_query_a_heartbeat(slow, served, monkeypatch):
    """Of 500 users and 500 visitors, with consumers as in a real process; only the servers' sockets are left out."""
    queries = []
    execute = CursorWrapper.execute

    def counted(cursor, sql, params=None):
        queries.append(sql)
        return execute(cursor, sql, params)

    keys = await sync_to_async(thousand)()
    stack = AsyncExitStack()
    sockets = [await stack.enter_async_context(Socket.opened(key)) for key in keys]
    assert len(served.rights._admissions) == 1_000
    monkeypatch.setattr(CursorWrapper, "execute", counted)
    await served.rights.look()
    assert len(queries) == 1, queries
    await in_database(lambda: User.objects.filter(username="user7").update(is_active=False))
    queries.clear()
    await served.rights.look()
    assert "UNION ALL" in queries[0]
    assert (await sockets[7].closed())[0] == 4410
    assert len(served.rights._admissions) == 999
    await stack.aclose()
    queries.clear()
    await served.rights.look()
    assert not queries


def thousand():
    """Make the sessions of 500 users and 500 visitors; return their keys."""
    users = User.objects.bulk_create([User(username=f"user{number}", password="x") for number in range(500)])
    keys = []
    with transaction.atomic():
        for user in users:
            session = SessionStore()
            session.update(signed_in(user))
            session.save()
            keys.append(session.session_key)
        for number in range(500):
            session = SessionStore()
            session[VISITOR] = f"visitor{number}"
            session.save()
            keys.append(session.session_key)
    return keys


def test_an_admission_remembers_the_last_conversations_it_has_named():
    admission = Admission(Owner("visitor:ann"), None, None, ())
    for number in range(25):
        admission.use(f"c{number}", "default", "")
    admission.use("c5", "support", "")
    assert len(admission.used) == module.MAX_USED
    assert list(admission.used)[-1] == "c5"
    assert "c6" in admission.used and "c4" not in admission.used
