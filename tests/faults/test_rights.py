"""Rights that end while sockets are open, on two processes: S05."""

import asyncio
import contextlib
import http.client
import json
import re
import time
import urllib.parse
import urllib.request

import pytest

from tests.faults import pace
from tests.faults.promises import eventually
from tests.faults.visitor import Tab, Visitor, asking

WITHIN = max(pace.seconds(5.0), 2.0)
"""How long a socket may stay open after its rights have ended, in seconds."""

PEOPLE = {
    "deactivated": 'User.objects.filter(username="deactivated").update(is_active=False)',
    "password": 'User.objects.filter(username="password").update(password="another")',
    "deleted": 'User.objects.filter(username="deleted").delete()',
    "permission": 'Group.objects.get(name="members of permission").permissions.clear()',
    "flag": 'User.objects.filter(username="flag").update(is_superuser=False)',
    "session": 'Session.objects.filter(pk=os.environ["SESSION_KEY"]).delete()',
    "logout": "",
    "others": "",
}
"""Users, and what happens to their rights in the database: code that another process runs."""

IMPORTS = """
import json, os
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
"""
ANN = """
User.objects.filter(username="ann").delete()
User.objects.create_user("ann", None, "correct horse")
"""
SIGN_IN = """
found = {{}}
for name in {names!r}:
    user = User.objects.create(username=name, is_superuser=name == "flag", password="x")
    if name != "flag":
        group = Group.objects.create(name=f"members of {{name}}")
        group.permissions.set(Permission.objects.filter(codename="view_group"))
        user.groups.add(group)
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    found[name] = session.session_key
print(json.dumps(found))
"""


async def shell(site, code):
    """Run code in a process of its own, which has no sockets and sends no events."""
    return await asyncio.to_thread(site[0].manage, "shell", "--no-imports", "-c", IMPORTS + code)


@pytest.fixture
async def sessions(site):
    """Sign all people in; return the keys of their sessions."""
    await shell(site, "Session.objects.all().delete(); User.objects.all().delete(); Group.objects.all().delete()")
    return json.loads((await shell(site, SIGN_IN.format(names=list(PEOPLE)))).splitlines()[-1])


@pytest.fixture
async def tabs(site, sessions):
    """Open a socket of each on each process, in which the assistant has answered."""
    found = {}
    for name, key in sessions.items():
        found[name] = [Tab(f"sessionid={key}") for _ in range(2)]
        for process, tab in zip(site.processes, found[name], strict=False):
            await tab.connect(process.port)
            await (await tab.ask(asking("ok"), assistant="members")).ended()
    yield found
    for pair in found.values():
        for tab in pair:
            await tab.close()


async def codes(tabs, began):
    """Return the codes with which the server closes sockets, which it must do in time."""
    found = [await tab.closed(WITHIN) for tab in tabs]
    assert time.monotonic() - began < WITHIN
    return found


async def still_open(tabs):
    answers = []
    for tab in tabs:
        tab.heard = answers.append
        await tab.raw({"type": "ping", "requestId": "p"})
    await eventually(lambda: len(answers) == len(tabs), "a socket of others does not answer", wait=10)
    assert not any(tab.lost for tab in tabs)


def sign_out(process, key):
    """Sign out in a browser: by the site's form."""
    address, cookie = f"http://127.0.0.1:{process.port}", f"sessionid={key}"
    with urllib.request.urlopen(urllib.request.Request(f"{address}/chat/", headers={"Cookie": cookie})) as response:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.read().decode())[1]
        csrf = re.search(r"csrftoken=\w+", str(response.headers))[0]
    body = urllib.parse.urlencode({"csrfmiddlewaretoken": token}).encode()
    headers = {"Cookie": f"{cookie}; {csrf}"}
    urllib.request.urlopen(urllib.request.Request(f"{address}/accounts/logout/", body, headers)).close()


def sign_in(process, cookies):
    """Sign ann in, in a browser with these cookies: by the site's form. Return the browser's cookies then."""
    jar = {**cookies}

    def requested(method, path, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urllib.parse.urlencode(fields), headers)
        response = connection.getresponse()
        for header in response.headers.get_all("Set-Cookie") or ():
            name, _, value = header.partition(";")[0].partition("=")
            jar[name] = value
        with contextlib.closing(connection):
            return response.status, response.read().decode()

    _, page = requested("GET", "/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    form = {"csrfmiddlewaretoken": token, "username": "ann", "password": "correct horse"}
    assert requested("POST", "/accounts/login/", **form)[0] == 302
    return jar


SHARED = pytest.mark.parametrize("running_site", ["redis-postgres", "redis-sqlite"], indirect=True)


@SHARED
@pytest.mark.parametrize("change", [name for name in PEOPLE if PEOPLE[name]])
async def test_s05_a_right_that_ends_in_the_database_closes_the_sockets_on_every_process(site, sessions, tabs, change):
    code = PEOPLE[change].replace('os.environ["SESSION_KEY"]', repr(sessions["session"]))
    await shell(site, code)
    began = time.monotonic()
    expected = 4403 if change in ("permission", "flag") else 4410
    assert await codes(tabs[change], began) == [expected, expected]
    await still_open(tabs["others"])
    if expected == 4410:
        again = tabs[change][0]
        await again.connect(site[1].port)
        assert await again.closed(WITHIN) == 4401


@SHARED
async def test_s05_signing_out_closes_the_sockets_on_every_process(site, sessions, tabs):
    began = time.monotonic()
    await asyncio.to_thread(sign_out, site[0], sessions["logout"])
    assert await codes(tabs["logout"], began) == [4401, 4401]
    await still_open(tabs["others"])


@pytest.mark.parametrize("running_site", pace.SHARED, indirect=True)
async def test_s05_an_answer_goes_on_that_nobody_may_read_any_more(site, sessions, tabs):
    tab = tabs["deactivated"][0]
    answer = await tab.ask(asking("paced:200:20"), assistant="members")
    await answer.until(lambda: answer.text)
    await shell(site, PEOPLE["deactivated"])
    assert await tab.closed(WITHIN) == 4410
    read = answer.text
    await eventually(lambda: site.message(answer.uid).status == "complete", "the answer did not go on", wait=30)
    assert len(site.message(answer.uid).text) > len(read)


HEARTBEAT = pace.longer(2.0, 0.5)
"""That of a real site, in seconds, in real time."""


def looks(site, offset):
    """Return how often the rights of users and sessions were read since an offset of PostgreSQL's log."""
    lines = site.database.server.log[offset:].splitlines()
    return sum("UNION ALL" in line and '"django_session"' in line for line in lines)


async def test_s05_all_sockets_take_one_query_a_heartbeat_and_those_of_a_session_are_closed_in_time(sites):
    site = sites("redis-postgres")
    site.database.server.log_statements(site.database.name)
    site.add(HEARTBEAT=HEARTBEAT)
    names = [f"user{number}" for number in range(pace.rounds(30, 100))]
    keys = json.loads((await shell(site, SIGN_IN.format(names=names))).splitlines()[-1])
    async with contextlib.AsyncExitStack() as stack:
        tabs = {name: [Tab(f"sessionid={key}") for _ in range(10)] for name, key in keys.items()}
        for found in tabs.values():
            await asyncio.gather(*(tab.connect(site[0].port) for tab in found))
            for tab in found:
                stack.push_async_callback(tab.close)
        await still_open([tab for found in tabs.values() for tab in found])
        offset, began = len(site.database.server.log), time.monotonic()
        await eventually(lambda: looks(site, offset) >= 3, "the rights are not looked at", wait=5 * HEARTBEAT)
        assert looks(site, offset) <= (time.monotonic() - began) / HEARTBEAT + 1, "one query a heartbeat"
        ended = tabs.pop("user7")
        with site.database.server.connect(site.database.name) as connection:
            connection.execute("DELETE FROM django_session WHERE session_key = %s", [keys["user7"]])
        began = time.monotonic()
        assert [await tab.closed(5.0) for tab in ended] == [4410] * 10
        assert time.monotonic() - began < 5.0
        await still_open([tab for found in tabs.values() for tab in found])


@SHARED
async def test_e14_a_visitor_signs_in_on_another_process_than_the_one_that_answers(site):
    await shell(site, ANN)
    async with Visitor.of(site[1]) as visitor:
        tab = await visitor.open(site[1].port)
        cookies = dict(pair.split("=", 1) for pair in (visitor.cookie, tab.socket.response.headers["Set-Cookie"]))
        cookies = {name: value.partition(";")[0] for name, value in cookies.items()}
        answer = await tab.ask(asking("paced:200:20"), "default")
        await answer.until(lambda: answer.text)
        signed_in = await asyncio.to_thread(sign_in, site[0], cookies)
        assert await tab.closed(WITHIN) == 4410
        account = [Tab(f"sessionid={signed_in['sessionid']}") for _ in range(2)]
        for process, each in zip(site.processes, account, strict=False):
            await each.reconnect(process.port)
        joined = await account[0].join("default")
        await joined.ended()
        await eventually(lambda: all(ended(each) for each in account), "the end was not told", wait=10)
        for each in account:
            await each.close()
    assert joined.text == site.message(answer.uid).text
    assert site.message(answer.uid).status == "complete"


def ended(tab):
    return [event["id"] for event in tab.events if event["event"] == "run-ended"] == ["default"]
