"""HTTP/1.1 clients, HTTP/2 upstreams: what is said, in both directions, and how connections are shared."""

import contextlib
import hashlib
import json
import signal
import socket
import threading
import time

import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.http2_origin import Origin, Peer
from harness.wire import Wire, get, once, post

MIB = bytes(range(256)) * 4096


def shared(*endpoints: str, **cluster) -> dict:
    return settings(*endpoints, clusters={"up": {"protocol": "http2", **cluster}})


@pytest.fixture
def origin(stage):
    """Starts scripted origins; they end with the test, which fails with what went wrong in them."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


def said(reply) -> dict:
    assert reply.complete and reply.status == 200, (reply.end, reply.status, reply.raw[:300])
    return json.loads(reply.body)


def test_a_request_becomes_what_rfc_9113_asks(stage, origin):
    gateway = stage.gateway(shared(origin().address))
    reply = said(once(gateway.address, get(
        "/a/../b?q=1", "X-Own: Kept", "Connection: keep-alive, x-hop", "X-Hop: no", "Keep-Alive: 5", "TE: trailers, gzip", "Cookie: a=1; b=2")))
    fields = reply["fields"]
    assert [tuple(f) for f in fields[:4]] == [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/b?q=1")]
    names = [name for name, _ in fields]
    assert all(name == name.lower() for name in names)
    for gone in ("host", "connection", "keep-alive", "x-hop", "transfer-encoding", "upgrade", "content-length"):
        assert gone not in names, gone
    rest = dict(map(tuple, fields))
    assert rest["x-own"] == "Kept" and rest["te"] == "trailers" and rest["cookie"] == "a=1; b=2"
    assert rest["x-forwarded-for"] == "127.0.0.1" and rest["x-forwarded-host"] == "shop.example"
    assert rest["via"].endswith("nexus-gateway") and "traceparent" in rest and "correlation-id" in rest


def test_te_is_not_made_up(stage, origin):
    gateway = stage.gateway(shared(origin().address))
    assert "te" not in dict(map(tuple, said(once(gateway.address, get("/"))) ["fields"]))


def test_host_and_rewrites_are_the_same_as_on_http1(stage, origin):
    up = origin()
    routes = [
        route("one", "/one/{id}", host="upstream", rewrite={"path": "/other/{id}"}),
        route("two", "/two/{rest...}", host="inner.example", rewrite={"strip_prefix": "/two"}, headers={"request": {"set": {"X-Set": "1"}, "remove": ["X-Own"]}}),
    ]
    gateway = stage.gateway(shared(up.address), routes)
    one = dict(map(tuple, said(once(gateway.address, get("/one/7?x")))["fields"]))
    assert one[":authority"] == up.address and one[":path"] == "/other/7?x"
    two = dict(map(tuple, said(once(gateway.address, get("/two/a/b", "X-Own: 1")))["fields"]))
    assert two[":authority"] == "inner.example" and two[":path"] == "/a/b" and two["x-set"] == "1" and "x-own" not in two


def test_bodies_go_up_by_length_and_by_chunks(stage, origin):
    gateway = stage.gateway(shared(origin().address), [route(body_limit="8MiB")])
    for body in (b"x", b"y" * 70_000, MIB):
        reply = said(once(gateway.address, post("/", body)))
        assert reply["bytes"] == len(body) and reply["sha256"] == hashlib.sha256(body).hexdigest()
        assert ["content-length", str(len(body))] in reply["fields"]
    with Wire(gateway.address) as wire:
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n")
        for _ in range(40):
            wire.send(b"1000\r\n" + b"z" * 4096 + b"\r\n")
        wire.send("0\r\nX-Sum: 7\r\nContent-Length: 5\r\n\r\n")
        reply = said(wire.read("POST"))
    assert reply["bytes"] == 40 * 4096 and reply["trailers"] == [["x-sum", "7"]]
    assert ["trailer", "x-sum"] in reply["fields"] and "content-length" not in dict(map(tuple, reply["fields"]))


def test_a_collected_body_goes_up_whole(stage, origin):
    gateway = stage.gateway(shared(origin().address), [route(stages={"collect": True})])
    reply = said(once(gateway.address, post("/", b"all of it")))
    assert reply["bytes"] == 9 and ["content-length", "9"] in reply["fields"]


def test_answers_of_every_shape(stage, origin):
    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            match request.path:
                case "/known": peer.respond(request.stream, b"12345", 201, ("x-own", "yes"))
                case "/unknown":
                    peer.start(request.stream, 200)
                    peer.send(request.stream, b"abc")
                    peer.send(request.stream, b"def", end=True)
                case "/none": peer.start(request.stream, 204, end=True)
                case "/not-modified": peer.start(request.stream, 304, ("content-length", "99"), end=True)
                case "/head": peer.start(request.stream, 200, ("content-length", "99"), end=True)
                case "/empty": peer.start(request.stream, 200, end=True)
                case "/early":
                    peer.start(request.stream, 103, ("link", "</a.css>"))
                    peer.respond(request.stream, b"ok")
                case "/trailers":
                    peer.start(request.stream, 200)
                    peer.send(request.stream, b"body")
                    peer.trailers(request.stream, ("grpc-status", "0"), ("authorization", "late"))
                case "/mib": peer.respond(request.stream, MIB)

    gateway = stage.gateway(shared(origin(play).address))
    with Wire(gateway.address) as wire:
        known = wire.ask(get("/known"))
        assert known.status == 201 and known.body == b"12345" and known.field("x-own") == "yes"
        assert known.field("content-length") == "5" and known.field("transfer-encoding") is None
        unknown = wire.ask(get("/unknown"))
        assert unknown.body == b"abcdef" and unknown.field("transfer-encoding") == "chunked"
        assert wire.ask(get("/none")).status == 204
        assert wire.ask(get("/not-modified")).status == 304
        head = wire.ask(get("/head", method="HEAD"))
        assert head.status == 200 and head.field("content-length") == "99" and head.body == b""
        empty = wire.ask(get("/empty"))
        assert empty.complete and empty.body == b"" and empty.field("content-length") == "0"
        early = wire.ask(get("/early"))
        assert early.body == b"ok" and [m.status for m in early.informational] == [103]
        trailers = wire.ask(get("/trailers"))
        assert trailers.body == b"body" and b"grpc-status: 0\r\n" in trailers.raw and b"authorization" not in trailers.raw
        assert wire.ask(get("/mib")).body == MIB


def test_many_exchanges_share_one_connection(stage, origin):
    """Thirty requests wait together on one connection, and each gets its own answer."""
    def play(peer: Peer) -> None:
        waiting = [peer.request() for _ in range(30)]
        for request in reversed(waiting):
            peer.respond(request.stream, request.path.encode())
        peer.hold()

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.address)) for _ in range(30)]
        for i, wire in enumerate(wires):
            wire.send(get(f"/{i}"))
        for i, wire in enumerate(wires):
            assert wire.read().body == f"/{i}".encode()
    assert len(up.peers) == 1


def test_another_connection_when_the_streams_are_taken(stage, origin):
    """Our own bound and the endpoint's both count; past all connections exchanges wait their turn."""
    gate = threading.Event()
    seen = []

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            seen.append(peer.number)
            if not gate.is_set():
                while not gate.is_set():
                    peer.pump(0.05)
            peer.respond(request.stream)

    up = origin(play)
    gateway = stage.gateway(shared(up.address, http2={"max_concurrent_streams": 2}, pool={"connections": 2}))
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.address)) for _ in range(7)]
        for wire in wires:
            wire.send(get("/"))
        sockets.wait_until(lambda: sum(len(p.requests) for p in up.peers) == 4, 5, "four requests")
        time.sleep(0.2)
        assert sorted(len(p.requests) for p in up.peers) == [2, 2]
        gate.set()
        assert [wire.read().status for wire in wires] == [200] * 7
    assert len(up.peers) == 2


def test_the_endpoints_own_limit_counts(stage, origin):
    import h2.settings

    most = []

    def play(peer: Peer) -> None:
        open_now = {}
        while True:
            request = peer.request()
            open_now[request.stream] = request
            most.append(sum(1 for r in peer.requests.values() if r.stream in open_now))
            time.sleep(0.02)
            peer.respond(request.stream)
            del open_now[request.stream]

    up = origin(play, settings={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    gateway = stage.gateway(shared(up.address, pool={"connections": 1}))
    assert once(gateway.address, get("/")).status == 200  # its settings are known now
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.address)) for _ in range(5)]
        for wire in wires:
            wire.send(get("/"))
        assert [wire.read().status for wire in wires] == [200] * 5
    assert len(up.peers) == 1 and max(most) == 1


def test_a_slow_reader_stops_its_own_stream_and_no_other(stage, origin):
    """The endpoint may send one stream window and what the sockets hold; other exchanges go on."""
    sent = [0]

    def play(peer: Peer) -> None:
        big, answered = None, 0
        while True:
            peer.pump(0.05)
            for request in list(peer.requests.values())[answered:]:
                answered += 1
                if request.path == "/big":
                    peer.start(request.stream, 200)
                    big = request.stream
                else:
                    peer.respond(request.stream, b"small")
            if big and peer.requests[big].reset is not None:
                big = None  # the test is over
            while big and (n := min(peer.h2.local_flow_control_window(big), 16384)) > 0:
                peer.h2.send_data(big, b"x" * n)
                sent[0] += n
                peer.push()

    up = origin(play)
    gateway = stage.gateway(shared(up.address, http2={"stream_window": "64KiB", "connection_window": "64KiB"}))
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = gateway.address.rpartition(":")
    small.connect((host, int(port)))
    with small, Wire(gateway.address) as other:
        small.sendall(get("/big"))
        time.sleep(0.5)
        before = sent[0]
        assert other.ask(get("/small")).body == b"small"
        time.sleep(0.3)
        assert sent[0] == before < 8 << 20, "the endpoint goes on sending to a client that does not read"
        for _ in range(20):
            assert other.ask(get("/small")).body == b"small"
        # And it goes on when the client does.
        small.settimeout(5)
        got = 0
        while got < before + 200_000:
            got += len(small.recv(65536))
    assert len(up.peers) == 1


def test_a_slow_endpoint_stops_the_client(stage, origin):
    """No credit for request bodies: the gateway holds a bounded part of one."""
    def play(peer: Peer) -> None:
        peer.head()
        peer.hold(3)

    up = origin(play, credit=False)
    gateway = stage.gateway(shared(up.address), [route(body_limit="unlimited")])
    with Wire(gateway.address) as wire:
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        wire.socket.setblocking(False)
        total = 0
        quiet = time.monotonic() + 1
        while time.monotonic() < quiet:
            try:
                total += wire.socket.send(b"x" * 65536)
                quiet = time.monotonic() + 0.5
            except BlockingIOError:
                time.sleep(0.01)
        assert total < 16 << 20
        assert gateway.rss() < 200 << 20


def test_an_early_answer_ends_the_request(stage, origin):
    """The answer is whole, the rest of the body is not wanted: the stream is reset, the connection stays."""
    def play(peer: Peer) -> None:
        request = peer.head()
        peer.respond(request.stream, b"enough", 413)
        while request.reset is None:
            peer.pump()
        while True:
            peer.respond(peer.request().stream)

    up = origin(play, credit=False)
    gateway = stage.gateway(shared(up.address), [route(body_limit="unlimited")])
    with Wire(gateway.address) as wire:
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + "x" * 300_000)
        reply = wire.read("POST")
        assert reply.status == 413 and reply.body == b"enough"
    assert once(gateway.address, get("/")).status == 200
    assert len(up.peers) == 1


def test_a_client_that_leaves_resets_its_stream(stage, origin):
    def play(peer: Peer) -> None:
        request = peer.request()
        while request.reset is None:
            peer.pump()
        while True:
            peer.respond(peer.request().stream)

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with Wire(gateway.address) as wire:
        wire.send(get("/"))
        sockets.wait_until(lambda: up.peers and up.peers[0].requests, 5, "the request")
        wire.reset()
    sockets.wait_until(lambda: up.peers[0].requests[1].reset is not None, 5, "the reset")
    assert up.peers[0].requests[1].reset == 8  # CANCEL
    assert once(gateway.address, get("/")).status == 200
    assert len(up.peers) == 1


def test_expect_continue_waits_for_the_endpoint(stage, origin):
    def play(peer: Peer) -> None:
        request = peer.head()
        assert request.field("expect") == "100-continue"
        peer.start(request.stream, 100)
        peer.respond(peer.request().stream, b"thanks")
        peer.hold()

    gateway = stage.gateway(shared(origin(play).address))
    with Wire(gateway.address) as wire:
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert wire.take(25).startswith(b"HTTP/1.1 100")
        wire.send("body")
        assert wire.read("POST").body == b"thanks"


def test_idle_connections_end_in_order(stage, origin):
    def play(peer: Peer) -> None:
        peer.respond(peer.request().stream)
        peer.hold()

    up = origin(play)
    gateway = stage.gateway(shared(up.address, pool={"idle_timeout": "200ms"}))
    assert once(gateway.address, get("/")).status == 200
    sockets.wait_until(lambda: up.peers[0].goaway is not None, 3, "GOAWAY")
    assert int(up.peers[0].goaway.error_code) == 0
    assert once(gateway.address, get("/")).status == 200 and len(up.peers) == 2


def test_requests_and_age_bound_a_connection(stage, origin):
    up = origin()
    gateway = stage.gateway(shared(up.address, pool={"requests": 2}))
    assert [said(once(gateway.address, get("/")))["connection"] for _ in range(5)] == [0, 0, 1, 1, 2]
    old = origin()
    gateway = stage.gateway(shared(old.address, pool={"max_age": "300ms"}))
    assert said(once(gateway.address, get("/")))["connection"] == 0
    time.sleep(0.5)
    assert said(once(gateway.address, get("/")))["connection"] == 1


def test_a_reload_lets_running_exchanges_finish(stage, origin):
    gate = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == "/slow":
                gate.wait(5)
            peer.respond(request.stream, str(peer.number).encode())

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with Wire(gateway.address) as wire:
        wire.send(get("/slow"))
        sockets.wait_until(lambda: up.peers and up.peers[0].requests, 5, "the request")
        gateway.reload(shared(up.address, pool={"pending": 7}))
        assert once(gateway.address, get("/")).body == b"1"
        gate.set()
        assert wire.read().body == b"0"
    sockets.wait_until(lambda: up.peers[0].goaway is not None, 3, "the old connection ends")


def test_drain_finishes_streams(stage, origin):
    gate = threading.Event()

    def play(peer: Peer) -> None:
        request = peer.request()
        gate.wait(5)
        peer.respond(request.stream)
        peer.hold()

    up = origin(play)
    gateway = stage.gateway(shared(up.address))
    with Wire(gateway.address) as wire:
        wire.send(get("/"))
        sockets.wait_until(lambda: up.peers and up.peers[0].requests, 5, "the request")
        gateway.signal(signal.SIGTERM)
        time.sleep(0.2)
        gate.set()
        assert wire.read().status == 200
    assert gateway.wait(3) == 0


def test_an_upgrade_needs_http1(stage):
    gateway = stage.files(shared("127.0.0.1:1"), [route(upgrade=True)])
    done = gateway.run("check")
    assert done.returncode != 0 and "an upgrade needs HTTP/1.1" in done.stderr + done.stdout


def test_metrics_and_pipelining(stage, origin):
    """Pipelined requests of one client go one by one over the same connection."""
    up = origin()
    gateway = stage.gateway(shared(up.address))
    with Wire(gateway.address) as wire:
        wire.send(get("/1") + get("/2") + post("/3", b"abc") + get("/4"))
        for i in "1234":
            assert [":path", f"/{i}"] in said(wire.read())["fields"]
    assert len(up.peers) == 1
