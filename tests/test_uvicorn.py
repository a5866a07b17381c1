"""uvicorn's protocol with the app's limits, between a scripted transport and a scripted application."""

import asyncio
from types import SimpleNamespace

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from chat.uvicorn import LARGEST, PROGRESS, RENEWALS, SLOWEST, GuardedProtocol, text_frame
from tests.faults.attacks import CONTINUATION, PING, TEXT, frame
from tests.support.upstream import eventually

UPGRADE = (
    b"GET /ws/chat/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Transport(asyncio.Transport):
    """A connection that records what the protocol does to it."""

    def __init__(self):
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written = b""
        self.reading = True
        self.closed = asyncio.Event()
        self.aborted = asyncio.Event()
        self.http = SimpleNamespace(parser=self)

    def get_protocol(self):
        return self.http

    def write(self, data):
        self.written += data

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_closing(self):
        return self.closed.is_set()

    def close(self):
        self.closed.set()

    def abort(self):
        self.aborted.set()
        self.close()


class Application:
    """An application that takes a message whenever the test allows it."""

    def __init__(self):
        self.taken = []
        self.more = asyncio.Semaphore(0)
        self.close = asyncio.Event()

    async def __call__(self, scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        taking = asyncio.create_task(self._take(receive))
        await self.close.wait()
        taking.cancel()
        await send({"type": "websocket.close", "code": 4400})

    async def _take(self, receive):
        while True:
            await self.more.acquire()
            self.taken.append(await receive())


@pytest.fixture
async def connection(settings):
    settings.CHAT = {"FRAME_RATE": 10.0, "FRAME_TIMEOUT": 0.05}
    app, transport = Application(), Transport()
    config = Config(app, ws=GuardedProtocol, ws_ping_interval=None, ws_max_size=2**23, log_config=None)
    config.load()
    config.loaded_app = app
    protocol = GuardedProtocol(config, ServerState(), {})
    protocol.connection_made(transport)
    protocol.data_received(UPGRADE)
    await eventually(lambda: protocol.handshake_complete)
    yield SimpleNamespace(app=app, transport=transport, protocol=protocol)
    app.close.set()
    for task in list(protocol.tasks):
        await task
    protocol.connection_lost(None)


async def taken(connection, count):
    for _ in range(count):
        connection.app.more.release()
    await eventually(lambda: len(connection.app.taken) >= count)
    return [message["text"] for message in connection.app.taken]


async def test_the_http_protocol_before_it_needs_no_garbage_collection(connection):
    assert connection.transport.http.parser is None


async def test_messages_come_whole_and_in_order_however_they_are_cut(connection):
    texts = [f"{number} " * 700 for number in range(20)]
    stream = b"".join(frame(text.encode()) for text in texts)
    for begin in range(0, len(stream), 999):
        connection.protocol.data_received(stream[begin : begin + 999])
    assert await taken(connection, 20) == texts


async def test_a_long_message_is_read_in_ever_longer_pieces(connection, monkeypatch):
    sizes = []
    fed = connection.protocol.conn.receive_data
    monkeypatch.setattr(connection.protocol.conn, "receive_data", lambda data: sizes.append(len(data)) or fed(data))
    text = "x" * 2**22
    connection.protocol.data_received(frame(text.encode()))
    assert await taken(connection, 1) == [text]
    assert max(sizes) == LARGEST
    assert len(sizes) < 30


@pytest.mark.parametrize("opcode", [TEXT, PING])
async def test_a04_only_a_little_of_a_flood_is_parsed_at_once_and_reading_stops(connection, opcode):
    flood = frame(b"", opcode) * 40_000
    connection.protocol.data_received(flood)
    assert len(connection.protocol._unread) > len(flood) - 16_384
    assert not connection.transport.reading


async def test_a04_frames_after_a_close_are_not_parsed_faster(connection):
    connection.protocol.data_received(frame(b"") * 40_000)
    connection.app.close.set()
    await eventually(lambda: connection.protocol.close_sent)
    assert len(connection.protocol._unread) > 200_000
    assert not connection.transport.reading


async def test_a04_a_closed_socket_has_two_seconds_and_not_ten(connection):
    assert connection.protocol.close_timeout == 2.0


@pytest.mark.parametrize(
    "begun",
    [frame(b"x" * 100, length=200), frame(b"x", final=False), frame(b"")[:1]],
    ids=["a frame", "fragments", "a head"],
)
async def test_a10_a_message_that_does_not_end_ends_its_connection(connection, begun):
    connection.protocol.data_received(begun)
    async with asyncio.timeout(5):
        await connection.transport.closed.wait()


async def test_a10_progress_renews_the_deadline_of_a_long_message_but_not_for_ever(connection):
    protocol = connection.protocol
    protocol.data_received(frame(b"", length=2**23))
    deadlines = set()
    for _ in range(2 * RENEWALS):
        deadlines.add(protocol._deadline)
        protocol.data_received(b"x" * PROGRESS)
    assert len(deadlines) == RENEWALS + 1
    async with asyncio.timeout(5):
        await connection.transport.closed.wait()


async def test_a10_pings_between_fragments_do_not_renew_the_deadline(connection):
    connection.protocol.data_received(frame(b"x", final=False))
    deadline = connection.protocol._deadline
    connection.protocol.data_received(frame(b"", PING))
    connection.protocol.data_received(frame(b"y", CONTINUATION, final=False))
    assert connection.protocol._deadline is deadline


async def test_a10_each_message_has_its_own_deadline(connection):
    connection.protocol.data_received(frame(b"x", final=False))
    first = connection.protocol._deadline
    connection.protocol.data_received(frame(b"y", CONTINUATION))
    assert first.cancelled()
    assert await taken(connection, 1) == ["xy"]
    connection.protocol.data_received(frame(b"x", final=False))
    assert connection.protocol._deadline not in (None, first)


async def test_a_message_that_waits_for_its_turn_is_not_late(connection):
    connection.protocol.data_received(frame(b"x") * 4_000 + frame(b"end", length=5))
    assert connection.protocol._unread
    assert connection.protocol._deadline is None


async def test_f46_a_client_that_answers_no_ping_and_reads_nothing_is_dropped_although_more_is_to_be_sent(connection):
    connection.protocol.ping_timeout = 20.0
    connection.protocol.send_keepalive_ping()
    connection.protocol.keepalive_timeout()
    assert connection.transport.aborted.is_set()


async def test_f46_a_client_that_does_not_read_what_was_left_for_it_is_dropped(connection):
    connection.app.close.set()
    async with asyncio.timeout(5):
        await connection.transport.aborted.wait()


async def test_f47_the_ping_of_a_slow_client_may_wait_behind_what_it_reads(connection, monkeypatch):
    received = iter([0, 20 * SLOWEST, 40 * SLOWEST, 60 * SLOWEST - 1])
    monkeypatch.setattr("chat.uvicorn.received_by", lambda transport: next(received))
    connection.protocol.ping_timeout = 20.0
    connection.protocol.send_keepalive_ping()
    for _ in range(2):
        connection.protocol.keepalive_timeout()
        assert not connection.transport.closed.is_set()
    connection.protocol.keepalive_timeout()
    assert connection.transport.aborted.is_set()


async def test_a04_pings_in_small_pieces_are_not_read_faster(connection):
    for _ in range(200):
        connection.protocol.data_received(frame(b"", PING) * 40)
    assert len(connection.protocol._unread) > 150 * len(frame(b"", PING) * 40)
    assert not connection.transport.reading


async def test_a04_bytes_are_read_at_a_rate_after_a_close_too(connection):
    connection.app.close.set()
    await eventually(lambda: connection.protocol.close_sent)
    connection.protocol.data_received(frame(b"x" * 8_000_000) * 3)
    assert len(connection.protocol._unread) > 10_000_000
    assert not connection.transport.reading


async def test_a04_reading_continues_after_a_pause_with_nothing_left_to_read(connection):
    connection.protocol._bucket.take(connection.protocol.loop.time(), 51)
    connection.protocol.data_received(frame(b"", PING))
    assert not connection.transport.reading
    await eventually(lambda: connection.transport.reading)
    connection.protocol.data_received(frame(b"x"))
    assert await taken(connection, 1) == ["x"]


async def test_a10_a_flood_of_pings_does_not_renew_the_deadline(connection):
    connection.protocol.data_received(frame(b"x", final=False))
    deadline = connection.protocol._deadline
    connection.protocol.data_received(frame(b"", PING) * 1_000)
    assert connection.protocol._deadline is deadline
    assert not deadline.cancelled()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_text_is_framed_as_websockets_does_it(size):
    text = "ö" * (size // 2) + "a" * (size % 2)
    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def test_a_text_is_written_at_once_only_while_the_client_reads_and_the_socket_is_open(connection):
    protocol, transport = connection.protocol, connection.transport
    transport.written = b""
    assert protocol.write_text("one")
    protocol.pause_writing()
    assert not protocol.write_text("two")
    protocol.resume_writing()
    assert protocol.write_text("three")
    connection.app.close.set()
    await eventually(lambda: protocol.close_sent)
    assert not protocol.write_text("four")
    assert transport.written.startswith(text_frame("one") + text_frame("three"))
    assert text_frame("four") not in transport.written
