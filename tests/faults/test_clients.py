"""F46 to F52: clients that do not read, read slowly, send too much, only connect, or wait for a slow database."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from contextlib import AsyncExitStack, ExitStack
from statistics import mean

import pytest

from chat.consumers import PATIENCE
from tests.faults import pace
from tests.faults.attacks import CLOSE, PING, PONG, TEXT, bare_socket, closed_with, frame, handshake, held
from tests.faults.conftest import warm
from tests.faults.played import begun, let_go
from tests.faults.promises import MEGABYTE, assert_shown_as_stored, assert_unnoticed, back_at_base, eventually
from tests.faults.visitor import Answer, Visitor, asking, fresh

SILENT = 20
"""How many clients follow an answer of 2 MB and do not read: one that is buffered whole for each takes 50 MB."""

LONG = "table:2000000:|x|"
KEPT = SILENT * MEGABYTE
"""How much memory all of them may cost; it is a fifth of the target, because what a process needs varies by 15 MB."""

WITHIN = 40.0 if pace.REAL_TIME else 5.0
"""How long a client that does not read may keep its socket, in seconds."""


@pytest.fixture(scope="module")
def patient(making_sites):
    """Provide a site that expects a pong within two seconds, in real time within the 40 s of ``scripts/serve.py``."""
    with making_sites() as make:
        site = make()
        site.add("uvicorn" if pace.REAL_TIME else "impatient", MAX_ANSWER_LENGTH=4_000_000, STREAM_RETENTION=60.0)
        asyncio.run(warm(site))
        yield site


def resume(chat, view="text"):
    """Return the frame with which a client follows the answer of a conversation."""
    return frame(json.dumps({"type": "resume", "requestId": "r", "id": chat, "body": {"view": view}}).encode())


@contextlib.asynccontextmanager
async def peak_of(process):
    """Yield a list whose only number is the most memory that a process has had since, in bytes."""
    server, peak = process.observed(), [0]

    async def watch():
        while True:
            peak[0] = max(peak[0], server.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        watching.cancel()


async def followed_to_the_end(site, tab, clients, *, read):
    """Let clients follow an answer that they read or not; return it, and how much memory the process had at most."""
    chat = fresh("c")
    async with peak_of(site[0]) as peak:
        answer = await tab.ask(asking(LONG), chat)
        await answer.acknowledged()
        for client in clients:
            client.sendall(resume(chat))
        reading = [asyncio.create_task(asyncio.to_thread(drained, client)) for client in clients if read]
        assert await answer.ended() == "finish"
        await asyncio.gather(*reading)
    return answer, peak[0]


def drained(client):
    """Read until the end of an answer has come."""
    last = b""
    while b'"type":"end"' not in last:
        last = last[-64:] + client.recv(MEGABYTE)


async def test_f46_clients_that_stop_reading_cost_little_memory_and_are_closed_and_a_resume_gives_all(patient):
    site = patient
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        usual = 0
        for _ in range(4):  # the process keeps the streams of answers for a while
            _, usual = await followed_to_the_end(site, tab, [], read=True)
        with ExitStack() as stack:
            clients = [stack.enter_context(bare_socket(site[0], visitor.cookie, narrow=True)) for _ in range(SILENT)]
            answer, peak = await followed_to_the_end(site, tab, clients, read=False)
            assert peak - usual < KEPT, f"{(peak - usual) / MEGABYTE:.1f} MB more"
            assert held(site[0], clients) == SILENT
            await eventually(lambda: not held(site[0], clients), "a socket stayed open", wait=WITHIN)
        again = await visitor.open(site[0].port)
        late = await again.join(answer.chat, answer.question)
        assert await late.ended() == "finish"
    assert len(answer.text) == len(late.text) == 2_000_000
    assert_shown_as_stored(site, answer, late)


@pytest.fixture(scope="module")
def site(making_sites):
    """Provide a site of one process with the default limits on frames."""
    with making_sites() as make:
        site = make()
        site.add(FRAME_RATE=20.0, MAX_SOCKETS_PER_ADDRESS=CAP)
        asyncio.run(warm(site))
        yield site


CAP = pace.rounds(50, 500)
SLOW = 1_000 if pace.REAL_TIME else 30_000
"""The bytes that a slow client reads in a second."""

PARAGRAPHS = 120
"""Of 2 kB each: more than what is on its way to a slow client, which is up to 100 kB."""

ROOM = pace.longer(0.15, 1.0)
"""The pause of another visitor's answer that is allowed on a busy machine, in seconds."""


@contextlib.asynccontextmanager
async def others_served(site):
    """Check I7: another visitor's answers keep their pace until the context ends."""
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        calm = await tab.ask(asking("paced:100:50"))
        await calm.ended()
        over = asyncio.Event()

        async def ask():
            while True:
                answer = await tab.ask(asking("paced:100:50"))
                assert await answer.ended() == "finish"
                assert_unnoticed(calm, answer, ROOM)
                if over.is_set():
                    return

        asks = asyncio.create_task(ask())
        yield
        over.set()
        await asks


def read_slowly(connection, rate):
    """Read the frames of a request to its end, at so many bytes a second; return them with their sizes."""
    found, data, begun, read = [], b"", time.monotonic(), 0
    while not any(each["type"] == "end" for each, _ in found[-3:]):
        piece = connection.recv(rate // 10)
        assert piece, f"closed after {read} bytes and {time.monotonic() - begun:.1f} s"
        data, read = data + piece, read + len(piece)
        time.sleep(max(0.0, begun + read / rate - time.monotonic()))
        while (size := frame_size(data)) and len(data) >= size:
            payload = data[size - payload_size(data) : size]
            if data[0] == 0x80 | TEXT:
                found.append((json.loads(payload), size))
            elif data[0] == 0x80 | PING:
                connection.sendall(frame(payload, PONG))
            data = data[size:]
    return found


def payload_size(data):
    """Return the length of the payload of a server's frame (RFC 6455, section 5.2), of which the head is there."""
    short = data[1]
    wide = {126: 2, 127: 8}.get(short, 0)
    return int.from_bytes(data[2 : 2 + wide], "big") if wide else short


def frame_size(data):
    """Return the length of the first frame, or 0 if its head is not there yet."""
    head = 2 + {126: 2, 127: 8}.get(data[1], 0) if len(data) > 1 else 2
    return head + payload_size(data) if len(data) >= head and len(data) > 1 else 0


async def test_f47_a_slow_client_gets_fewer_and_larger_frames_the_whole_text_and_delays_nobody(patient):
    site = patient
    async with Visitor.of(site[0]) as visitor, others_served(site):
        tab = await visitor.open(site[0].port, "html")
        with bare_socket(site[0], visitor.cookie, narrow=True) as connection:
            connection.settimeout(30)
            answer, call = await begun(site, tab, chat=fresh("c"))
            connection.sendall(resume(answer.chat, "html"))
            reading = asyncio.create_task(asyncio.to_thread(read_slowly, connection, SLOW))
            for number in range(PARAGRAPHS):
                call.say(f"{number} {'word ' * 400}\n\n")
                await asyncio.sleep(0.01)
            call.finish()
            frames = await reading
        assert await answer.ended() == "finish"
    slow = Answer(answer.chat, answer.question, answer.message)
    for each, _ in frames:
        if each["requestId"] == "r":
            slow.take(each)
    assert slow.page.blocks(answer.uid) == answer.page.blocks(answer.uid)
    assert_shown_as_stored(site, answer, slow)
    usual, sizes = [len(json.dumps(each)) for each in answer.frames], [size for _, size in frames]
    assert len(sizes) < len(usual) - 10, f"{len(sizes)} frames, and {len(usual)} for a fast client"
    assert mean(sizes) > mean(usual)


def ping_of(length):
    return frame(json.dumps({"type": "ping", "requestId": "a", "more": "x" * length}).encode())


@contextlib.contextmanager
def sending(connection, data, pause):
    """Send the same data again and again with pauses, in seconds, until the context ends or the server has closed."""
    over = threading.Event()

    def send():
        left = data
        with contextlib.suppress(OSError), connection.dup() as sender:
            sender.settimeout(0.5)
            while not over.wait(pause):
                with contextlib.suppress(TimeoutError):
                    left = left[sender.send(left) :] or data

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


FLOODS = {"large": (ping_of(60_000), 0.0), "thousand": (ping_of(0) * 10, 0.01)}
"""Data, and the pause between two pieces: frames of 60 kB as fast as they go, and 1,000 small ones a second."""


async def test_f48_floods_are_closed_with_a_code_and_delay_nobody(site):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(others_served(site))
        attackers = []
        for data, pause in FLOODS.values():
            visitor = await stack.enter_async_context(Visitor.of(site[0]))
            connection = stack.enter_context(bare_socket(site[0], visitor.cookie))
            connection.settimeout(2 * PATIENCE)
            stack.enter_context(sending(connection, data, pause))
            attackers.append(connection)
        codes = await asyncio.gather(*(asyncio.to_thread(closed_with, each) for each in attackers))
        assert codes == [4429] * len(FLOODS)


async def test_f48_a_frame_over_the_limit_is_closed_with_a_code(site):
    async with Visitor.of(site[0]) as visitor, others_served(site):
        with bare_socket(site[0], visitor.cookie) as connection:
            connection.sendall(frame(b"", length=8 * MEGABYTE + 1))
            assert await asyncio.to_thread(closed_with, connection) == 1009


async def test_f49_silent_sockets_of_one_address_are_few_and_others_are_served(site):
    many = pace.rounds(200, 5_000)
    async with Visitor.of(site[0]) as visitor:
        with ExitStack() as stack:
            kept = []
            for _ in range(many):
                opened = ExitStack()
                forwarded = {"X-Forwarded-For": "9.9.9.9"}
                opening = bare_socket(site[0], visitor.cookie, **forwarded)
                connection = await asyncio.to_thread(opened.enter_context, opening)
                if len(kept) < CAP:
                    stack.push(opened)
                    kept.append(connection)
                else:
                    with opened:
                        refusal = await asyncio.to_thread(connection.recv, 4_096)
                        assert (refusal[0], int.from_bytes(refusal[2:4], "big")) == (0x80 | CLOSE, 4429)
            assert held(site[0], kept) == CAP
            ok = await (await visitor.open(site[0].port)).ask(asking("ok"))
            assert await ok.ended() == "finish"


STAGES = ("nothing", "half a request", "a request", "an open socket")
"""What a client that resets its connection has sent or seen before."""


def connect_and_reset(process, cookie, stage):
    """Open a connection as far as ``stage`` says, and reset it."""
    linger = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if stage == "an open socket":
        with bare_socket(process, cookie) as connection:
            connection.setsockopt(*linger)
        return
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as connection:
        connection.setsockopt(*linger)
        request = handshake(process, cookie)
        connection.sendall({"nothing": b"", "half a request": request[: len(request) // 2]}.get(stage, request))


async def test_f51_connects_and_resets_leave_nothing_behind(site):
    async with Visitor.of(site[0]) as visitor:
        for stage in STAGES:
            await asyncio.to_thread(connect_and_reset, site[0], visitor.cookie, stage)
        async with back_at_base(site):
            for number in range(pace.rounds(400, 10_000)):
                stage = STAGES[number % len(STAGES)]
                await asyncio.to_thread(connect_and_reset, site[0], visitor.cookie, stage)
        answer = await (await visitor.open(site[0].port)).ask(asking("ok"))
        assert await answer.ended() == "finish"
    assert "Traceback" not in site.log


SLOWED = """
CREATE FUNCTION slowed() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER slowed BEFORE INSERT ON llm_chat_feedback FOR EACH ROW EXECUTE FUNCTION slowed();
"""
CALLS, WORST = 40, pace.longer(1.0, 2.0)


async def test_f52_a_stop_and_a_question_do_not_wait_for_forty_slow_calls_of_the_database(sites):
    site = sites("redis-postgres")
    site.add()
    with site.database.server.connect(site.database.name) as connection:
        connection.execute(SLOWED)
    async with Visitor.of(site[0]) as visitor, Visitor.of(site[0]) as other:
        tab, theirs = await visitor.open(site[0].port), await other.open(site[0].port)
        rated = []
        for _ in range(CALLS):
            rated.append(await tab.ask(asking("ok")))
            assert await rated[-1].ended() == "finish"
        running, call = await begun(site, theirs, "So ")
        rates = [await visitor.open(site[0].port) for _ in range(2)]
        done = []
        for each in rates:
            each.heard = lambda said: done.append(said) if said["type"] in ("end", "error") else None
        for number, answer in enumerate(rated):
            rate = {"type": "rate", "requestId": f"q{number}", "id": answer.chat, "messageId": answer.uid, "value": 1}
            await rates[number % 2].raw(rate)
        await eventually(lambda: done, "no slow call ended", wait=10)  # the others are waiting by now
        left, began = CALLS - len(done), time.monotonic()
        await theirs.stop(running)
        asked = await theirs.ask(asking("ok"))
        await asyncio.gather(let_go(call, WORST), running.ended(WORST), asked.acknowledged(WORST))
        took = time.monotonic() - began
        await eventually(lambda: len(done) == CALLS, "the slow calls did not end", wait=20)
        assert {each["type"] for each in done} == {"end"}
    assert left > CALLS / 2, "the calls were over before"
    assert took < WORST
