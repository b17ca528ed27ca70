"""HTTP/2 upstreams that refuse, leave, die, stall or allow little: what was not processed is tried again, the rest is told."""

import socket
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.http2 import Code, Setting, rst
from harness.http2 import settings as settings_frame
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Gone
from harness.wire import Wire, get, once, post


def behind(stage, upstream: Upstream, *routes, **over):
    """A gateway before it; routes default to all with one retry."""
    return stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}, **over), list(routes) or [route()])


def ok(service: Service) -> None:
    while True:
        stream = service.read_request()
        service.answer(stream, stream.path.encode() + b" " + stream.body)


class Turns:
    """A script whose first requests over all connections meet `bad`, the others a proper answer."""

    def __init__(self, bad, times: int = 1):
        self.bad, self.left, self.seen = bad, times, 0
        self._lock = threading.Lock()

    def __call__(self, service: Service) -> None:
        while True:
            stream = service.read_head()
            with self._lock:
                self.seen += 1
                spoil, self.left = self.left > 0, self.left - 1
            if spoil:
                if self.bad(service, stream):
                    return
                continue
            if not service.pump(lambda stream=stream: stream.ended or stream.reset is not None, 10):
                raise Gone("cut request")
            service.answer(stream, stream.path.encode() + b" " + stream.body)


def refused(service: Service, stream) -> None:
    service.reset(stream, Code.REFUSED_STREAM)


def left_before(service: Service, stream) -> bool:
    service.leave(stream.number - 2 if stream.number > 1 else 0)
    service.pump(seconds=0.3)
    return True


def left_twice(service: Service, stream) -> bool:
    service.leave((1 << 31) - 1)
    return left_before(service, stream)


ASKS = {
    "get-http1": lambda address: once(address, get("/a")),
    "post-http1": lambda address: once(address, post("/a", b"body")),
    "get-http2": lambda address: _ask(address),
    "post-http2": lambda address: _ask(address, method="POST", body=b"body"),
}


def _ask(address: str, **more):
    with Client(address) as client:
        return client.ask("/a", **more)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("bad", [refused, left_before, left_twice])
def test_what_was_not_processed_is_tried_again(stage, bad, ask):
    """RFC 9113 section 8.7: REFUSED_STREAM and streams above a GOAWAY's last one are safe to repeat, POST too."""
    script = Turns(bad)
    with Upstream(script) as upstream:
        gateway = behind(stage, upstream)
        reply = ASKS[ask](gateway.address)
        assert (reply.status, bytes(reply.body)) == (200, b"/a body" if "post" in ask else b"/a "), str(reply)[:300]
        assert script.seen == 2
        assert once(gateway.address, get("/after")).status == 200


def test_refusing_for_ever_ends(stage):
    script = Turns(refused, 1000)
    with Upstream(script) as upstream:
        gateway = behind(stage, upstream)
        assert once(gateway.address, get("/")).status in (502, 503)
        assert 1 <= script.seen <= 6, f"{script.seen} attempts"


def test_a_goaway_parts_the_streams(stage):
    """Up to its last stream they are finished where they are, those above go elsewhere."""

    def play(service: Service) -> None:
        if service.number > 0:
            return ok(service)
        streams = [service.read_head() for _ in range(4)]
        service.leave(streams[1].number)
        for stream in streams[:2]:
            service.answer(stream, b"first")
        service.pump(seconds=1)

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream)
        with Client(gateway.address) as client:
            streams = [client.request(f"/{number}") for number in range(4)]
            bodies = [bytes(client.finish(stream).body) for stream in streams]
        assert all(stream.status == 200 for stream in streams), streams
        assert bodies.count(b"first") == 2 and len(upstream.links) == 2, bodies


@pytest.mark.parametrize("code", [Code.INTERNAL_ERROR, Code.CANCEL, Code.ENHANCE_YOUR_CALM])
def test_a_post_that_was_taken_and_reset_is_not_repeated(stage, code):
    script = Turns(lambda service, stream: (service.pump(lambda: stream.ended, 2), service.reset(stream, code)) and None)
    with Upstream(script) as upstream:
        gateway = behind(stage, upstream)
        reply = once(gateway.address, post("/", b"body"))
        assert reply.status == 502, reply.raw[:300]
        assert (reply.field("proxy-status") or "").startswith("nexus-gateway; error=")
        assert script.seen == 1
        assert once(gateway.address, get("/after")).status == 200


@pytest.mark.parametrize("how", ["fin", "rst", "goaway", "goaway-only"])
def test_dead_pooled_connections_are_noticed(stage, how):
    """Twenty times: the connection dies at rest, the next request (a POST too) succeeds."""

    def play(service: Service) -> None:
        stream = service.read_request()
        service.answer(stream, b"ok")
        service.pump(seconds=0.01)  # the answer is read before the end comes
        if how.startswith("goaway"):
            service.leave(stream.number)
        if how == "rst":
            service.abort()
        if how in ("fin", "goaway"):
            service.socket.shutdown(socket.SHUT_WR)
        if how == "goaway-only":
            service.hold(5)

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream)
        for turn in range(20):
            reply = once(gateway.address, post(f"/{turn}", b"x")) if turn % 2 else once(gateway.address, get(f"/{turn}"))
            assert reply.status == 200, f"turn {turn}: {reply.raw[:200]}"
            time.sleep(0.03)
        assert len(upstream.links) == 20


def test_connections_that_die_under_load(stage):
    """The upstream drops its connection after every tenth answer: GETs all succeed or fail visibly, the most succeed."""

    def play(service: Service) -> None:
        for _ in range(10):
            stream = service.read_request()
            service.answer(stream, stream.path.encode())
        service.abort()

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream)
        good, wrong = [0], []

        def client(number: int) -> None:
            with Wire(gateway.address, timeout=5) as wire:
                for turn in range(50):
                    reply = wire.ask(get(f"/{number}/{turn}"))
                    if reply.status == 200 and reply.body == f"/{number}/{turn}".encode():
                        good[0] += 1
                    elif reply.status not in (502, 503) or not reply.complete:
                        wrong.append(f"{reply.end} {reply.status} {reply.body[:50]!r}")

        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong and good[0] >= 180, (good[0], wrong[:3])


def test_one_stream_at_a_time_queues(stage):
    """max_concurrent_streams = 1: what comes beyond is refused, as servers do, and everybody is served."""
    excess = [0]

    def play(service: Service) -> None:
        while True:
            stream = service.read_request()
            service.pump(seconds=0.03)
            excess[0] += len(service.heads)
            while service.heads:
                service.reset(service.heads.pop(), Code.REFUSED_STREAM)
            service.answer(stream, stream.path.encode())

    with Upstream(play, ours={Setting.MAX_CONCURRENT_STREAMS: 1}) as upstream:
        gateway = behind(stage, upstream)
        assert once(gateway.address, get("/first")).status == 200
        with Client(gateway.address, 10) as client:
            streams = [client.request(f"/{number}") for number in range(12)]
            ends = [(client.finish(stream).status, bytes(stream.body)) for stream in streams]
        assert ends == [(200, f"/{number}".encode()) for number in range(12)], f"{ends}, {excess[0]} streams beyond the limit, {len(upstream.links)} connections"


def test_no_streams_for_a_while(stage):
    """max_concurrent_streams = 0, raised later: the request waits or is told 503, and is served afterwards."""

    def play(service: Service) -> None:
        service.pump(lambda: service.settled, 2)
        service.pump(seconds=0.4)
        service.send(settings_frame((Setting.MAX_CONCURRENT_STREAMS, 10)))
        ok(service)

    with Upstream(play, ours={Setting.MAX_CONCURRENT_STREAMS: 0}, lenient=True) as upstream:
        gateway = behind(stage, upstream)
        assert once(gateway.address, get("/")).status in (200, 502, 503)
        sockets.wait_until(lambda: once(gateway.address, get("/")).status == 200, 3, "service", every=0.1)


def test_a_silent_upstream_is_504_and_its_stream_cancelled(stage):
    """The stream is cancelled; another one on the same connection is finished."""

    def play(service: Service) -> None:
        while True:
            stream = service.read_head()
            if stream.path == "/late":
                service.pump(seconds=0.3)
            if stream.path != "/silent":
                service.answer(stream, b"ok")

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream, route(retries=0, timeouts={"first_byte": "500ms"}))
        with Client(gateway.address) as client:
            start = time.monotonic()
            silent = client.request("/silent")
            client.pump(seconds=0.3)
            late = client.request("/late")
            assert client.finish(silent).status == 504
            assert 0.4 < time.monotonic() - start < 1.5
            assert client.finish(late).status == 200
        sockets.wait_until(lambda: upstream.heads[0].reset is not None, 2, "RST_STREAM at the upstream")
        assert upstream.heads[0].reset in (Code.CANCEL, Code.NO_ERROR)
        assert once(gateway.address, get("/fast")).status == 200


@pytest.mark.parametrize("how", ["rst", "close", "http1"])
def test_a_client_that_gives_up_is_heard_upstream(stage, how):
    """The upstream's stream is cancelled, its connection is kept."""

    def play(service: Service) -> None:
        while True:
            stream = service.read_head()
            if not stream.path.startswith("/hold"):
                service.answer(stream, b"ok")

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream)
        assert once(gateway.address, get("/warm")).status == 200
        if how == "http1":
            wire = Wire(gateway.address).send(get("/hold"))
        else:
            client = Client(gateway.address)
            stream = client.request("/hold")
        sockets.wait_until(lambda: len(upstream.heads) == 2, 2, "the request")
        if how == "rst":
            client.send(rst(stream.number))
        else:
            wire.reset() if how == "http1" else client.close()
        held = upstream.heads[1]
        sockets.wait_until(lambda: held.reset is not None, 2, "RST_STREAM at the upstream")
        assert held.reset == Code.CANCEL, f"RST_STREAM {held.reset}"
        assert once(gateway.address, get("/after")).status == 200 and len(upstream.links) == 1


def test_a_cancel_in_the_middle_of_an_answer_reaches_the_upstream(stage):
    def play(service: Service) -> None:
        stream = service.read_request()
        service.head(stream)
        while stream.reset is None and not service.ended:
            service.body(stream, bytes(16384), end=False)
            service.pump(lambda: stream.reset is not None, 0.005)
        ok(service)

    with Upstream(play) as upstream:
        gateway = behind(stage, upstream)
        with Client(gateway.address) as client:
            stream = client.request("/endless")
            client.pump(lambda: stream.count > 100_000, 5)
            client.send(rst(stream.number))
            sockets.wait_until(lambda: upstream.heads[0].reset is not None, 3, "RST_STREAM at the upstream")
            assert upstream.heads[0].reset == Code.CANCEL
            assert client.ask("/after").status == 200 and len(upstream.links) == 1


def test_tiny_windows_of_the_upstream(stage):
    """A stream window of one byte, opened a byte at a time: slow, and right."""
    with Upstream(ok, ours={Setting.INITIAL_WINDOW_SIZE: 1}) as upstream:
        gateway = behind(stage, upstream)
        body = bytes(range(256)) * 4
        with Client(gateway.address, 10) as client:
            stream = client.ask("/tiny", method="POST", body=body)
            assert bytes(stream.body) == b"/tiny " + body, str(stream)


def test_a_window_that_shrinks_below_zero(stage):
    """SETTINGS_INITIAL_WINDOW_SIZE lowered while a body is out (RFC 9113 section 6.9.2): the upload stops, then goes on."""

    def play(service: Service) -> None:
        stream = service.read_head()
        service.pump(lambda: stream.count >= 1000, 3)
        service.send(settings_frame((Setting.INITIAL_WINDOW_SIZE, 0)))
        service.pump(seconds=0.3)
        service.send(settings_frame((Setting.INITIAL_WINDOW_SIZE, 65535)))
        service.pump(lambda: stream.ended, 5)
        service.answer(stream, str(stream.count).encode())
        ok(service)

    with Upstream(play, lenient=True) as upstream:
        gateway = behind(stage, upstream)
        with Client(gateway.address, 10) as client:
            assert bytes(client.ask("/", method="POST", body=bytes(300_000)).body) == b"300000"


def test_refused_dropped_and_absent_upstreams_are_told_and_counted(stage):
    """Right answer, and the failure shows in the metrics."""
    with Upstream(ok) as upstream:
        config = settings(sockets.closed_address(), clusters={"up": {"protocol": "http2"}})
        config["clusters"]["well"] = {"protocol": "http2", "endpoints": [upstream.address]}
        gateway = stage.gateway(config, [*OPERATIONS, route("well", "/well", cluster="well"), route()])
        assert once(gateway.address, get("/")).status in (502, 503)
        assert once(gateway.address, get("/well")).status == 200
        text = once(gateway.admin, get("/metrics")).body.decode()
        assert "nexus_http2_resets_total" in text and 'cluster="up"' in text


def test_nothing_leaks_over_many_resets(stage):
    script = Turns(lambda service, stream: service.reset(stream, Code.INTERNAL_ERROR), 1 << 30)
    with Upstream(script) as upstream:
        gateway = behind(stage, upstream, route(retries=0))
        for _ in range(100):
            once(gateway.address, get("/"))
        calm, memory = gateway.descriptors(), gateway.rss()
        with Wire(gateway.address) as wire:
            for _ in range(1000):
                assert wire.ask(get("/")).status == 502
        assert gateway.descriptors() <= calm + 4
        assert gateway.rss() - memory < 2 << 20
