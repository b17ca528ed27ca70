"""HTTP/2 upstreams that fail: what may be sent again is, what may not is answered, what is cut is seen to be."""

import contextlib
import json
import socket
import threading
import time

import hyperframe.frame
import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.http2_origin import Origin, Peer
from harness.recorder import Peer as RawPeer
from harness.wire import Wire, get, once, post

REFUSED_STREAM, CANCEL, INTERNAL_ERROR, PROTOCOL_ERROR = 7, 8, 2, 1


def shared(*endpoints: str, **cluster) -> dict:
    return settings(*endpoints, clusters={"up": {"protocol": "http2", **cluster}})


@pytest.fixture
def origin(stage):
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def first(then, fault):
    """Plays `fault` for the first request of all connections, `then` for every other."""
    done = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            if done.is_set():
                then(peer, request)
            else:
                done.set()
                fault(peer, request)

    return play


def body_back(peer: Peer, request) -> None:
    peer.respond(request.stream, bytes(request.body) or b"ok")


def reason(reply) -> str:
    return (reply.field("proxy-status") or "").removeprefix("nexus-gateway; error=")


@pytest.mark.parametrize("request_, body", [
    (get("/"), b"ok"), (post("/", b"exactly once"), b"exactly once"),
    (post("/", b"p" * 16384, method="PATCH"), b"p" * 16384),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", b"abcdef"),
])
def test_a_refused_stream_is_sent_again_whatever_the_method(stage, origin, request_, body):
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, REFUSED_STREAM)))
    gateway = stage.gateway(shared(up.address))
    reply = once(gateway.address, request_)
    assert reply.status == 200 and reply.body == body


def test_trailers_go_again_too(stage, origin):
    up = origin(first(lambda peer, r: peer.respond(r.stream, json.dumps(r.trailers).encode()), lambda peer, r: peer.reset(r.stream, REFUSED_STREAM)))
    gateway = stage.gateway(shared(up.address))
    reply = once(gateway.address, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n")
    assert reply.status == 200 and json.loads(reply.body) == [["x-sum", "9"]]


def test_a_large_body_that_has_gone_is_not_sent_again(stage, origin):
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, REFUSED_STREAM)))
    gateway = stage.gateway(shared(up.address))
    reply = once(gateway.address, post("/", b"x" * 20_000))
    assert reply.status == 503 and reason(reply) == "destination_unavailable"
    assert once(gateway.address, post("/", b"y")).body == b"y"


def test_a_large_body_refused_before_it_went_goes_on(stage, origin):
    """Refused on the head alone, while the client waits for `100 Continue`: nothing has been lost."""
    refused = threading.Event()

    def play(peer: Peer) -> None:
        request = peer.head()
        if not refused.is_set():
            refused.set()
            peer.reset(request.stream, REFUSED_STREAM)
            request = peer.head()
        peer.start(request.stream, 100)
        whole = peer.request()
        peer.respond(whole.stream, str(len(whole.body)).encode())
        peer.hold()

    gateway = stage.gateway(shared(origin(play).address))
    with Wire(gateway.address) as wire:
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n")
        assert wire.take(25).startswith(b"HTTP/1.1 100")
        wire.send("x" * 200_000)
        assert wire.read("POST").body == b"200000"


def test_no_retries_means_none(stage, origin):
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, REFUSED_STREAM)))
    gateway = stage.gateway(shared(up.address), [route(retries=0)])
    assert once(gateway.address, get("/")).status == 503


@pytest.mark.parametrize("request_", [get("/"), post("/", b"once")])
def test_goaway_before_processing_is_sent_again_on_another_connection(stage, origin, request_):
    def play(peer: Peer) -> None:
        request = peer.request()
        if peer.number == 0:
            peer.go_away(last=0)
            return peer.hold()
        body_back(peer, request)
        peer.hold()

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    assert once(gateway.address, request_).status == 200
    assert len(up.peers) == 2


def test_a_shared_connection_that_dies_takes_nobody_with_it(stage, origin):
    """Forty exchanges go to a connection that ends under them: each goes again, whatever the retry budget says,
    because the connection had answered as many before."""
    def play(peer: Peer) -> None:
        if peer.number == 0:
            for _ in range(40):
                peer.respond(peer.request().stream)
            time.sleep(0.1)
            peer.socket.recv(1)
            return peer.close(reset=True)
        while True:
            peer.respond(peer.request().stream)

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.address)) for _ in range(40)]
        for _ in range(2):
            for wire in wires:
                wire.send(get("/"))
            assert [wire.read().status for wire in wires] == [200] * 40
            time.sleep(0.05)
    assert len(up.peers) == 2


def test_goaway_lets_what_was_begun_finish(stage, origin):
    """Two streams; the endpoint keeps the first and turns the second away."""
    def play(peer: Peer) -> None:
        one = peer.request()
        if peer.number == 0:
            two = peer.request()
            peer.go_away(last=one.stream)
            time.sleep(0.2)
            peer.respond(one.stream, b"first")
            peer.hold(3)
        else:
            peer.respond(one.stream, b"second")
            peer.hold()

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with Wire(gateway.address) as a, Wire(gateway.address) as b:
        a.send(post("/a", b"a"))
        sockets.wait_until(lambda: up.peers and up.peers[0].requests, 5, "the first")
        b.send(post("/b", b"b"))
        assert a.read().body == b"first" and b.read().body == b"second"
    sockets.wait_until(lambda: up.peers[0].ended, 3, "the first connection ends")


def test_goaway_on_every_connection_is_never_an_error(stage, origin):
    """An endpoint that ends each connection after one answer, as a rolling restart does."""
    def play(peer: Peer) -> None:
        request = peer.request()
        peer.go_away(last=request.stream)
        body_back(peer, request)
        peer.hold(3)

    gateway = stage.gateway(shared(origin(play).address))
    with Wire(gateway.address) as wire:
        for i in range(20):
            assert wire.ask(post("/", b"n%d" % i)).body == b"n%d" % i


def test_connections_that_end_under_load_cost_no_answer(stage, origin):
    """Twenty answers and a GOAWAY, again and again, under sixteen clients: what it turns away goes again, and
    that uses up neither the route's one retry nor the budget."""
    def play(peer: Peer) -> None:
        for _ in range(20):
            request = peer.request()
            body_back(peer, request)
        peer.go_away(last=request.stream)
        peer.hold(5)

    gateway = stage.gateway(shared(origin(play).address))
    found = []

    def client(number: int) -> None:
        with Wire(gateway.address) as wire:
            for i in range(40):
                body = b"%d/%d" % (number, i)
                reply = wire.ask(post("/", body))
                found.append((reply.status, reply.body == body))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(200, True)] * 640


@pytest.mark.parametrize("how", ["close", "reset", "goaway-and-close"])
def test_a_connection_that_ended_while_idle_is_never_seen(stage, origin, how):
    def play(peer: Peer) -> None:
        body_back(peer, peer.request())
        time.sleep(0.05)
        if how == "goaway-and-close":
            peer.go_away(last=2**31 - 1)
        peer.close(reset=how == "reset")

    up = origin(play)
    gateway = stage.gateway(shared(up.address), [route(retries=0)])
    with Wire(gateway.address) as wire:
        for i in range(6):
            assert wire.ask(post("/", b"x%d" % i)).status == 200
            time.sleep(0.12)
    assert len(up.peers) == 6


@pytest.mark.parametrize("code", [INTERNAL_ERROR, CANCEL])
def test_a_reset_is_repeated_only_where_that_is_harmless(stage, origin, code):
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, code)))
    gateway = stage.gateway(shared(up.address))
    assert once(gateway.address, get("/")).status == 200
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, code)))
    gateway = stage.gateway(shared(up.address))
    assert once(gateway.address, post("/", b"small", method="PUT")).body == b"small"
    up = origin(first(body_back, lambda peer, request: peer.reset(request.stream, code)))
    gateway = stage.gateway(shared(up.address))
    reply = once(gateway.address, post("/", b"x"))
    assert reply.status == 502 and reason(reply) == "connection_terminated"


def test_a_connection_lost_before_the_answer(stage, origin):
    def play(peer: Peer) -> None:
        peer.request()
        peer.close()

    gateway = stage.gateway(shared(origin(play).address))
    assert once(gateway.address, get("/")).status == 502
    reply = once(gateway.address, post("/", b"x"))
    assert reply.status == 502 and reason(reply) == "connection_terminated"


@pytest.mark.parametrize("how", ["reset-stream", "no-error", "close", "goaway"])
@pytest.mark.parametrize("length", [True, False])
def test_a_cut_answer_never_ends_cleanly(stage, origin, how, length):
    def play(peer: Peer) -> None:
        request = peer.request()
        peer.start(request.stream, 200, *([("content-length", "50")] if length else []))
        peer.send(request.stream, b"abc")
        time.sleep(0.05)
        match how:
            case "reset-stream": peer.reset(request.stream, INTERNAL_ERROR)
            case "no-error": peer.reset(request.stream, 0)
            case "goaway": peer.go_away(last=0)
        if how == "close":
            peer.close()
        else:
            peer.hold(2)

    gateway = stage.gateway(shared(origin(play).address))
    reply = once(gateway.address, get("/"))
    assert reply.end == "aborted" and reply.status == 200
    assert once(gateway.address, get("/")).end == "aborted"


def test_a_wrong_length_is_a_cut_answer(stage, origin):
    def play(peer: Peer) -> None:
        request = peer.request()
        peer.start(request.stream, 200, ("content-length", "50"))
        peer.frame(hyperframe.frame.DataFrame(request.stream, b"abc", flags=["END_STREAM"]))
        peer.hold(2)

    gateway = stage.gateway(shared(origin(play).address))
    assert once(gateway.address, get("/")).end == "aborted"


@pytest.mark.parametrize("fields", [
    [(":status", "101")], [(":status", "abc")], [(":status", "200"), ("connection", "close")], [("x", "no status")],
    [(":status", "200"), ("transfer-encoding", "chunked")], [(":status", "200"), ("X-Upper", "1")], [(":status", "200"), ("x", "a\r\nb: c")],
    [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
])
def test_malformed_answers_are_502(stage, origin, fields):
    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == "/good":
                peer.respond(request.stream)
            else:
                block = b"".join(
                    b"\x10" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in fields)
                peer.frame(hyperframe.frame.HeadersFrame(request.stream, block, flags=["END_HEADERS", "END_STREAM"]))

    gateway = stage.gateway(shared(origin(play).address))
    reply = once(gateway.address, get("/"))
    assert reply.status == 502 and reason(reply) == "http_protocol_error", reply.raw
    assert once(gateway.address, get("/good")).status == 200


def test_an_http1_server_behind_an_http2_cluster(stage):
    def play(peer: RawPeer) -> None:
        peer.more(5)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.hold(1)

    backend = stage.backend(play)
    gateway = stage.gateway(shared(backend.address))
    for _ in range(3):
        reply = once(gateway.address, get("/"))
        assert reply.status == 502 and reason(reply) == "http_protocol_error"


def test_refused_and_unreachable(stage):
    gateway = stage.gateway(shared(sockets.closed_address()))
    reply = once(gateway.address, post("/", b"x"))
    assert reply.status == 502 and reason(reply) == "connection_refused"


def test_another_endpoint_takes_over(stage, origin):
    up = origin()
    gateway = stage.gateway(shared(sockets.closed_address(), up.address), [route(retries=1)])
    for i in range(8):
        assert once(gateway.address, post("/", b"x%d" % i)).status == 200


def test_connect_timeout_is_shared(stage):
    listening = sockets.listen(backlog=0)
    held = []
    try:
        for _ in range(4):
            extra = sockets.socket.socket()
            extra.setblocking(False)
            extra.connect_ex(listening.getsockname())
            held.append(extra)
        gateway = stage.gateway(shared(sockets.address_of(listening)), [route(timeouts={"connect": "300ms"}, retries=0)])
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(gateway.address)) for _ in range(3)]
            for wire in wires:
                wire.send(get("/"))
            for wire in wires:
                reply = wire.read()
                assert reply.status == 504 and reason(reply) == "connection_timeout"
        assert time.monotonic() - start < 2
    finally:
        for each in [*held, listening]:
            each.close()


def test_first_byte_and_idle_timeouts_are_each_streams_own(stage, origin):
    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            match request.path:
                case "/good": peer.respond(request.stream)
                case "/half":
                    peer.start(request.stream, 200)
                    peer.send(request.stream, b"abc")

    up = origin(play)
    gateway = stage.gateway(shared(up.address), [route(timeouts={"first_byte": "300ms", "stream_idle": "300ms"})])
    assert once(gateway.address, get("/good")).status == 200
    with Wire(gateway.address) as silent, Wire(gateway.address) as half:
        start = time.monotonic()
        silent.send(get("/silent"))
        half.send(get("/half"))
        reply = silent.read()
        assert reply.status == 504 and reason(reply) == "http_response_timeout" and 0.2 < time.monotonic() - start < 2
        assert half.read().end == "aborted"
    sockets.wait_until(lambda: [r.reset for r in up.peers[0].requests.values()][1:] == [CANCEL, CANCEL], 3, "both reset")
    assert once(gateway.address, get("/good")).status == 200
    assert len(up.peers) == 1


def test_a_dead_connection_gets_no_more_requests(stage, origin):
    """Nothing at all comes from an endpoint that has fallen silent: the next exchange gets a new connection."""
    def play(peer: Peer) -> None:
        # In one frame: an end that came by itself could come after the next request, and be a sign of life.
        peer.start(peer.request().stream, end=True)
        if peer.number == 0:
            time.sleep(20)
        while True:
            peer.respond(peer.request().stream)

    up = origin(play)
    gateway = stage.gateway(shared(up.address), [route(timeouts={"first_byte": "1s"})])
    assert once(gateway.address, get("/")).status == 200
    assert once(gateway.address, get("/")).status == 504
    assert once(gateway.address, get("/")).status == 200
    assert len(up.peers) == 2


def test_waiting_has_an_end(stage, origin):
    def play(peer: Peer) -> None:
        peer.request()
        peer.hold(5)

    gateway = stage.gateway(
        shared(origin(play).address, http2={"max_concurrent_streams": 1}, pool={"connections": 1, "pending": 1}), [route(timeouts={"queue": "300ms"})])
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.address)) for _ in range(3)]
        for wire in wires:
            wire.send(get("/"))
            time.sleep(0.05)
        start = time.monotonic()
        assert wires[2].read().status == 503 and time.monotonic() - start < 0.2
        assert wires[1].read().status == 503


def test_an_answer_and_the_end_of_its_stream_in_one_read(stage, origin):
    """Early answer and RST_STREAM(NO_ERROR) together: the stream is gone before the exchange hears of either."""
    def play(peer: Peer) -> None:
        while True:
            request = peer.head()
            if request.path == "/good":
                peer.respond(request.stream)
                continue
            block = peer.h2.encoder.encode([(":status", "413"), ("content-length", "0")])
            peer.raw(
                hyperframe.frame.HeadersFrame(request.stream, block, flags=["END_HEADERS", "END_STREAM"]).serialize()
                + hyperframe.frame.RstStreamFrame(request.stream, 0).serialize())

    up = origin(play)
    gateway = stage.gateway(shared(up.address), [route(body_limit="unlimited")])
    for _ in range(5):
        with Wire(gateway.address) as wire:
            wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome")
            assert wire.read("POST").status == 413
    assert once(gateway.address, get("/good")).status == 200 and len(up.peers) == 1


def test_a_status_the_route_tries_again_after(stage, origin):
    up = origin(first(body_back, lambda peer, request: peer.respond(request.stream, b"", 503)))
    gateway = stage.gateway(shared(up.address), [route(retry={"attempts": 2, "on": ["503"]})])
    assert once(gateway.address, get("/")).status == 200
    assert once(gateway.address, get("/")).status == 200
    up = origin(first(body_back, lambda peer, request: peer.respond(request.stream, b"not now", 503)))
    gateway = stage.gateway(shared(up.address), [route(retry={"attempts": 2, "on": ["503"]})])
    assert [once(gateway.address, post("/", b"small", method="PUT")).status for _ in range(3)] == [200] * 3


def test_what_goes_again_avoids_the_connection_that_ends(stage, origin):
    """The answer and the end of the connection come together: another connection is taken, and no attempt is lost."""
    def play(peer: Peer) -> None:
        request = peer.request()
        if peer.number == 0:
            head = peer.h2.encoder.encode([(":status", "503")])
            frame = hyperframe.frame.HeadersFrame(request.stream, head, flags=["END_HEADERS", "END_STREAM"])
            peer.socket.send(frame.serialize(), socket.MSG_MORE)
            peer.socket.shutdown(socket.SHUT_WR)
        else:
            peer.respond(request.stream)
        peer.hold(5)

    up = origin(play)
    gateway = stage.gateway(shared(up.address), [route(retry={"attempts": 2, "on": ["503"], "backoff": 0})])
    assert once(gateway.address, get("/")).status == 200
    assert len(up.peers) == 2 and len(up.peers[0].requests) == 1


def test_too_many_interim_answers(stage, origin):
    def play(peer: Peer) -> None:
        request = peer.request()
        for _ in range(40):
            peer.start(request.stream, 103)
        peer.hold(2)

    gateway = stage.gateway(shared(origin(play).address))
    with Wire(gateway.address) as wire:
        wire.send(get("/"))
        reply = wire.read()
        assert reply.status == 502 and len(reply.informational) <= 16


def test_small_bodies_go_again_to_http1_upstreams_as_well(stage):
    """A PUT on a kept connection that ends without an answer: idempotent, and its body is still there."""
    def play(peer: RawPeer) -> None:
        message = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if peer.number == 0:
            peer.read_request()
            return
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(play).address))
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/")).status == 200
        assert wire.ask(post("/", b"small", method="PUT")).status == 200
        assert wire.ask(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").status in (200, 502)
