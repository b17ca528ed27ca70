"""Policies over HTTP/2 upstreams: gRPC and HTTP checks, statuses that are tried again, breaker, per-try timeouts."""

import contextlib
import time

import h2.exceptions
import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.http2_origin import Origin, Peer
from harness.wire import Wire, get, once

SERVING, NOT_SERVING, UNKNOWN = b"\0\0\0\0\2\x08\1", b"\0\0\0\0\2\x08\2", b"\0\0\0\0\0"
CHECK = "/grpc.health.v1.Health/Check"


@pytest.fixture
def origin(stage):
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def shared(*endpoints: str, **cluster) -> dict:
    config = settings(*endpoints)
    config["clusters"]["up"].update({"protocol": "http2", "balance": "round_robin", **cluster})
    return config


class Server:
    """Answers with its name; checks of either kind with what it is told."""

    def __init__(self, origin, name: str):
        self.name, self.message, self.code, self.status = name, SERVING, "0", 200
        self.checks: list = []
        self.origin = origin(self.play)
        self.address = self.origin.address

    def play(self, peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == CHECK:
                self.checks.append(request)
                if self.message is None:
                    peer.hold()
                    return
                peer.start(request.stream, 200, ("content-type", "application/grpc"))
                peer.send(request.stream, self.message)
                peer.trailers(request.stream, ("grpc-status", self.code))
            elif request.path == "/health":
                self.checks.append(request)
                peer.respond(request.stream, b"health", self.status)
            else:
                peer.respond(request.stream, self.name.encode())


def names(gateway, count: int = 12) -> set:
    with Wire(gateway.address) as wire:
        return {wire.ask(get("/")).body.decode() for _ in range(count)}


@pytest.mark.parametrize("illness", [(NOT_SERVING, "0"), (UNKNOWN, "0"), (SERVING, "5"), (b"", "12"), (None, ""), (b"x" * 5000, "0")],
                         ids=["not serving", "unknown", "not found", "unimplemented", "silent", "nonsense"])
def test_grpc_health(stage, origin, illness):
    ill, well = Server(origin, "ill"), Server(origin, "well")
    health = {"grpc": {"service": "shop.Cart"}, "interval": "100ms", "timeout": "100ms", "unhealthy": 2}
    gateway = stage.gateway(shared(ill.address, well.address, health=health))
    assert names(gateway) == {"ill", "well"}
    ill.message, ill.code = illness
    sockets.wait_until(lambda: names(gateway) == {"well"}, 5, "left out")
    ill.message, ill.code = SERVING, "0"
    sockets.wait_until(lambda: names(gateway) == {"ill", "well"}, 5, "back")
    asked = ill.checks[0]
    fields = dict(asked.fields)
    assert fields[":method"] == "POST" and fields["content-type"] == "application/grpc" and fields["te"] == "trailers"
    assert bytes(asked.body) == b"\0\0\0\0\x0b\x0a\x09shop.Cart"


def test_http_checks_speak_the_clusters_protocol(stage, origin):
    ill, well = Server(origin, "ill"), Server(origin, "well")
    health = {"http": {"path": "/health"}, "interval": "100ms", "timeout": "100ms", "unhealthy": 2}
    gateway = stage.gateway(shared(ill.address, well.address, health=health))
    ill.status = 500
    sockets.wait_until(lambda: names(gateway) == {"well"}, 5, "left out")
    ill.status = 299
    sockets.wait_until(lambda: names(gateway) == {"ill", "well"}, 5, "back")


def test_an_endpoint_of_another_protocol_is_ill(stage, origin):
    other, well = stage.backend(lambda peer: (peer.more(), peer.send(b"HTTP/1.1 400 Bad\r\n\r\n"))), Server(origin, "well")
    health = {"grpc": {}, "interval": "100ms", "timeout": "100ms", "unhealthy": 1}
    gateway = stage.gateway(shared(other.address, well.address, health=health), [*OPERATIONS, route()])
    sockets.wait_until(lambda: 'state="unhealthy"} 1' in once(gateway.admin, get("/metrics")).body.decode(), 5, "ill")
    assert names(gateway) == {"well"}


def failing(times: int, status: int = 503, body: bytes = b"bad"):
    left = [times]

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            left[0] -= 1
            # The rest of an answer that is tried again may be refused; the connection goes on.
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                peer.respond(request.stream, body if left[0] >= 0 else b"good", status if left[0] >= 0 else 200)

    return play


@pytest.mark.parametrize("body", [b"", b"bad", b"b" * 200_000], ids=["empty", "short", "long"])
def test_a_status_is_tried_again(stage, origin, body):
    up = origin(failing(1, 503, body))
    gateway = stage.gateway(shared(up.address), [route(retry={"attempts": 2, "on": ["503"], "backoff": 0})])
    with Wire(gateway.address) as wire:
        for _ in range(4):
            reply = wire.ask(get("/"))
            assert (reply.status, reply.body) == (200, b"good")
    assert len(up.peers) == 1


def test_the_breaker_counts_streams(stage, origin):
    up = origin(failing(5, 500))
    gateway = stage.gateway(shared(up.address, breaker={"open": "300ms"}, ejection="off"), [*OPERATIONS, route(retries=0)])

    def ask() -> int:
        status = once(gateway.address, get("/")).status
        time.sleep(0.02)  # the end of the stream is a frame of its own
        return status

    assert [ask() for _ in range(7)] == [500] * 5 + [503] * 2
    time.sleep(0.35)
    assert [ask() for _ in range(6)] == [200] * 6


def test_per_try_and_timeouts(stage, origin):
    hole, good = origin(lambda peer: [peer.request() for _ in range(100)]), Server(origin, "good")
    config = shared(hole.address, good.address, ejection={"consecutive": 3, "time": "60s"})
    gateway = stage.gateway(config, [route(retry={"attempts": 2, "on": ["timeout"], "per_try": "200ms", "backoff": 0})])
    took = []
    for _ in range(20):
        start = time.monotonic()
        assert once(gateway.address, get("/")).status == 200
        took.append(time.monotonic() - start)
    assert sum(1 for seconds in took if seconds > 0.15) == 3, took


def test_refused_streams_are_budgeted_and_orderly_ends_are_free(stage, origin):
    def ends_after_two(peer: Peer) -> None:
        for number in range(2):
            request = peer.request()
            peer.head()  # its own, so that the third below is the third
            peer.respond(request.stream, b"good")
        request = peer.request()
        peer.go_away(request.stream - 2)
        peer.hold(1)

    up = origin(ends_after_two)
    config = shared(up.address, retry_budget={"percent": 0, "minimum": 0})
    gateway = stage.gateway(config, [*OPERATIONS, route(retries=1)])
    with Wire(gateway.address) as wire:
        assert [wire.ask(get("/")).status for _ in range(12)] == [200] * 12

    def refuses(peer: Peer) -> None:
        while True:
            peer.reset(peer.request().stream, 7)

    gateway = stage.gateway(shared(origin(refuses).address, retry_budget={"percent": 0, "minimum": 0}), [*OPERATIONS, route(retries=1)])
    assert once(gateway.address, get("/")).status == 503
    assert 'nexus_upstream_retries_refused_total{cluster="up"} 1' in once(gateway.admin, get("/metrics")).body.decode()
