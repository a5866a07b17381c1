"""S06 to S14: foreign origins, mixed-up visitors, forged fields, use without end, a planted key; by a real process."""

import asyncio
import http.client
import json
import socket
import sqlite3
from contextlib import ExitStack, closing

import pytest

from tests.faults import pace
from tests.faults.attacks import CLOSE, bare_socket, handshake
from tests.faults.conftest import warm
from tests.faults.played import begun
from tests.faults.promises import assert_asked, assert_plain_errors, eventually
from tests.faults.site import KEY
from tests.faults.visitor import Visitor, asking, fresh
from tests.support.upstream import running_upstream


@pytest.fixture(scope="module")
def plain(making_sites):
    """Provide a site of one process."""
    with making_sites() as make:
        site = make()
        site.add()
        asyncio.run(warm(site))
        yield site


@pytest.fixture
def site(plain):
    plain.mend()
    return plain


ORIGINS = {
    "its own": ("http://127.0.0.1:{port}", 101),
    "another": ("http://evil.example", 403),
    "null": ("null", 403),
    "absent": (None, 403),
    "empty": ("", 403),
    "look-alike": ("http://127.0.0.1.evil.example:{port}", 403),
    "look-alike at its end": ("http://evil-127.0.0.1:{port}", 403),
    "a user's name": ("http://127.0.0.1:{port}@evil.example", 403),
    "another port": ("http://127.0.0.1:1{port}", 403),
    "no port": ("http://127.0.0.1", 403),
    "another scheme": ("https://127.0.0.1:{port}", 403),
    "another name of the host": ("http://localhost:{port}", 403),
    "two": ("http://127.0.0.1:{port}, http://evil.example", 403),
}


@pytest.mark.parametrize("origin", ORIGINS)
async def test_s06_the_handshake_of_a_page_of_another_site_is_refused(site, origin):
    value, expected = ORIGINS[origin]
    value = value and value.format(port=site[0].port)
    async with Visitor.of(site[0]) as visitor:
        with socket.create_connection(("127.0.0.1", site[0].port), timeout=20) as connection:
            connection.sendall(handshake(site[0], visitor.cookie, Origin=value))
            status = (await asyncio.to_thread(connection.recv, 4_096)).split(b" ")[1]
    assert int(status) == expected


async def test_s08_interleaved_sockets_of_two_users_get_nothing_of_each_other(site):
    count = 100
    async with Visitor.of(site[0]) as ann, Visitor.of(site[0]) as ben:
        for _ in range(count):
            for visitor in (ann, ben):
                await visitor.open(site[0].port)
        chats = [fresh("c") for _ in range(pace.rounds(10, count))]
        asked = {}
        for visitor, name in ((ann, "ann"), (ben, "ben")):
            asked[name] = [
                await tab.ask(asking(f"echo:{name}"), chat) for tab, chat in zip(visitor.tabs, chats, strict=False)
            ]
        for answer in (*asked["ann"], *asked["ben"]):
            assert await answer.ended() == "finish"
        for visitor, name in ((ann, "ann"), (ben, "ben")):
            assert [answer.text.strip() for answer in asked[name]] == [answer.question for answer in asked[name]]
            own = {answer.uid for answer in asked[name]}
            for tab in visitor.tabs:
                await eventually(lambda tab=tab: len(tab.events) >= 2 * len(chats), "an event is missing", wait=20)
                assert {event["message"] for event in tab.events} == own
                assert {answer.uid for answer in tab.answers.values()} <= own
    assert {answer.uid for answer in asked["ann"]}.isdisjoint(answer.uid for answer in asked["ben"])


FORGED = (
    "model",
    "backend",
    "backends",
    "url",
    "baseUrl",
    "base_url",
    "apiBase",
    "apiKey",
    "endpoint",
    "OPENAI_BASE_URL",
)


async def test_s11_no_field_of_a_frame_chooses_the_model_or_its_address(site):
    with running_upstream() as planted:
        async with Visitor.of(site[0]) as visitor:
            tab = await visitor.open(site[0].port)
            forged = dict.fromkeys(FORGED, planted.url)
            models = dict.fromkeys(("model", "modelId", "modelName"), "planted-model")
            answers = []
            for fields in (forged, models, {"backend": {"BACKEND": "os.system", "OPTIONS": forged}}):
                answer = await tab.ask(asking("echo:asked"), **fields)
                await answer.ended()
                answers.append(answer)
                again = await tab.regenerate(answer, fresh("e"), **fields)
                await again.ended()
                user = {"id": fresh("m"), "role": "user", "parts": [{"type": "text", "text": asking("echo:sent")}]}
                await tab.raw(
                    {
                        **{"type": "send", "requestId": fresh("r"), "id": fresh("c"), "trigger": "submit-message"},
                        **{"messages": [{**user, **fields, "metadata": fields}], "headers": fields, "body": fields},
                        **fields,
                    }
                )
                text = user["parts"][0]["text"]
                await eventually(lambda text=text: site.upstream.calls_of(text), "the model was not asked", wait=20)
                assert {call.body["model"] for call in site.upstream.calls_of(text)} == {"as-asked"}
        assert planted.accepted == 0
    for answer in answers:
        assert [call.body["model"] for call in site.upstream.calls_of(answer.question)] == ["as-asked"] * 2
        assert answer.text.strip() == answer.question


async def test_s11_an_assistant_that_the_site_does_not_have_is_refused_and_no_model_is_asked(site):
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        for name in ("planted", "admin", "gpt-4"):
            answer = await tab.ask(asking("ok"), assistant=name)
            assert await answer.ended() == "forbidden"
            assert_asked(site.upstream, answer, times=0)
        path = await tab.ask(asking("ok"), assistant="os.system")
        assert await tab.closed() == 4400
        assert_asked(site.upstream, path, times=0)


async def test_s11_a_redirect_of_the_models_endpoint_is_not_followed(site):
    async with Visitor.of(site[0]) as visitor:
        answer = await (await visitor.open(site[0].port)).ask(asking("redirect"))
        await answer.ended()
    assert answer.code == "upstream"
    assert_asked(site.upstream, answer)
    assert_plain_errors(site, [answer])


async def test_s13_each_limit_refuses_what_is_beyond_it_and_the_model_is_not_asked(sites):
    site = sites()
    limits = {"MAX_MESSAGE_LENGTH": 200, "MAX_HISTORY_LENGTH": 1_000, "MAX_RUNNING_PER_OWNER": 2}
    limits |= {"MAX_SOCKETS_PER_ADDRESS": 3, "LIMITS": {"anonymous": {"answers": "8/month"}}}
    site.add(**limits)
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        long = await tab.ask(asking("ok " + 200 * "x"))
        assert await long.ended() == "too_long"
        running = [await begun(site, tab, "So ") for _ in range(2)]
        third = await tab.ask(asking("ok"))
        assert await third.ended() == "too_many_answers"
        for answer, call in running:
            call.finish()
            await answer.ended()
        chat = fresh("c")
        turns = [await tab.ask(asking("echo:" + 100 * "y"), chat)]
        for _ in range(5):
            await turns[-1].ended()
            turns.append(await tab.ask(asking("echo:" + 100 * "y"), chat))
        assert await turns[-1].ended() == "finish"
        beyond = await tab.ask(asking("ok"))
        assert await beyond.ended() == "limit"
        for answer in (long, third, beyond):
            assert_asked(site.upstream, answer, times=0)
        sent = site.upstream.calls_of(turns[-1].question)[0].body["messages"]
        said = sum(len(message["content"]) for message in sent if message["role"] != "system")
        assert 2 * len(turns[-1].question) < said <= 1_000
        with ExitStack() as stack:
            forwarded = {"X-Forwarded-For": "9.9.9.9"}
            *_, last = [stack.enter_context(bare_socket(site[0], visitor.cookie, **forwarded)) for _ in range(4)]
            refusal = await asyncio.to_thread(last.recv, 4_096)
        assert (refusal[0], int.from_bytes(refusal[2:4], "big")) == (0x80 | CLOSE, 4429)


def page(process, cookie, path):
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)
    with closing(connection):
        connection.request("GET", path, headers={"Cookie": cookie})
        return connection.getresponse().read().decode(errors="replace")


LEAKS = ("status:401", "status:500", "status:429", "leak", "leak-first", "leak-header")


@pytest.mark.parametrize("view", ["text", "html"])
async def test_s14_a_key_in_an_error_of_the_models_endpoint_is_found_nowhere(site, view):
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port, view)
        heard = []
        tab.heard = heard.append
        answers = [await tab.ask(asking(behaviour)) for behaviour in LEAKS]
        for answer in answers:
            await answer.ended()
        assert all(KEY in call.head for answer in answers for call in site.upstream.calls_of(answer.question))
        assert len({answer.code for answer in answers} - {None}) > 1
        pages = []
        for answer in answers:
            for name in ("", "print/", "export.md", "export.json", "options/"):
                pages.append(await asyncio.to_thread(page, site[0], visitor.cookie, f"/chat/{answer.chat}/{name}"))
    assert answers[0].question in pages[0]
    frames = json.dumps([heard, tab.events, [answer.frames for answer in answers]])
    with closing(sqlite3.connect(site.database.path)) as connection:
        stored = "\n".join(connection.iterdump())
    assert answers[0].question in stored
    for where, text in {
        "the page": "\n".join(pages),
        "a frame": frames,
        "the database": stored,
        "the log": site.log,
    }.items():
        for secret in (KEY, KEY[3:], site.upstream.url):
            assert secret not in text, f"{secret} in {where}"
