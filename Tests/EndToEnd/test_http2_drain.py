"""SIGTERM over HTTP/2 (RFC 9113 section 6.8): a warning, a second for what is on its way, then the real last stream."""

import signal
import time

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.http2 import Code
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Peer, respond
from harness.wire import Wire, get

LARGEST = (1 << 31) - 1


def slow(peer: Peer) -> None:
    while True:
        message = peer.read_request()
        if message.target.startswith("/slow"):
            time.sleep(2.5)
        peer.send(respond("200 OK", message.target.encode()))


def test_goaway_comes_twice_and_streams_between_are_served(stage):
    gateway = stage.gateway(settings(stage.backend(slow).address, drain="8s"))
    with Client(gateway.address, 8) as client:
        assert client.ask("/warm").status == 200
        running = client.request("/slow")
        client.answers()
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert client.pump(lambda: client.goaways, 1), "the first GOAWAY"
        assert client.goaways[0][:2] == (LARGEST, Code.NO_ERROR), client.goaways
        between = client.request("/between")
        assert client.finish(between).status == 200, f"a stream opened after the warning: {between}"
        assert client.pump(lambda: len(client.goaways) > 1, 3), "the second GOAWAY"
        second = time.monotonic() - start
        assert client.goaways[1][:2] == (between.number, Code.NO_ERROR), client.goaways
        assert 0.5 < second < 2.0, f"the second GOAWAY came after {second:.2f} s"
        client.finish(running)
        assert (running.end, bytes(running.body)) == ("complete", b"/slow"), str(running)
        assert client.closes_within(2)
    assert gateway.wait(4) == 0


def test_streams_after_the_second_goaway_are_not_served(stage):
    backend = stage.backend(slow)
    gateway = stage.gateway(settings(backend.address, drain="8s"))
    with Client(gateway.address, 8) as client:
        running = client.request("/slow")
        client.answers()
        gateway.signal(signal.SIGTERM)
        assert client.pump(lambda: len(client.goaways) > 1, 4)
        late = client.request("/late")
        client.finish(running)
        assert running.end == "complete" and not late.complete
    assert gateway.wait(4) == 0
    assert "/late" not in [message.target for message in backend.requests]


def test_an_idle_connection_is_told_and_closed(stage):
    gateway = stage.gateway(settings(stage.backend().address, drain="5s"))
    with Client(gateway.address) as used, Client(gateway.address) as unused:
        assert used.ask("/").status == 200
        unused.settle()
        gateway.signal(signal.SIGTERM)
        for client, last in ((used, 1), (unused, 0)):
            assert client.closes_within(4)
            assert client.goaways[0][:2] == (LARGEST, 0) and client.goaways[-1][:2] == (last, 0), client.goaways
    assert gateway.wait(3) == 0


def test_readiness_falls_first(stage):
    gateway = stage.gateway(settings(stage.backend(slow).address, drain="6s"), [*OPERATIONS, route()])
    with Client(gateway.address, 8) as busy, Wire(gateway.admin) as admin:
        running = busy.request("/slow")
        assert admin.ask(get("/health/ready")).status == 200
        admin.send(get("/health/ready")[:-2])
        busy.answers()
        gateway.signal(signal.SIGTERM)
        assert busy.pump(lambda: busy.goaways, 1)
        admin.send(b"\r\n")
        assert admin.read().status == 503
        assert busy.ask("/health/ready").status == 503, "and over HTTP/2, while streams are still taken"
        assert busy.finish(running).status == 200
    assert gateway.wait(4) == 0


def test_the_drain_has_an_end_for_streams_too(stage):
    gateway = stage.gateway(settings(stage.backend(lambda peer: (peer.read_request(), peer.hold())).address, drain="1500ms"))
    with Client(gateway.address) as client:
        stuck = client.request("/stuck")
        client.answers()
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert client.closes_within(5) and not stuck.complete
        assert gateway.wait(3) == 0 and 1 < time.monotonic() - start < 4


def test_upstreams_are_left_politely(stage):
    """A pooled HTTP/2 connection ends with GOAWAY NO_ERROR and a close, not with a reset."""

    def play(service: Service) -> None:
        while True:
            service.answer(service.read_request(), b"ok")

    with Upstream(play) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}))
        with Client(gateway.address) as client:
            assert client.ask("/").status == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(4) == 0
        sockets.wait_until(lambda: upstream.links[0].ended, 2, "the upstream's connection ended")
        assert upstream.links[0].ended == "closed"
        assert not upstream.links[0].goaway or upstream.links[0].goaway[1] == Code.NO_ERROR
