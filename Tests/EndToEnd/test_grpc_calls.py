"""Calls through the gateway on gRPC routes: what passes untouched, who hears of a cancel, what is tried again."""

import concurrent.futures
import contextlib
import queue
import threading
import time

import h2.exceptions
import pytest

from harness import sockets
from harness.gateway import listener, settings
from harness.grpc_wire import begin, call, ending, is_trailers_only, message, messages, status
from harness.http2 import Code, data, rst
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer

OK, CANCELLED, EXHAUSTED, UNAVAILABLE = 0, 1, 8, 14


@pytest.fixture
def origin():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def shared(*endpoints: str, **cluster) -> dict:
    public = listener(http2={"max_concurrent_streams": 1000, "resets": {"burst": 1_000_000, "per_second": 100_000}})
    return settings(*endpoints, listeners=[public], clusters={"up": {"protocol": "http2", **cluster}})


def service(**over) -> dict:
    return {"name": "grpc", "match": {"grpc": "demo.S/*"}, "target": {"cluster": "up"}, **over}


def answer(peer: Peer, stream: int, *bodies: bytes, code: str = "0", trailers=()) -> None:
    peer.start(stream, 200, ("content-type", "application/grpc"))
    for body in bodies:
        peer.send(stream, message(body))
    peer.trailers(stream, ("grpc-status", code), *trailers)


def echoing(peer: Peer) -> None:
    while True:
        request = peer.request(60)
        answer(peer, request.stream, bytes(request.body[5:]))


ODD = (("x_under_score", "kept"), ("x-twice", "1"), ("x-twice", "2"), ("raw-bin", "AP+A"), ("raw-bin", "AQ==,Ag"), ("x-empty", ""))


def test_metadata_passes_untouched_both_ways(stage, origin):
    seen = []

    def play(peer: Peer):
        request = peer.request()
        seen.extend(request.fields)
        peer.start(request.stream, 200, ("content-type", "application/grpc+proto"), *ODD)
        peer.send(request.stream, message(b"m"))
        # Names the gateway knows by number are metadata like any other here.
        peer.trailers(request.stream, ("grpc-status", "0"), *ODD, ("retry-after", "1"), ("x-request-id", "a"), ("cache-control", "no-store"), ("user-agent", "b"))

    with Client(stage.gateway(shared(origin(play).address), [service()]).address) as client:
        got = call(client, "/demo.S/M", *ODD, ("grpc-accept-encoding", "gzip"), ("user-agent", "grpc-test/1"))
        expected = [(n.encode(), v.encode()) for n, v in ODD]
        assert [f for f in got.head if f in expected] == expected
        assert got.trailers == [(b"grpc-status", b"0"), *expected, (b"retry-after", b"1"), (b"x-request-id", b"a"), (b"cache-control", b"no-store"), (b"user-agent", b"b")]
        sent = [f for f in seen if f in ODD]
        assert sent == list(ODD) and ("te", "trailers") in seen and ("grpc-accept-encoding", "gzip") in seen and ("user-agent", "grpc-test/1") in seen
        assert not client.violations


@pytest.mark.parametrize("code", ["0", "17", "400", "4294967295", "-1", "abc"])
@pytest.mark.parametrize("alone", [False, True])
def test_any_status_number_passes(stage, origin, code, alone):
    def play(peer: Peer):
        request = peer.request()
        if alone:
            peer.start(request.stream, 200, ("content-type", "application/grpc"), ("grpc-status", code), ("grpc-message", "50%25 %zz"), end=True)
        else:
            answer(peer, request.stream, b"m", code=code, trailers=(("grpc-message", "50%25 %zz"),))

    with Client(stage.gateway(shared(origin(play).address), [service()]).address) as client:
        got = call(client, "/demo.S/M")
        fields = ending(got)
        assert (fields["grpc-status"], fields["grpc-message"]) == (code, "50%25 %zz") and is_trailers_only(got) == alone


class Open:
    """An origin whose calls stay open; the test says what happens to them."""

    def __init__(self, origin, first: bytes | None = b"first"):
        self.calls: queue.Queue = queue.Queue()
        self.first = first
        self.address = origin(self.play).address

    def play(self, peer: Peer) -> None:
        while True:
            request = peer.head(60)
            # A call that has been cancelled meanwhile takes no answer.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                if self.first is not None:
                    peer.start(request.stream, 200, ("content-type", "application/grpc"))
                    peer.send(request.stream, message(self.first))
            self.calls.put(request)


@pytest.mark.parametrize("first", [None, b"first"], ids=["before the head", "after a message"])
def test_a_cancel_reaches_the_upstream(stage, origin, first):
    up = Open(origin, first)
    gateway = stage.gateway(shared(up.address), [service()])
    with Client(gateway.address) as client:
        stream = begin(client, "/demo.S/M")
        client.send(data(stream.number, message(b"x")))
        request = up.calls.get(timeout=5)
        if first:
            assert client.pump(lambda: stream.count > 0)
        client.send(rst(stream.number, Code.CANCEL))
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")
        # A client that is gone altogether cancels what it had.
        begin(client, "/demo.S/M")
        request = up.calls.get(timeout=5)
        client.abort()
    sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")


def test_thousands_of_cancelled_streams_leave_nothing(stage, origin):
    up = Open(origin)
    gateway = stage.gateway(shared(up.address, http2={"max_concurrent_streams": 1000}), [service()])

    def rounds(n: int) -> None:
        with Client(gateway.address) as client:
            for turn in range(n):
                streams = [begin(client, "/demo.S/M", ("grpc-timeout", "20S")) for _ in range(100)]
                if turn % 2:
                    assert client.pump(lambda: all(each.count for each in streams), 20)  # noqa: B023
                client.send(*(rst(each.number) for each in streams))
            assert client.answers(10)

    rounds(10)
    before = gateway.rss()
    rounds(30)
    assert gateway.rss() - before < 6 << 20
    # The connection upstream has survived, and has room.
    with Client(gateway.address) as client:
        stream = begin(client, "/demo.S/M")
        assert client.pump(lambda: stream.count > 0)


@pytest.mark.parametrize("size", [0, 5 << 20])
def test_an_answer_before_the_upload_ends_arrives_whole(stage, origin, size):
    body = bytes(range(256)) * (size // 256)

    def play(peer: Peer):
        while True:
            request = peer.head()
            answer(peer, request.stream, body, code="3")

    with Client(stage.gateway(shared(origin(play).address), [service()]).address, timeout=20) as client:
        for _ in range(3):
            stream = begin(client, "/demo.S/M")
            client.send(data(stream.number, message(b"x" * 100)[:60]))
            client.finish(stream)
            assert status(stream)[0] == 3 and messages(bytes(stream.body)) == [body]
        # A client that goes on sending is stopped, and not told that anything failed.
        assert client.pump(lambda: stream.reset is not None, 5) and stream.reset == Code.NO_ERROR


def test_what_is_provably_unprocessed_is_tried_again(stage, origin):
    left = [1]

    def play(peer: Peer):
        while True:
            request = peer.request()
            if left[0]:
                left[0] -= 1
                peer.reset(request.stream, Code.REFUSED_STREAM)
            else:
                answer(peer, request.stream, b"good")

    with Client(stage.gateway(shared(origin(play).address), [service()]).address) as client:
        assert messages(bytes(call(client, "/demo.S/M", body=message(b"ask")).body)) == [b"good"]


def test_what_may_have_been_processed_is_not(stage, origin):
    asked = []

    def play(peer: Peer):
        asked.append(peer.request())
        peer.close()

    gateway = stage.gateway(shared(origin(play).address), [service(retries=3)])
    with Client(gateway.address) as client:
        assert status(call(client, "/demo.S/M"))[0] == UNAVAILABLE
    assert len(asked) == 1


def test_a_hundred_and_fifty_streams_are_open_at_once(stage, origin):
    gathered = threading.Barrier(150, timeout=20)
    assert gathered.parties == 150

    def play(peer: Peer):
        heads = []
        while len(heads) < 150:
            heads.append(peer.head(20))
        for each in reversed(heads):
            answer(peer, each.stream, str(each.stream).encode())
        peer.hold(5)

    up = origin(play, settings={3: 1000})
    gateway = stage.gateway(shared(up.address, http2={"max_concurrent_streams": 1000}), [service()])
    with Client(gateway.address) as client:
        streams = [begin(client, "/demo.S/M", body=message(b"")) for _ in range(150)]
        for each in streams:
            assert status(client.finish(each, 20))[0] == OK


def test_a_body_limit_is_the_routes_own_wish(stage, origin):
    """Without one a stream of messages may be as long as it likes."""
    gateway = stage.gateway(shared(origin(echoing).address), [
        service(), {"name": "small", "match": {"grpc": "demo.Small/M"}, "target": {"cluster": "up"}, "body_limit": "1KiB"}])
    with Client(gateway.address, timeout=20) as client:
        large = b"x" * (3 << 20)
        assert messages(bytes(call(client, "/demo.S/M", body=message(large)).body)) == [large]
        assert status(call(client, "/demo.Small/M", body=message(large)))[0] == EXHAUSTED


def test_a_limit_met_inside_an_answer_ends_the_call(stage, origin):
    up = Open(origin)
    gateway = stage.gateway(shared(up.address), [service(body_limit="1KiB")])
    with Client(gateway.address) as client:
        stream = begin(client, "/demo.S/M")
        client.send(data(stream.number, message(b"x")))
        assert client.pump(lambda: stream.count > 0)
        client.send(data(stream.number, b"x" * 2000))
        client.finish(stream)
        assert status(stream) == (EXHAUSTED, "the request body is larger than this route allows")
        assert messages(bytes(stream.body)) == [b"first"]
        request = up.calls.get(timeout=5)
        sockets.wait_until(lambda: request.reset == Code.CANCEL, 3, "CANCEL upstream")


def test_a_connection_lost_inside_an_answer_is_said(stage, origin):
    def play(peer: Peer):
        request = peer.request()
        peer.start(request.stream, 200, ("content-type", "application/grpc"))
        peer.send(request.stream, message(b"first"))
        time.sleep(0.2)
        peer.close()

    with Client(stage.gateway(shared(origin(play).address), [service()]).address) as client:
        got = call(client, "/demo.S/M")
        assert status(got) == (UNAVAILABLE, "the upstream's answer was cut short") and messages(bytes(got.body)) == [b"first"]


def test_an_endpoint_that_says_unavailable_is_left_out(stage, origin):
    """A status counts with breakers and ejection as its HTTP counterpart."""
    asked = []

    def play(peer: Peer):
        while True:
            asked.append(request := peer.request())
            answer(peer, request.stream, code="14")

    breaker = {"window": 10, "minimum": 5, "failures": 50, "open": "30s"}
    gateway = stage.gateway(shared(origin(play).address, breaker=breaker), [service()])
    with Client(gateway.address) as client:
        said = [status(call(client, "/demo.S/M"))[1] for _ in range(12)]
    assert said[-1] == "the upstream has failed too often lately" and len(asked) < 10


def test_idle_uploads_are_everyday(stage, origin):
    """`timeouts.body` and `body_rate` of plain routes would cut them."""
    gateway = stage.gateway(shared(origin(echoing).address), [service()])
    with Client(gateway.address) as client:
        streams = [begin(client, "/demo.S/M") for _ in range(3)]
        client.send(data(streams[0].number, message(b"abc")[:6]))
        assert not client.pump(lambda: any(each.ended or each.reset is not None for each in streams), 17)
        client.send(data(streams[0].number, message(b"abc")[6:], True))
        assert messages(bytes(client.finish(streams[0]).body)) == [b"abc"]


def test_many_clients_at_once(stage, origin):
    gateway = stage.gateway(shared(origin(echoing).address), [service()])

    def one(number: int) -> None:
        with Client(gateway.address, timeout=20) as client:
            for turn in range(20):
                body = f"{number}-{turn}".encode()
                assert messages(bytes(call(client, "/demo.S/M", body=message(body)).body)) == [body]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))
