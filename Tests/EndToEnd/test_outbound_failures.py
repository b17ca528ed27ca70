"""Calls of the gateway's own that fail: in time, once, and with the truth about whether they may have had
their effect."""

import time
import threading

import pytest

from harness import sockets
from harness.call_out import Answer, Caller
from harness.certificates import Authority
from harness.gateway import settings
from harness.http2_origin import Origin, Peer
from harness.recorder import echo, respond
from harness.secure import secured, serving
from test_outbound import GRPC, answering, caller, message  # noqa: F401: `caller` is a fixture


def failed(answer: Answer) -> tuple[str | None, bool | None]:
    assert answer.status is None, answer
    return answer.failed, answer.run


# MARK: nothing has left


def test_nobody_listens(caller):
    for protocol in ("http1", "http2"):
        one = caller(sockets.closed_address(), protocol=protocol)
        answer = one.http("POST", "/", b"x")
        assert failed(answer) == ("UPSTREAM_UNAVAILABLE", False) and answer.took < 1000


def test_no_endpoint_is_healthy(caller):
    one = caller(sockets.closed_address(), protocol="http1", health={"tcp": True, "interval": "100ms", "timeout": "50ms", "unhealthy": 1}, panic=0)
    sockets.wait_until(lambda: "no endpoint" in one.http("GET", "/").detail, 5, "the endpoint to be known as ill")
    assert failed(one.http("POST", "/", b"x")) == ("UPSTREAM_UNAVAILABLE", False)


def test_an_open_breaker(caller):
    one = caller(sockets.closed_address(), protocol="http1", breaker={"window": 4, "minimum": 2, "failures": 50, "open": "10s", "half_open": 1})
    for _ in range(3):
        one.http("POST", "/", b"x")
    answer = one.http("POST", "/", b"x")
    assert failed(answer) == ("UPSTREAM_UNAVAILABLE", False) and "too often" in answer.detail


def test_a_full_bulkhead(caller, stage):
    go = threading.Event()
    back = stage.backend(lambda peer: [peer.read_request(), go.wait(10), peer.send(respond())])
    one = caller(back.address, protocol="http1", bulkhead={"concurrent": 1, "wait": "50ms"})
    first = one.begin(b"x", http=["POST", "/", ""])
    sockets.wait_until(lambda: len(back.requests) == 1, 5, "the first call")
    answer = one.http("POST", "/", b"x")
    assert failed(answer) == ("UPSTREAM_UNAVAILABLE", False) and "too many" in answer.detail
    go.set()
    assert one.end(first).status == 200
    assert one.http("GET", "/").status == 200, "the place is free again"


def test_a_refused_stream_goes_again(caller):
    """REFUSED_STREAM says that nothing was done: once more, and then it is said so."""
    seen = []

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            seen.append(request.path)
            if request.path == "/once" and seen.count("/once") == 2:
                peer.start(request.stream, 200, GRPC, ("grpc-status", "0"), ("x", "y"))
                peer.send(request.stream, message(b"ok"))
                peer.trailers(request.stream, ("grpc-status", "0"))
            else:
                peer.reset(request.stream, 7)

    with Origin(play) as origin:
        one = caller(origin.address)
        assert one.grpc("/once").body == b"ok"
        assert failed(one.grpc("/always")) == ("UPSTREAM_UNAVAILABLE", False)
    assert seen == ["/once", "/once", "/always", "/always"]


def test_turned_away_by_goaway(caller):
    """A stream beyond GOAWAY's last was not looked at: the call is made on another connection."""

    def play(peer: Peer) -> None:
        request = peer.request()
        if peer.number == 0:
            peer.go_away(0)
            return peer.hold(2)
        peer.start(request.stream, 200, GRPC)
        peer.send(request.stream, message(b"second"))
        peer.trailers(request.stream, ("grpc-status", "0"))
        peer.hold(2)

    with Origin(play) as origin:
        assert caller(origin.address).grpc("/a.B/C", b"charge").body == b"second"
        assert [len(peer.requests) for peer in origin.peers] == [1, 1]


def test_a_silent_endpoint_has_seen_nothing(caller):
    """It takes connections, and never greets: no request goes to it."""
    listening = sockets.listen()
    try:
        one = caller(sockets.address_of(listening))
        answer = one.grpc("/a.B/C", b"charge", timeout=300)
        assert failed(answer) == ("DEADLINE", False) and 250 <= answer.took < 900
    finally:
        listening.close()


@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_a_handshake_that_never_ends(caller, tmp_path, protocol):
    listening = sockets.listen()
    try:
        authority = Authority(tmp_path)
        one = caller(sockets.address_of(listening), protocol=protocol, tls={"authorities": str(authority.certificate)})
        answer = one.http("POST", "/", b"charge", timeout=300)
        assert failed(answer) == ("DEADLINE", False) and 250 <= answer.took < 900
    finally:
        listening.close()


def test_waiting_for_a_connection_ends_in_time(caller, stage):
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", pool={"connections": 1, "pending": 10})
    first = one.begin(b"x", http=["POST", "/", ""], timeout=1500)
    sockets.wait_until(lambda: len(back.requests) == 1, 5, "the first call")
    waiting = one.http("POST", "/", b"x", timeout=300)
    assert failed(waiting) == ("DEADLINE", False) and 250 <= waiting.took < 900
    assert failed(one.end(first)) == ("DEADLINE", True)
    assert len(back.requests) == 1


def test_waiting_in_a_bulkhead_ends_in_time(caller, stage):
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", bulkhead={"concurrent": 1, "wait": "5s"})
    first = one.begin(b"x", http=["POST", "/", ""], timeout=1500)
    sockets.wait_until(lambda: len(back.requests) == 1, 5, "the first call")
    waiting = one.http("POST", "/", b"x", timeout=300)
    assert failed(waiting) == ("DEADLINE", False) and waiting.took < 900
    assert failed(one.end(first)) == ("DEADLINE", True)


# MARK: it may have been done


def test_a_black_hole(caller, stage):
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    answer = caller(back.address, protocol="http1").http("POST", "/charge", b"x", timeout=300)
    assert failed(answer) == ("DEADLINE", True) and 250 <= answer.took < 900


def test_a_black_hole_of_grpc(caller):
    def play(peer: Peer) -> None:
        peer.request()
        peer.hold(5)

    with Origin(play) as origin:
        answer = caller(origin.address).grpc("/a.B/C", b"charge", timeout=300)
        assert failed(answer) == ("DEADLINE", True) and 250 <= answer.took < 900
        sockets.wait_until(lambda: origin.peers[0].requests[1].reset == 8, 2, "the stream to be cancelled")


def test_timeouts_open_the_breaker(caller, stage):
    """The gateway's own patience is what an answer may take: to be late is a failure."""
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", breaker={"window": 4, "minimum": 2, "failures": 50, "open": "10s", "half_open": 1})
    assert [failed(one.http("POST", "/", b"x", timeout=100)) for _ in range(3)] == [("DEADLINE", True)] * 2 + [("UPSTREAM_UNAVAILABLE", False)]


@pytest.mark.parametrize("where", ["before", "inside"])
def test_a_connection_that_ends(caller, stage, where):
    def play(peer) -> None:
        peer.read_request()
        if where == "inside":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            time.sleep(0.1)
        peer.reset()

    back = stage.backend(play)
    assert failed(caller(back.address, protocol="http1").http("POST", "/charge", b"x")) == ("UPSTREAM_UNAVAILABLE", True)
    assert len(back.requests) == 1, "nobody knows what the first did: there is no second"


@pytest.mark.parametrize("where", ["before", "inside", "cancel", "connection"])
def test_a_stream_that_ends(caller, where):
    seen = []

    def play(peer: Peer) -> None:
        request = peer.request()
        seen.append(request.path)
        if where == "inside":
            peer.start(request.stream, 200, GRPC)
            peer.send(request.stream, message(b"abc")[:6])
        if where == "connection":
            return peer.close(reset=True)
        peer.reset(request.stream, 8 if where == "cancel" else 2)
        peer.hold(2)

    with Origin(play) as origin:
        assert failed(caller(origin.address).grpc("/a.B/C", b"charge"))[1] is True
    assert len(seen) == 1


def test_a_stale_connection_is_not_used(caller, stage):
    """The service closes idle connections: a call that may not be sent twice finds that out before."""

    def play(peer) -> None:
        peer.read_request()
        peer.send(respond())
        time.sleep(0.05)

    back = stage.backend(play)
    one = caller(back.address, protocol="http1")
    for _ in range(5):
        assert one.http("POST", "/", b"x").status == 200
        time.sleep(0.1)


# MARK: cancelled, drained, stopped


def test_a_cancelled_task(caller):
    def play(peer: Peer) -> None:
        peer.request()
        peer.hold(5)

    with Origin(play) as origin:
        one = caller(origin.address)
        answer = one.grpc("/a.B/C", b"charge", timeout=10_000, cancel=200)
        assert failed(answer) == ("CANCELLED", True) and answer.took < 1000
        sockets.wait_until(lambda: 1 in origin.peers[0].requests and origin.peers[0].requests[1].reset == 8, 5, "the stream to be cancelled")
        at_once = one.grpc("/a.B/C", timeout=10_000, cancel=0)
        assert at_once.failed == "CANCELLED" and at_once.took < 1000


def test_a_call_cancelled_in_the_queue(caller, stage):
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", pool={"connections": 1, "pending": 10})
    one.begin(b"x", http=["POST", "/", ""], timeout=1500)
    sockets.wait_until(lambda: len(back.requests) == 1, 5, "the first call")
    assert failed(one.http("POST", "/", b"x", timeout=10_000, cancel=100)) == ("CANCELLED", False)


def test_a_drain_waits_for_calls(caller):
    go = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            go.wait(10)
            peer.start(request.stream, 200, GRPC)
            peer.send(request.stream, message(b"late"))
            peer.trailers(request.stream, ("grpc-status", "0"))

    with Origin(play) as origin:
        one = caller(origin.address, workers=2)
        running = one.begin(grpc="/a.B/C", timeout=10_000)
        sockets.wait_until(lambda: origin.peers and origin.peers[0].requests, 5, "the call")
        one.tell(do="drain")
        time.sleep(0.2)
        assert one.running
        during = one.begin(grpc="/a.B/C", timeout=10_000)
        time.sleep(0.1)
        go.set()
        assert one.end(running).body == b"late" and one.end(during).body == b"late"
        assert one.wait(5) == 0


def test_a_stop_answers_every_call(caller, stage):
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", pool={"connections": 1, "pending": 10})
    running = one.begin(b"x", http=["POST", "/", ""], timeout=10_000)
    sockets.wait_until(lambda: len(back.requests) == 1, 5, "the first call")
    waiting = one.begin(b"x", http=["POST", "/", ""], timeout=10_000)
    time.sleep(0.1)
    one.tell(do="stop")
    assert failed(one.end(running)) == ("UPSTREAM_UNAVAILABLE", True)
    assert failed(one.end(waiting)) == ("UPSTREAM_UNAVAILABLE", False)
    assert one.wait(5) == 0


def test_too_many_at_once(caller, stage):
    """4096 under way, and no more."""
    back = stage.backend(lambda peer: [peer.read_request(), peer.hold(5)])
    one = caller(back.address, protocol="http1", pool={"connections": 1, "pending": 10_000})
    numbers = [one.begin(http=["GET", "/", ""], timeout=3000) for _ in range(4200)]
    answers = [failed(one.end(number, 20)) for number in numbers]
    assert answers.count(("UPSTREAM_UNAVAILABLE", False)) == 104, answers.count(("UPSTREAM_UNAVAILABLE", False))
    assert len([each for each in answers if each[0] == "DEADLINE"]) == 4096


# MARK: TLS


def test_a_tls_cluster(caller, stage, tmp_path):
    authority = Authority(tmp_path)
    back = stage.backend(secured(serving(authority.issue("service", "IP:127.0.0.1"), alpn=("http/1.1",)), echo))
    trust = {"authorities": str(authority.certificate)}
    assert caller(back.address, protocol="http1", tls=trust).http("POST", "/", b"x").status == 200
    stranger = Authority(tmp_path / "other")
    answer = caller(back.address, protocol="http1", tls={"authorities": str(stranger.certificate)}).http("POST", "/", b"x")
    assert failed(answer) == ("UPSTREAM_UNAVAILABLE", False)
