"""Clients that do not take, and upstreams that may not send: memory stays bounded, stalls end, others go on."""

import time

import pytest

from harness import procfs, sockets
from harness.gateway import listener, route, settings
from harness.http2 import Kind, Setting, block, data, frame, headers, request_fields, window_update
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Gone, Peer, respond
from harness.wire import Wire, get, once

MIB = 1 << 20
BLOCK = b"x" * (64 << 10)


def firehose(peer: Peer) -> None:
    """64 MiB for every `/large`, as fast as they are taken."""
    while True:
        message = peer.read_request()
        if not message.target.startswith("/large"):
            peer.send(respond("200 OK", b"ok"))
            continue
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
        for _ in range(1024):
            peer.send(BLOCK)


def firehose2(service: Service) -> None:
    """The same over HTTP/2: the streams take turns, as far as the windows allow."""
    large = []
    while not service.ended:
        service.pump(lambda: bool(service.heads), 0.005 if large else 1)
        while service.heads:
            stream = service.heads.pop(0)
            if not stream.path.startswith("/large"):
                service.answer(stream, b"ok")
                continue
            service.head(stream, ("content-length", "67108864"))
            large.append(stream)
        for stream in large:
            room = min(stream.window, service.window, 16384)
            if room > 0 and stream.reset is None:
                stream.window -= room
                service.window -= room
                service.send(data(stream.number, BLOCK[:room]))


@pytest.fixture(params=["http1", "http2"])
def subject(request, stage):
    """A gateway whose clients may be silent for 2 s, before an upstream of either version that never tires."""
    config = {"listeners": [listener(timeouts={"send": "2s", "linger": "200ms"})]}
    if request.param == "http1":
        yield stage.gateway(settings(stage.backend(firehose).address, **config))
    else:
        with Upstream(firehose2) as upstream:
            yield stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}, **config))


def warm(gateway) -> None:
    for _ in range(50):
        assert once(gateway.address, get("/small")).status == 200


def test_windows_that_never_open(subject, record_property):
    """A hundred answers of 64 MiB, a window of zero: what the upstreams may send is bounded, the streams end."""
    warm(subject)
    before = subject.rss()
    with Client(subject.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}) as client:
        client.settle()
        streams = [client.request(f"/large/{number}") for number in range(100)]
        start, peak = time.monotonic(), 0
        over = lambda: client.ended or client.goaway or all(stream.reset is not None for stream in streams)  # noqa: E731
        while not over() and time.monotonic() - start < 8:
            client.pump(over, 0.05)
            peak = max(peak, subject.rss() - before)
            assert once(subject.address, get("/small"), 2).status == 200, "others are served meanwhile"
        took = time.monotonic() - start
        numbers = f"memory {peak >> 10:+,} KiB at most, ended after {took:.2f} s ({sum(stream.reset is not None for stream in streams)} resets, GOAWAY {client.goaway})"
        print(numbers)
        record_property("numbers", numbers)
        assert over() and 1 < took < 6, numbers
        assert peak < 16 * MIB, numbers
        assert sum(stream.count for stream in streams) == 0 and not client.violations
    subject.assert_alive()


def test_a_window_that_drips(subject):
    """A byte of window now and then is progress in name only: memory stays bounded while it lasts."""
    warm(subject)
    before = subject.rss()
    with Client(subject.address, ours={Setting.INITIAL_WINDOW_SIZE: 1}, consume=False) as client:
        client.settle()
        client.send(frame(Kind.SETTINGS, 1))
        streams = [client.request(f"/large/{number}") for number in range(50)]
        for _ in range(15):
            for stream in streams:
                stream.allowance += 1
                client.send(window_update(stream.number, 1))
            client.pump(seconds=0.1)
        assert subject.rss() - before < 16 * MIB
        assert not client.violations, client.violations


def test_readers_that_never_read_the_socket(subject, record_property):
    """Open windows, a full socket: bounded by `send`."""
    warm(subject)
    before, calm = subject.rss(), subject.descriptors()
    clients = [Client(subject.address, ours={Setting.INITIAL_WINDOW_SIZE: (1 << 31) - 1}, receive_buffer=4096) for _ in range(10)]
    for client in clients:
        client.settle()
        client.send(window_update(0, (1 << 31) - 1 - 65535))
        for number in range(10):
            client.request(f"/large/{number}")
    peak, start = 0, time.monotonic()
    while subject.descriptors() > calm + 5 and time.monotonic() - start < 8:
        peak = max(peak, subject.rss() - before)
        time.sleep(0.05)
    took = time.monotonic() - start
    numbers = f"memory {peak >> 10:+,} KiB at most, dropped after {took:.2f} s"
    print(numbers)
    record_property("numbers", numbers)
    for client in clients:
        client.close()
    # A hundred streams of an upstream window each, and what waits for ten sockets.
    assert took < 6 and peak < 48 * MIB, numbers
    assert once(subject.address, get("/small")).status == 200


def test_stalled_streams_leave_the_upstream_to_others(stage):
    """Streams nobody reads must not use up the window of an upstream connection that others share."""
    with Upstream(firehose2) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}))
        with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}) as stalled, Client(gateway.address, 4) as other:
            stalled.settle()
            for number in range(8):
                stalled.request(f"/large/{number}")
            time.sleep(0.5)
            start = time.monotonic()
            assert bytes(other.ask("/small").body) == b"ok"
            large = other.request("/large/other")
            other.pump(lambda: large.count >= 2 * MIB, 4)
            took = time.monotonic() - start
            assert large.count >= 2 * MIB, f"{large.count:,} bytes in {took:.2f} s beside eight stalled streams"


def test_a_client_that_does_not_read_stops_the_http2_upstream(stage):
    """What an upstream may send is bounded by its windows, not by the answer."""
    with Upstream(firehose2) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2", "http2": {"stream_window": "256KiB", "connection_window": "1MiB"}}}))
        with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}) as client:
            client.settle()
            streams = [client.request(f"/large/{number}") for number in range(4)]
            client.pump(seconds=0.7)
            sent = sum(stream.count for stream in streams)
            link = upstream.links[0]
            spent = [stream.window for stream in link.streams.values()]
            room = min(min(spent), link.window)
            assert sent == 0 and room <= 0, f"the upstream may still send: stream windows {spent}, connection {link.window}"


def test_an_upstream_beyond_its_windows_is_cut(stage):
    """An upstream that ignores flow control does not fill our memory."""

    def rude(service: Service) -> None:
        while True:
            stream = service.read_head()
            service.head(stream)
            for _ in range(256):
                service.send(data(stream.number, BLOCK[:16384]))

    with Upstream(rude, lenient=True) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}), [route(retries=0)])
        before = gateway.rss()
        with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}) as client:
            stream = client.ask("/", timeout=5)
            assert stream.end.startswith("reset") or stream.status == 502, str(stream)
        link = upstream.links[0]
        sockets.wait_until(lambda: 3 in [code for _, code, _ in link.goaways] + link.resets or link.ended, 3, "FLOW_CONTROL_ERROR at the upstream")
        assert gateway.rss() - before < 8 * MIB


def test_an_upload_nobody_reads_stops_the_client(stage, record_property):
    """HTTP/2 upstream without window: the client may send no more than windows and buffers between."""
    with Upstream(lambda service: service.hold(10), consume=False) as upstream:
        gateway = stage.gateway(settings(upstream.address, clusters={"up": {"protocol": "http2"}}), [route(body_limit="64MiB")])
        before = gateway.rss()
        with Client(gateway.address) as client:
            stream = client.open(request_fields("/", method="POST"), end=False)
            sent = 0
            while client.pump(lambda: min(stream.window, client.window) > 0, 0.5) and sent < 16 * MIB:
                room = min(stream.window, client.window, 16384)
                client.send_body(stream, BLOCK[:room], end=False)
                sent += room
            numbers = f"{sent:,} bytes were let in, memory {gateway.rss() - before >> 10:+,} KiB"
            print(numbers)
            record_property("numbers", numbers)
            assert 65535 <= sent <= MIB, numbers


def test_an_upload_to_an_http1_upstream_that_does_not_read(stage):
    def deaf(peer: Peer) -> None:
        peer.read_head()
        time.sleep(3)
        raise Gone("read nothing")

    gateway = stage.gateway(settings(stage.backend(deaf).address), [route(body_limit="1GiB")])
    before = gateway.rss()
    with Client(gateway.address) as client:
        stream = client.open(request_fields("/", method="POST"), end=False)
        sent = 0
        while client.pump(lambda: min(stream.window, client.window) > 0, 0.5) and sent < 64 * MIB and stream.reset is None and not stream.complete:
            room = min(stream.window, client.window, 16384)
            client.send_body(stream, BLOCK[:room], end=False)
            sent += room
        # What two sockets of the kernel hold, and our windows.
        assert sent < 32 * MIB, f"{sent:,} bytes were let in"
        assert gateway.rss() - before < 4 * MIB


@pytest.mark.parametrize("whole", [headers(1, block(*request_fields("/"), ("x-a", "a" * 200))), headers(1, block(*request_fields("/")), flags=0), b""], ids=["frame", "block", "nothing"])
def test_a_head_that_drips_ends(stage, whole):
    """A HEADERS frame byte by byte, or a field block that never ends, has the time of a head."""
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts={"head": "1s", "keep_alive": "1s", "linger": "200ms"})]))
    with Client(gateway.address) as client:
        client.settle()
        start = time.monotonic()
        for at in range(80):
            client.send(whole[at : at + 1] if len(whole) > 200 else whole if at == 0 else b"")
            client.pump(seconds=0.05)
            if client.ended:
                break
        took = time.monotonic() - start
        assert client.ended and took < 3.5, f"open after {took:.1f} s"
    assert once(gateway.address, get("/")).status == 200


def test_a_greeting_that_drips_ends(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts={"head": "1s", "keep_alive": "1s", "linger": "200ms"})]))
    with Client(gateway.address, greet=False) as client:
        start = time.monotonic()
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * 3:
            client.send(bytes([byte]))
            client.pump(seconds=0.1)
            if client.ended:
                break
        assert client.ended and time.monotonic() - start < 4


def test_idle_http2_connections_cost_no_time(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    clients = [Client(gateway.address) for _ in range(100)]
    for client in clients:
        assert client.ask("/").status == 200
    time.sleep(0.3)
    spent = procfs.cpu_seconds(gateway.pid)
    time.sleep(1)
    spent = procfs.cpu_seconds(gateway.pid) - spent
    for client in clients:
        assert client.answers()
        client.close()
    assert spent < 0.05, f"{spent * 1e3:.1f} ms of CPU in a second of silence"
    sockets.wait_until(lambda: gateway.descriptors() < 60, 3, "closed connections released")


def test_connections_cost_little(stage, record_property):
    gateway = stage.gateway(settings(stage.backend().address))
    warmers = [Client(gateway.address) for _ in range(20)]
    for client in warmers:
        assert client.ask("/").status == 200
        client.close()
    time.sleep(0.2)
    before = procfs.private(gateway.pid)
    clients = [Client(gateway.address) for _ in range(500)]
    for client in clients:
        assert client.ask("/").status == 200
    # What an answer was made in goes back when the connection has come to rest.
    sockets.wait_until(lambda: (procfs.private(gateway.pid) - before) / 500 < 32 << 10, 10, "connections to rest", every=0.2)
    each = (procfs.private(gateway.pid) - before) / 500
    record_property("numbers", f"{each:.0f} bytes an idle HTTP/2 connection")
    print(f"{each:.0f} bytes an idle HTTP/2 connection")
    for client in clients:
        client.close()
    assert each < 32 << 10, f"{each:.0f} bytes an idle HTTP/2 connection"
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/")).status == 200
