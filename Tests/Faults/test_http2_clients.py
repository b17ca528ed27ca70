"""Clients at the edges of the protocol: each wait has an end, each request one answer, nothing goes up that was answered."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, listener, route, settings
from harness.http2 import PREFACE, Kind, Setting, block, data, frame, headers, request_fields, settings as first_settings
from harness.http2_ends import Client
from harness.recorder import Peer, respond
from harness.wire import get, once


def test_a_path_beyond_the_limits_is_answered_wherever_it_stands(stage):
    """Pseudo-fields come in any order: a path that is too long may hide the method that follows it."""
    gateway = stage.gateway(settings(stage.backend().address))
    with Client(gateway.address) as client:
        client.settle()
        long = (":path", "/" + "a" * 40_000)
        first = client.finish(client.open(block(long, (":method", "GET"), (":scheme", "http"), (":authority", "a"))), 2)
        assert first.end == "complete" and first.status == 431, str(first)
        assert client.ask("/").status == 200 and not client.violations


def test_a_request_that_was_refused_for_its_silence_does_not_go_up(stage):
    """`content-length: 0` without an end: 408 after the time of a head, and the end that comes later changes nothing."""
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address, listeners=[listener(timeouts={"head": "300ms"})]))
    with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 0}) as client:
        client.settle()
        stream = client.open(request_fields("/late", ("content-length", "0"), method="POST"), end=False)
        assert client.pump(lambda: stream.status == 408, 3), str(stream)
        client.send(data(stream.number, b"", True))
        time.sleep(0.3)
        stream.allowance += 1 << 20
        client.send(frame(Kind.WINDOW_UPDATE, 0, stream.number, (1 << 20).to_bytes(4, "big")))
        client.finish(stream, 3)
        assert stream.end == "complete" and not client.violations, (str(stream), client.violations)
    assert not [peer for peer in backend.peers if peer.received], "the request went up after it had been answered"


def test_a_deaf_client_cannot_put_off_its_end_by_new_streams(stage):
    """The socket is full, all streams are over, another begins: the time of `send` still runs."""
    fixed = {"name": "fixed", "match": {"path": "/fixed"}, "target": {"fixed": {"status": 200, "body": "x" * 8000}}}
    gateway = stage.gateway(settings(listeners=[listener(timeouts={"send": "1s", "linger": "200ms"})]), [fixed])
    calm = gateway.descriptors()
    with Client(gateway.address, receive_buffer=4096, ours={Setting.INITIAL_WINDOW_SIZE: (1 << 31) - 1}) as client:
        client.settle()
        client.send(frame(Kind.WINDOW_UPDATE, 0, 0, ((1 << 31) - 1 - 65535).to_bytes(4, "big")))
        text = block(*request_fields("/fixed"))
        deadline = time.monotonic() + 20
        # One request after the other, no answer read, until the gateway reads no more: so much has it said.
        for number in range(1, 4000, 2):
            client.socket.settimeout(0.5)
            try:
                client.socket.sendall(frame(Kind.HEADERS, 5, number, text))
            except OSError:
                break
            time.sleep(0.002)
            if gateway.descriptors() <= calm or time.monotonic() > deadline:
                break
        sockets.wait_until(lambda: gateway.descriptors() <= calm, 4, "the deaf client to be dropped")


def test_an_end_that_finds_no_window_has_a_time_limit(stage):
    """The body fills the window exactly; its end comes later, and waits for a window that never opens."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        time.sleep(0.3)
        peer.send(b"0\r\n\r\n")
        peer.hold(5)

    gateway = stage.gateway(settings(stage.backend(play).address, listeners=[listener(timeouts={"send": "1s"})]))
    with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 5}, consume=False) as client:
        client.settle()
        client.send(frame(Kind.SETTINGS, 1))
        start = time.monotonic()
        stream = client.finish(client.request("/"), 4)
        took = time.monotonic() - start
        assert stream.complete or stream.reset is not None, f"still open after {took:.1f} s: {stream}"


def test_the_time_of_a_body_does_not_cut_its_early_answer(stage):
    """Each stream has its own account of what it has sent, and an answer has the time of `send`."""

    def play(peer: Peer) -> None:
        head = peer.read_head()
        size = 200_000 if b"/first" in head else 20_000
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * (size - 1))
        peer.hold(6)

    config = settings(stage.backend(play).address, listeners=[listener(timeouts={"send": "3s"})])
    gateway = stage.gateway(config, [route(timeouts={"body": "500ms"})])
    with Client(gateway.address, ours={Setting.INITIAL_WINDOW_SIZE: 60_000}, consume=False) as client:
        client.settle()
        client.send(frame(Kind.SETTINGS, 1))
        first = client.request("/first")
        client.pump(lambda: first.count == 60_000, 3)
        client.send(frame(Kind.RST_STREAM, 0, first.number, (8).to_bytes(4, "big")), first_settings((Setting.INITIAL_WINDOW_SIZE, 0)))
        client.answers()
        second = client.open(request_fields("/second", method="POST"), end=False)
        client.send(data(second.number, b"part"))
        client.pump(lambda: second.reset is not None, 2)
        assert second.status == 200 and second.reset is None, f"cut early: {second}"
        client.pump(lambda: second.reset is not None, 5)
        assert second.reset is not None, "a stalled answer ends"


@pytest.mark.parametrize("size", [0, 8000, 16000])
def test_a_client_that_has_left_is_noticed(stage, size):
    """The greeting, some bytes and the end, all at once: the connection does not stay for its idle time."""
    gateway = stage.gateway(settings(stage.backend().address))
    with sockets.connect(gateway.address, timeout=3) as made, contextlib.suppress(ConnectionResetError):
        made.sendall(PREFACE + first_settings() + frame(0xFA, 0, 0, b"x" * size))
        made.shutdown(socket.SHUT_WR)
        while made.recv(65_536):
            pass


def test_bodies_that_came_before_their_upstream_are_bounded_too(stage):
    """All of it is here before the connection to the upstream is: refused when it is passed on, once."""
    gate = threading.Event()

    def play(peer: Peer) -> None:
        peer.read_request()
        gate.wait(5)
        peer.send(respond("200 OK", b"ok"))

    config = settings(stage.backend(play).address)
    config["clusters"]["up"]["pool"] = {"connections": 1, "idle": 1}
    gateway = stage.gateway(config, [route(body_limit="10KiB")])
    with Client(gateway.address) as client:
        client.settle()
        first = client.request("/")
        time.sleep(0.2)
        waits = client.request("/", method="POST", body=b"x" * 30_000)
        fits = client.request("/", method="POST", body=b"x" * 3_000)
        time.sleep(0.2)
        gate.set()
        assert client.finish(first).status == 200
        assert client.finish(waits).status == 413, str(waits)
        assert client.finish(fits).status == 200, str(fits)
    gateway.assert_alive()


def late(peer: Peer) -> None:
    while True:
        peer.read_request()
        time.sleep(1)
        peer.send(respond("200 OK", b"ok"))


def with_trailers(number: int) -> bytes:
    head = headers(number, block(*request_fields("/", method="POST")), end=False)
    return head + data(number, b"abc") + headers(number, block(("x-end", "1")))


def test_streams_beyond_a_limit_not_heard_of_are_refused_alone(stage):
    """Before our SETTINGS are acknowledged too many streams are no fault, nor is all that belongs to them."""
    gateway = stage.gateway(settings(stage.backend(late).address, listeners=[listener(http2={"max_concurrent_streams": 4})]))
    with Client(gateway.address, consume=False) as client:
        client.pump(lambda: client.settled, 2)
        taken = [client.stream(number) for number in (1, 3, 5, 7)]
        refused = [client.stream(number) for number in (9, 11)]
        client.send(*[headers(stream.number, block(*request_fields("/"))) for stream in taken], *[with_trailers(stream.number) for stream in refused])
        for stream in taken:
            assert client.finish(stream).status == 200, (str(stream), client.goaway)
        assert [stream.reset for stream in refused] == [7, 7] and not client.goaways and not client.violations


def test_a_request_that_crosses_the_last_goaway_costs_the_others_nothing(stage):
    """It is ignored with all that belongs to it, whatever it brings."""
    gateway = stage.gateway(settings(stage.backend(lambda peer: (peer.read_request(), time.sleep(2), peer.send(respond("200 OK", b"ok")))).address, drain="5s"))
    with Client(gateway.address) as client:
        client.settle()
        first = client.request("/")
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        assert client.pump(lambda: len(client.goaways) == 2, 4)
        client.stream(3)
        client.send(with_trailers(3))
        assert client.finish(first).status == 200, (str(first), client.goaways)
        assert client.goaway[:2] == (1, 0)


def test_connections_ended_for_a_fault_are_counted(stage):
    """Whether we see the fault or the engine does."""
    gateway = stage.gateway(settings(stage.backend().address), [*OPERATIONS, route()])
    for fault in (data(0, b"x"), frame(Kind.HEADERS, 5, 2, block(*request_fields("/")))):
        with Client(gateway.address) as client:
            client.settle().send(fault)
            assert client.pump(lambda: bool(client.goaways), 2) and client.goaway[1] == 1
    page = once(gateway.admin, get("/metrics")).body.decode()
    assert "\nnexus_http2_goaways_total 2\n" in page, [line for line in page.splitlines() if "goaways" in line]


def test_a_head_that_never_ends_does_not_outlive_its_connection(stage):
    """Also where nothing is waited for after the last word: the idle time, the announcement, and out."""
    timeouts = {"keep_alive": "300ms", "linger": "0s"}
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts=timeouts)]))
    with Client(gateway.address) as client:
        client.settle().send(headers(1, block(*request_fields("/")), flags=0))
        assert client.closes_within(4), client.goaways
