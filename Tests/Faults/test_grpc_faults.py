"""gRPC where one side does not do its part: readers that stop, servers that take nothing, connections that die
under many calls."""

import contextlib
import queue
import threading
import time

import h2.exceptions
import pytest

from harness import sockets
from harness.gateway import listener, settings
from harness.grpc_wire import begin, call, message, messages, status
from harness.http2 import Code, Setting, data, window_update
from harness.http2_ends import Client
from harness.http2_origin import Gone, Origin, Peer

OK, DEADLINE, UNAVAILABLE = 0, 4, 14


@pytest.fixture
def origin():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def shared(*endpoints: str, **cluster) -> dict:
    public = listener(http2={"max_concurrent_streams": 1000})
    return settings(*endpoints, listeners=[public], clusters={"up": {"protocol": "http2", **cluster}})


SERVICE = {"name": "grpc", "match": {"grpc": "demo.S/*"}, "target": {"cluster": "up"}}


def answer(peer: Peer, stream: int, body: bytes) -> None:
    peer.start(stream, 200, ("content-type", "application/grpc"))
    peer.send(stream, message(body))
    peer.trailers(stream, ("grpc-status", "0"))


def test_a_deadline_comes_to_a_client_that_does_not_read(stage, origin):
    """The upstream is let go at once; what the client had not taken still comes, then the status."""
    requests: queue.Queue = queue.Queue()

    def play(peer: Peer):
        request = peer.head(30)
        requests.put(request)
        peer.start(request.stream, 200, ("content-type", "application/grpc"))
        with contextlib.suppress(h2.exceptions.ProtocolError, Gone):
            while request.reset is None:
                peer.send(request.stream, message(b"x" * 16_000))
        peer.hold(10)

    gateway = stage.gateway(shared(origin(play).address), [SERVICE])
    with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 50_000}, consume=False) as client:
        stream = begin(client, "/demo.S/M", ("grpc-timeout", "700m"), body=message(b""))
        request = requests.get(timeout=5)
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 5, "CANCEL upstream")
        assert not stream.ended
        client.consume = True
        client.send(window_update(0, 10 << 20), window_update(stream.number, 10 << 20))
        assert status(client.finish(stream))[0] == DEADLINE


def test_a_deadline_comes_while_the_server_takes_nothing(stage, origin):
    requests: queue.Queue = queue.Queue()

    def play(peer: Peer):
        requests.put(peer.head(30))
        peer.hold(20)

    gateway = stage.gateway(shared(origin(play, credit=False).address), [SERVICE])
    with Client(gateway.address) as client:
        stream = begin(client, "/demo.S/M", ("grpc-timeout", "700m"))
        request = requests.get(timeout=5)
        sender = threading.Thread(target=client.send_body, args=(stream, message(b"x" * 1_000_000), False), kwargs={"timeout": 3})
        before = time.monotonic()
        sender.start()
        sender.join(10)
        assert status(client.finish(stream))[0] == DEADLINE and time.monotonic() - before < 3
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("end", ["closed", "reset", "goaway"])
def test_a_connection_that_dies_ends_each_of_its_calls(stage, origin, begun, end):
    def play(peer: Peer):
        if peer.number > 0:
            return peer.hold(5)
        heads = [peer.request(20) for _ in range(60)]
        if begun:
            for each in heads:
                peer.start(each.stream, 200, ("content-type", "application/grpc"))
                peer.send(each.stream, message(b"first"))
        if end == "goaway":
            peer.go_away(heads[-1].stream, Code.INTERNAL_ERROR)
        time.sleep(0.2)
        peer.close(reset=end == "reset")

    gateway = stage.gateway(shared(origin(play).address), [SERVICE])
    with Client(gateway.address) as client:
        streams = [begin(client, "/demo.S/M", body=message(b"")) for _ in range(60)]
        for each in streams:
            client.finish(each)
            assert status(each)[0] == UNAVAILABLE, each.sections
            assert messages(bytes(each.body)) == ([b"first"] if begun else [])
        assert client.answers() and not client.violations


def test_calls_that_a_goaway_did_not_count_go_elsewhere(stage, origin):
    """The server ends its connection in order: what it had not begun is sent again, and nobody notices."""
    def play(peer: Peer):
        taken = 0
        while True:
            request = peer.request(20)
            taken += 1
            if peer.number == 0 and taken == 3:
                # The third was never looked at.
                peer.go_away(request.stream - 2)
                return peer.hold(5)
            answer(peer, request.stream, str(peer.number).encode())

    gateway = stage.gateway(shared(origin(play).address), [SERVICE])
    with Client(gateway.address) as client:
        got = [call(client, "/demo.S/M") for _ in range(6)]
        assert [status(each)[0] for each in got] == [OK] * 6
        assert [messages(bytes(each.body)) for each in got] == [[b"0"]] * 2 + [[b"1"]] * 4


def test_deadlines_of_thousands_of_waiting_calls(stage, origin):
    """One connection with one stream, taken; all others wait for it until their time is over."""
    taken: queue.Queue = queue.Queue()

    def play(peer: Peer):
        taken.put(peer.head(30))
        peer.hold(30)

    gateway = stage.gateway(
        shared(origin(play).address, pool={"connections": 1, "pending": 5000}, http2={"max_concurrent_streams": 1}),
        [{**SERVICE, "timeouts": {"queue": "30s"}}])
    with Client(gateway.address, timeout=20) as client:
        begin(client, "/demo.S/M", body=message(b""))
        taken.get(timeout=5)
        for _ in range(4):
            streams = [begin(client, "/demo.S/M", ("grpc-timeout", f"{50 + i % 400}m"), body=message(b"")) for i in range(900)]
            for each in streams:
                assert status(client.finish(each))[0] == DEADLINE
        assert client.answers() and not client.violations
        assert taken.empty()


def test_an_upload_that_stops_halfway_holds_nothing_up(stage, origin):
    def play(peer: Peer):
        while True:
            request = peer.request(30)
            answer(peer, request.stream, b"ok")

    gateway = stage.gateway(shared(origin(play).address), [SERVICE])
    with Client(gateway.address) as client:
        halves = [begin(client, "/demo.S/M") for _ in range(50)]
        for each in halves:
            client.send(data(each.number, message(b"x" * 100)[:50]))
        assert messages(bytes(call(client, "/demo.S/M").body)) == [b"ok"]
        for each in halves:
            client.send(data(each.number, message(b"x" * 100)[50:], True))
        for each in halves:
            assert status(client.finish(each))[0] == OK
