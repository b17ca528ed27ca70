"""Upstreams at the edges: who waits when a connection retires, who is in the way of whom, what outlives a reload."""

import contextlib
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.http2 import Kind, Setting, block, headers, rst, window_update
from harness.http2 import settings as settings_frame
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def shared(*endpoints: str, **cluster) -> dict:
    return settings(*endpoints, clusters={"up": {"protocol": "http2", **cluster}})


@contextlib.contextmanager
def black_hole():
    """An address where connects neither succeed nor fail."""
    listening = sockets.listen(backlog=0)
    held = [listening]
    for _ in range(4):
        extra = sockets.socket.socket()
        extra.setblocking(False)
        extra.connect_ex(listening.getsockname())
        held.append(extra)
    try:
        yield sockets.address_of(listening)
    finally:
        for each in held:
            each.close()


def metric(gateway, line: str) -> int:
    lines = once(gateway.admin, get("/metrics")).body.decode().splitlines()
    return sum(int(each.split()[-1]) for each in lines if each.startswith(line))


def test_a_goaway_makes_room_for_those_who_wait(stage):
    """The connection that leaves may be replaced at once: who waits does not wait for its last stream."""

    def play(service: Service) -> None:
        stream = service.read_request()
        if service.number == 0:
            service.pump(seconds=0.3)
            service.leave(stream.number)
            service.pump(seconds=3)
        service.answer(stream, b"%d" % service.number)
        service.hold()

    with Upstream(play) as upstream:
        gateway = stage.gateway(
            shared(upstream.address, http2={"max_concurrent_streams": 1}, pool={"connections": 1}),
            [route(timeouts={"queue": "2s"})])
        with Wire(gateway.address) as long, Wire(gateway.address) as waiting:
            long.send(get("/"))
            time.sleep(0.1)
            waiting.send(get("/"))
            start = time.monotonic()
            reply = waiting.read()
            assert (reply.status, reply.body) == (200, b"1") and time.monotonic() - start < 1
            assert long.read().body == b"0"


def test_per_try_bounds_a_connect_that_hangs(stage):
    """On shared connections as on others: the time of an attempt includes the way to the endpoint."""
    with black_hole() as hole, Upstream() as upstream:
        gateway = stage.gateway(
            shared(hole, upstream.address, balance="round_robin"),
            [route(timeouts={"connect": "3s"}, retry={"attempts": 2, "on": ["timeout", "connect"], "per_try": "200ms"})])
        for _ in range(4):
            start = time.monotonic()
            assert once(gateway.address, get("/")).status == 200
            assert time.monotonic() - start < 1


def test_stream_max_bounds_a_connect_that_hangs(stage):
    for protocol in ("http1", "http2"):
        with black_hole() as hole:
            gateway = stage.gateway(
                shared(hole, protocol=protocol), [route(timeouts={"connect": "3s", "stream_max": "300ms"}, retries=0)])
            start = time.monotonic()
            assert once(gateway.address, get("/")).status == 504
            assert time.monotonic() - start < 1, protocol


def test_a_check_answered_without_end_holds_nobody_up(stage):
    """Interim answers for ever, as fast as they are read: the check fails, and the worker serves others meanwhile."""

    def endless(peer: Peer) -> None:
        message = peer.read_request()
        if message.target != "/health":
            return peer.send(respond("200 OK", b"odd"))
        while True:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000)

    odd, well = stage.backend(endless), stage.backend()
    config = settings(odd.address, clusters={
        "up": {"health": {"http": {"path": "/health"}, "interval": "5s", "timeout": "1s"}}, "well": {"endpoints": [well.address]}})
    gateway = stage.gateway(config, [*OPERATIONS, route(cluster="well")])
    worst = 0.0
    for _ in range(40):
        start = time.monotonic()
        assert once(gateway.address, get("/")).status == 200
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.02)
    assert worst < 0.5
    sockets.wait_until(lambda: metric(gateway, 'nexus_upstream_health_checks_total{cluster="up",result="failed"}') >= 1, 3, "a failed check")


def test_a_check_of_before_the_reload_says_nothing(stage):
    """A check that is under way when a reload takes the checks away must not leave its endpoint ill for ever."""
    running = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.target == "/health":
                running.set()
                peer.hold(5)
            if message.target == "/slow":
                peer.hold(2)
            peer.send(respond("200 OK", b"fine"))

    up = stage.backend(play)
    config = settings(up.address)
    config["clusters"]["up"]["health"] = {"http": {"path": "/health"}, "interval": "10s", "timeout": "1s", "unhealthy": 1}
    gateway = stage.gateway(config, [*OPERATIONS, route()])
    with Wire(gateway.address) as slow:
        slow.send(get("/slow"))  # keeps the old generation
        assert running.wait(3)
        del config["clusters"]["up"]["health"]
        gateway.reload(config)
        time.sleep(1.5)
        assert metric(gateway, 'nexus_upstream_endpoints{cluster="up",state="unhealthy"}') == 0


def test_who_has_left_is_not_in_the_way_of_the_bulkhead(stage):
    """A line full of clients that are gone is an empty line."""
    def play(peer: Peer) -> None:
        while True:
            if peer.read_request().target == "/slow":
                time.sleep(1)
            peer.send(respond("200 OK"))

    up = stage.backend(play)
    config = settings(up.address)
    config["clusters"]["up"].update({"bulkhead": {"concurrent": 1, "wait": "5s"}, "pool": {"pending": 4}})
    gateway = stage.gateway(config, [route(retries=0)])
    with Wire(gateway.address) as running:
        running.send(get("/slow"))
        time.sleep(0.1)
        gone = [Wire(gateway.address) for _ in range(4)]
        for wire in gone:
            wire.send(get("/"))
        time.sleep(0.1)
        for wire in gone:
            wire.reset()
        time.sleep(0.1)
        assert once(gateway.address, get("/")).status == 200
        assert running.read().status == 200


def test_what_has_been_answered_is_not_sent_when_its_turn_comes(stage):
    """An exchange that was refused while it waited lives on until its client takes the refusal."""
    def play(peer: Peer) -> None:
        while True:
            if peer.read_request().target == "/slow":
                time.sleep(0.8)
            peer.send(respond("200 OK", b"upstream"))

    up = stage.backend(play)
    for cluster in ({"pool": {"connections": 1}}, {"bulkhead": {"concurrent": 1, "wait": "5s"}}):
        config = settings(up.address)
        config["clusters"]["up"].update(cluster)
        gateway = stage.gateway(config, [route(retries=0)])
        with Wire(gateway.address) as running, Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}, consume=False) as client:
            running.send(get("/slow"))
            time.sleep(0.1)
            client.settle()
            stream = client.request("/refused", method="POST", body=b"body", trailers=[("x-large", "y" * 12_000)])
            client.pump(lambda: stream.status, 1)
            assert stream.status == 431 and not stream.complete
            assert running.read().status == 200
            client.pump(seconds=0.3)
        assert not any(b"/refused" in peer.received for peer in up.peers), cluster


def test_an_upload_nobody_reads_ends_in_time(stage):
    """No credit for the rest of a body: that is the endpoint's silence, whatever the client still has to send."""

    def play(service: Service) -> None:
        time.sleep(3)

    with Upstream(play, lenient=True) as upstream:
        gateway = stage.gateway(shared(upstream.address), [route(timeouts={"first_byte": "300ms"}, retries=0)])
        with Wire(gateway.address) as wire:
            start = time.monotonic()
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000)
            assert wire.read().status == 504 and time.monotonic() - start < 1.5


def test_an_upload_that_is_read_slowly_goes_on(stage):
    """Credit that comes little by little is no silence."""

    def play(service: Service) -> None:
        stream = service.read_head()
        for _ in range(12):
            time.sleep(0.1)
            service.send(window_update(0, 4000), window_update(stream.number, 4000))
        service.consume = True
        service.send(window_update(0, 1 << 20), window_update(stream.number, 1 << 20))
        service.pump(lambda: stream.ended, 5)
        service.answer(stream, b"%d" % stream.count)
        service.hold()

    with Upstream(play, consume=False) as upstream:
        gateway = stage.gateway(shared(upstream.address), [route(timeouts={"first_byte": "400ms"}, retries=0)])
        with Wire(gateway.address) as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
            assert wire.read().body == b"200000"


def test_a_reload_may_make_the_breakers_numbers_smaller(stage):
    status = ["200 OK"]

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond(status[0]))

    up = stage.backend(play)
    config = settings(up.address)
    config["clusters"]["up"]["breaker"] = {"window": 20, "open": "300ms", "half_open": 3}
    gateway = stage.gateway(config, [*OPERATIONS, route(retries=0)])
    for _ in range(12):
        assert once(gateway.address, get("/")).status == 200
    config["clusters"]["up"]["breaker"]["window"] = 12
    gateway.reload(config)
    assert once(gateway.address, get("/")).status == 200
    # Half open, with more trials back than are asked for now.
    status[0] = "500 Broken"
    sockets.wait_until(lambda: once(gateway.address, get("/")).status == 503, 3, "open", every=0)
    status[0] = "200 OK"
    sockets.wait_until(lambda: metric(gateway, 'nexus_upstream_breaker_state{cluster="up"}') == 1, 2, "half open")
    assert [once(gateway.address, get("/")).status for _ in range(2)] == [200, 200]
    config["clusters"]["up"]["breaker"]["half_open"] = 1
    gateway.reload(config)
    sockets.wait_until(lambda: once(gateway.address, get("/")).status == 200, 2, "another trial")
    assert metric(gateway, 'nexus_upstream_breaker_state{cluster="up"}') == 0


def test_uploads_nobody_reads_cost_no_place_for_ever(stage):
    """An endpoint that takes connections and reads nothing: its connections end with their exchanges, and the next may serve."""

    def play(service: Service) -> None:
        if service.number < 6:
            service.send(settings_frame((Setting.INITIAL_WINDOW_SIZE, 1 << 30)), window_update(0, 1 << 30))
            time.sleep(20)
        else:
            while True:
                service.answer(service.read_request(), b"ok")

    with Upstream(play, lenient=True) as upstream:
        gateway = stage.gateway(
            shared(upstream.address, pool={"connections": 1}, ejection="off"),
            [route(body_limit="16MiB", timeouts={"first_byte": "300ms", "queue": "300ms"}, retries=0)])
        statuses = []
        for _ in range(7):
            with Wire(gateway.address) as wire:
                wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
                with contextlib.suppress(OSError):
                    for _ in range(90):
                        wire.socket.settimeout(0.2)
                        wire.socket.sendall(b"x" * 100_000)
                wire.socket.settimeout(5)
                statuses.append(wire.read().status)
        assert statuses[:6] == [504] * 6, statuses
        assert once(gateway.address, get("/")).status == 200


def test_a_known_limit_holds_for_new_connections(stage):
    """What the endpoint allowed on one connection is not exceeded on the next before it has said so again."""
    excess = [0]

    def play(service: Service) -> None:
        while True:
            stream = service.read_request()
            service.pump(seconds=0.05)
            excess[0] += len(service.heads)
            service.answer(stream, b"ok")

    with Upstream(play, ours={Setting.MAX_CONCURRENT_STREAMS: 1}) as upstream:
        gateway = stage.gateway(shared(upstream.address), [route(retries=0)])
        assert once(gateway.address, get("/")).status == 200
        with Client(gateway.address, 10) as client:
            streams = [client.request("/") for _ in range(12)]
            assert [client.finish(stream).status for stream in streams] == [200] * 12
        assert excess == [0]


def test_a_reload_may_change_everything_about_a_cluster_under_load(stage):
    """Protocol, endpoint and policies change again and again; not one request notices."""
    plain = stage.backend()
    with Upstream() as upstream:
        config = settings(plain.address, workers=2)
        ways = [
            {"endpoints": [upstream.address], "protocol": "http2", "bulkhead": {"concurrent": 3}},
            {"endpoints": [plain.address], "protocol": "http1", "breaker": {}},
            {"endpoints": [upstream.address], "protocol": "http2", "http2": {"max_concurrent_streams": 2}, "pool": {"connections": 1}},
            {"endpoints": [plain.address], "protocol": "http1", "bulkhead": {"concurrent": 2}, "health": {"tcp": True, "interval": "100ms"}},
        ]
        gateway = stage.gateway(config, [*OPERATIONS, route()])
        over, statuses = threading.Event(), []

        def ask() -> None:
            with Wire(gateway.address) as wire:
                while not over.is_set():
                    statuses.append(wire.ask(get("/")).status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for each in threads:
            each.start()
        for turn in range(16):
            config["clusters"]["up"] = ways[turn % len(ways)]
            gateway.reload(config)
        over.set()
        for each in threads:
            each.join()
        assert len(statuses) > 100 and set(statuses) == {200}
        report = once(gateway.admin, get("/upstreams")).body
        assert b'"active":0' in report and b'"running":1' not in report and report.count(b'"name"') == 1


FLOODS = {
    "resets of a stream that is no more": lambda stream: rst(stream.number),
    "interim answers": lambda stream: headers(stream.number, block((":status", "103"), ("link", "</a>")), False),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_floods_for_streams_that_are_no_more_are_cut(stage, kind):
    """What comes for a stream that has ended is ignored only so often: then the connection ends."""
    taken = []

    def play(service: Service) -> None:
        piece = FLOODS[kind](service.read_head()) * 2000
        service.socket.settimeout(5)
        deadline = time.monotonic() + 3
        try:
            while time.monotonic() < deadline:
                service.socket.sendall(piece)
        except OSError:
            taken.append(True)

    with Upstream(play, lenient=True) as upstream:
        gateway = stage.gateway(shared(upstream.address), [*OPERATIONS, route(retries=0)])
        assert once(gateway.address, get("/")).status == 502
        sockets.wait_until(lambda: taken, 2, "the end of the connection")
        sockets.wait_until(lambda: metric(gateway, 'nexus_upstream_connections_open{cluster="up"}') == 0, 2, "no connection")


def test_impatient_clients_do_not_hide_a_dead_connection(stage):
    """Nobody waits for `first_byte`, so nothing times out: the connection is found dead all the same, by a PING."""
    def play(service: Service) -> None:
        service.answer(service.read_request(), b"%d" % service.number)
        if service.number == 0:
            time.sleep(30)
        while True:
            service.answer(service.read_request(), b"%d" % service.number)

    with Upstream(play, lenient=True) as upstream:
        gateway = stage.gateway(shared(upstream.address, pool={"connections": 1}), [*OPERATIONS, route()])
        assert once(gateway.address, get("/")).body == b"0"

        def ask() -> bytes:
            with Wire(gateway.address, 0.3) as wire:
                wire.send(get("/"))
                return wire.read().body

        sockets.wait_until(lambda: ask() == b"1", 15, "a new connection", every=0.1)


def test_a_slow_answer_outlives_the_sign_of_life(stage):
    """An endpoint that thinks for long, but answers PING, is alive; it is not asked again and again."""
    pings = []

    def play(service: Service) -> None:
        service.answer(service.read_request())
        stream = service.read_request()
        service.pump(seconds=12)
        pings.append(sum(made.kind == Kind.PING for made in service.frames))
        service.answer(stream, b"late")
        service.hold()

    with Upstream(play) as upstream:
        gateway = stage.gateway(shared(upstream.address), [*OPERATIONS, route(timeouts={"first_byte": "30s"})])
        with Wire(gateway.address, 20) as wire:
            assert wire.ask(get("/")).status == 200
            wire.send(get("/"))
            assert wire.read().body == b"late"
        assert pings == [1]
