"""HTTP/2 as clients use it: large bodies both ways, many streams at once, windows that follow the reader, libraries."""

import hashlib
import random
import time

import httpx
import pytest

from harness.gateway import CARTS, OPERATIONS, listener, route, settings
from harness.http2 import Kind, Setting, frame, request_fields, window_update
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Gone, Peer, respond
from harness.wire import Wire, get, once, post

MIB = 1 << 20
LOAD = random.Random(9113).randbytes(MIB)
SUM = hashlib.sha256(LOAD).hexdigest()


def play1(peer: Peer) -> None:
    """Answers `/down` with the load, anything else with the digest of what came."""
    while True:
        message = peer.read_request()
        peer.send(respond("200 OK", LOAD if message.target == "/down" else hashlib.sha256(message.body).hexdigest().encode()))


def play2(service: Service) -> None:
    while True:
        stream = service.read_request()
        service.answer(stream, LOAD if stream.path == "/down" else hashlib.sha256(stream.body).hexdigest().encode())


@pytest.fixture(scope="module", params=["http1", "http2"])
def gateway(request, shared_stage):
    """Before an upstream of either version that knows the load."""
    routes = [route(body_limit="64MiB")]
    if request.param == "http1":
        yield shared_stage.gateway(settings(shared_stage.backend(play1).address), routes)
    else:
        with Upstream(play2) as upstream:
            yield shared_stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}), routes)


def test_http2_client_both_ways(gateway):
    with Client(gateway.address, 10) as client:
        down = client.ask("/down")
        assert (down.end, hashlib.sha256(down.body).hexdigest()) == ("complete", SUM)
        up = client.ask("/up", method="POST", body=LOAD)
        assert (up.end, bytes(up.body).decode()) == ("complete", SUM)
        known = client.ask("/up", ("content-length", str(MIB)), method="POST", body=LOAD)
        assert bytes(known.body).decode() == SUM
        assert not client.violations


def test_http1_client_both_ways(gateway):
    assert hashlib.sha256(once(gateway.address, get("/down"), 10).body).hexdigest() == SUM
    assert once(gateway.address, post("/up", LOAD), 10).body.decode() == SUM
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(LOAD[at : at + 50_000]), LOAD[at : at + 50_000]) for at in range(0, MIB, 50_000)) + b"0\r\n\r\n"
    assert once(gateway.address, get("/up", "Transfer-Encoding: chunked", method="POST") + chunked, 10).body.decode() == SUM


def test_many_large_streams_at_once(gateway):
    """Ten of each direction on one connection, shares of one window."""
    with Client(gateway.address, 20) as client:
        downs = [client.request("/down") for _ in range(10)]
        ups = [client.request("/up", method="POST", body=LOAD[: 100_000 + n]) for n in range(10)]
        for stream in downs + ups:
            assert client.finish(stream).end == "complete", str(stream)
        assert {hashlib.sha256(stream.body).hexdigest() for stream in downs} == {SUM}
        assert [bytes(stream.body).decode() for stream in ups] == [hashlib.sha256(LOAD[: 100_000 + n]).hexdigest() for n in range(10)]
        assert not client.violations


def test_tiny_windows_and_one_byte_frames(gateway):
    """A client whose window is 100 bytes; and one that sends its body byte by byte."""
    with Client(gateway.address, 30, ours={Setting.INITIAL_WINDOW_SIZE: 100}) as client:
        stream = client.request("/down")
        client.pump(lambda: stream.count > 5000, 30)
        assert stream.count > 5000 and not client.violations, (str(stream), client.violations)
        small = client.request("/up", method="POST")
        client.finish(small)
        assert small.end == "complete"
    with Client(gateway.address, 30) as client:
        stream = client.open(request_fields("/up", method="POST"), end=False)
        for at in range(300):
            client.send_body(stream, LOAD[at : at + 1], end=at == 299)
        assert bytes(client.finish(stream).body).decode() == hashlib.sha256(LOAD[:300]).hexdigest()


def test_large_frames_are_taken_when_we_allow_them(gateway):
    with Client(gateway.address, 10, ours={Setting.MAX_FRAME_SIZE: 1 << 20, Setting.INITIAL_WINDOW_SIZE: 4 * MIB}) as client:
        client.send(window_update(0, 4 * MIB))
        client.allowance += 4 * MIB
        stream = client.ask("/down")
        assert hashlib.sha256(stream.body).hexdigest() == SUM and not client.violations


def test_httpx_speaks_to_it(gateway):
    """A client library that shares nothing with the raw one."""
    with httpx.Client(http1=False, http2=True, base_url=gateway.url, timeout=10) as client:
        for _ in range(3):
            reply = client.get("/down")
            assert reply.http_version == "HTTP/2" and hashlib.sha256(reply.content).hexdigest() == SUM
            assert client.post("/up", content=LOAD).text == SUM


def test_both_versions_on_one_port(gateway):
    with Client(gateway.address) as second, Wire(gateway.address) as first:
        for _ in range(3):
            assert second.ask("/up").status == first.ask(get("/up")).status == 200


def test_the_first_settings(stage):
    public = listener(http2={"max_concurrent_streams": 7, "stream_window": "128KiB", "connection_window": "2MiB"})
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    with Client(gateway.address) as client:
        client.settle()
        assert client.theirs.get(Setting.MAX_CONCURRENT_STREAMS) == 7
        assert client.theirs.get(Setting.INITIAL_WINDOW_SIZE) == 128 << 10
        assert client.theirs.get(Setting.ENABLE_PUSH, 0) == 0
        assert client.theirs.get(Setting.MAX_HEADER_LIST_SIZE, 0) in range(1, 1 << 20)
        assert client.pump(lambda: client.window >= 2 * MIB, 2), f"connection window {client.window}"
        client.send(frame(Kind.SETTINGS))
        assert client.pump(lambda: client.acknowledged == 2, 2), "every SETTINGS is acknowledged"


def test_http2_can_be_off(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(http2="off")]))
    with Client(gateway.address) as client:
        client.send(b"")
        assert client.closes_within(3) and not client.settled
    assert once(gateway.address, get("/")).status == 200


def test_a_slow_stream_does_not_hold_the_others(stage):
    def slow(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.target == "/slow":
                time.sleep(1)
            peer.send(respond("200 OK", message.target.encode()))

    gateway = stage.gateway(settings(stage.backend(slow).address))
    with Client(gateway.address) as client:
        slow_one = client.request("/slow")
        start = time.monotonic()
        for number in range(50):
            assert bytes(client.ask(f"/{number}").body) == f"/{number}".encode()
        assert time.monotonic() - start < 0.9 and not slow_one.complete
        assert client.finish(slow_one).status == 200


def test_an_upstream_connection_is_shared(stage):
    """A hundred streams at once over few connections, each with its own answer."""
    def gather(service: Service) -> None:
        streams = []
        while len(streams) < 100:
            try:
                streams.append(service.read_request(0.3))
            except Gone:
                break
        for stream in reversed(streams):
            service.answer(stream, stream.path.encode())
        service.hold()

    with Upstream(gather) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}))
        with Client(gateway.address, 10) as client:
            streams = [client.request(f"/{number}") for number in range(100)]
            for number, stream in enumerate(streams):
                assert bytes(client.finish(stream).body) == f"/{number}".encode(), str(stream)
        assert len(upstream.links) <= 2, f"{len(upstream.links)} connections for a hundred streams"


def test_commands_and_operations_over_http2(stage):
    gateway = stage.gateway(settings(), [*OPERATIONS, *CARTS])
    with Client(gateway.address) as client:
        added = client.ask("/api/cart/add", ("content-type", "application/json"), method="POST", body=b'{"userId":"u","item":{"productId":"p","quantity":1}}')
        assert added.status == 202, bytes(added.body)
        assert client.ask("/api/cart/u").status == 200 and client.ask("/health/live").status == 200
    with Client(gateway.admin) as client:
        assert client.ask("/metrics").status == 200
        assert b"nexus_http2_connections_open" in client.ask("/metrics").body


def test_half_open_uploads_end_in_408(stage):
    gateway = stage.gateway(settings(stage.backend().address), [route(timeouts={"body": "500ms"})])
    with Client(gateway.address) as client:
        stream = client.open(request_fields("/", method="POST"), end=False)
        client.send_body(stream, b"hello", end=False)
        client.finish(stream, 4)
        assert stream.status == 408 or stream.end.startswith("reset"), str(stream)
        assert client.ask("/after").status == 200


def test_idle_connections_end_with_goaway(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts={"keep_alive": "500ms", "head": "500ms"})]))
    with Client(gateway.address) as used, Client(gateway.address) as unused, Client(gateway.address, greet=False) as mute:
        assert used.ask("/").status == 200
        for client in (used, unused):
            assert client.closes_within(4) and client.goaway and client.goaway[1] == 0, client.goaway
        assert mute.closes_within(4)
