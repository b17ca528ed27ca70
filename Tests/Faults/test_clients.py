"""Clients that are slow, silent, many, or gone."""

import os
import resource
import threading
import time

import pytest

from harness import procfs, sockets
from harness.gateway import listener, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once

IDLE = 10_000 if os.environ.get("NEXUS_LONG") == "1" else 2_000


def test_slow_heads_get_408_whatever_trickles(stage):
    """A byte now and then does not extend the deadline of the whole head."""
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts={"head": "1s", "linger": "200ms"})]))
    wires = [Wire(gateway.address, timeout=5) for _ in range(50)]
    start = time.monotonic()
    for wire in wires:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ")
    while time.monotonic() - start < 1.6:
        for wire in wires:
            wire.send(b"b")
        time.sleep(0.1)
        assert once(gateway.address, get("/")).status == 200, "others are served meanwhile"
    for wire in wires:
        assert wire.read(timeout=2).status == 408
        assert wire.closes_within(2)


def test_a_connection_that_never_speaks_is_closed(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(timeouts={"head": "500ms", "keep_alive": "500ms"})]))
    with Wire(gateway.address) as wire:
        assert wire.closes_within(3)


def test_slow_bodies_get_408(stage):
    gateway = stage.gateway(settings(stage.backend().address), [route(timeouts={"body": "500ms"})])
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        assert wire.read(timeout=3).status in (408, 400)
        assert wire.closes_within(3)


def test_bodies_that_drip_get_408_and_steady_ones_do_not(stage):
    """Never silent for long, but far below the least rate; and one that is slow but above it."""
    gateway = stage.gateway(settings(stage.backend().address), [route(timeouts={"body": "1s", "body_rate": 100})])
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n"
    with Wire(gateway.address, timeout=5) as dripping, Wire(gateway.address, timeout=5) as steady:
        dripping.send(head)
        steady.send(head)
        start = time.monotonic()
        for number in range(20):
            dripping.send(b"b")
            steady.send(b"b" * 20)
            time.sleep(0.1)
        assert steady.read().status == 200
        reply = dripping.read()
        assert reply.status == 408 and b"DEADLINE" in reply.body
        assert time.monotonic() - start < 4


def test_clients_that_never_read_are_dropped_and_cost_little(stage):
    block = b"x" * (1 << 20)

    def firehose(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            peer.send(block)

    backend = stage.backend(firehose)
    gateway = stage.gateway(settings(backend.address, listeners=[listener(timeouts={"send": "1s"})]))
    once(gateway.address, b"GET", 0.1)
    before, calm = gateway.rss(), gateway.descriptors()
    wires = [Wire(gateway.address) for _ in range(50)]
    for wire in wires:
        wire.send(get("/"))
    time.sleep(0.5)
    assert gateway.rss() - before < 50 * (64 << 10) + (8 << 20)
    sockets.wait_until(lambda: gateway.descriptors() <= calm + 2, 10, "the silent readers dropped")
    for wire in wires:
        wire.close()


def test_pipelining_without_reading_is_bounded(stage):
    """Requests are not taken in for ever while their answers are not taken away."""
    backend = stage.backend(lambda peer: [peer.send(respond("200 OK", b"x" * 100_000)) for _ in iter(lambda: peer.read_request(), None)])
    gateway = stage.gateway(settings(backend.address, listeners=[listener(timeouts={"send": "2s"})]))
    before = gateway.rss()
    wire = Wire(gateway.address)
    wire.socket.settimeout(1)
    with pytest.raises(OSError):
        for _ in range(200):
            wire.socket.sendall(get("/", "X-Padding: " + "x" * 1000) * 200)
    assert gateway.rss() - before < 16 << 20
    assert len(backend.requests) < 1000
    wire.close()


def test_running_out_of_descriptors_is_survived(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), open_files=64)
    assert once(gateway.address, get("/")).status == 200
    wires = []
    for _ in range(200):
        try:
            wires.append(Wire(gateway.address, timeout=1))
        except OSError:
            break
    time.sleep(0.3)
    gateway.assert_alive()
    spent = procfs.cpu_seconds(gateway.pid)
    time.sleep(1.0)
    assert procfs.cpu_seconds(gateway.pid) - spent < 0.5, "no spinning on a listener that cannot accept"
    for wire in wires:
        wire.close()
    sockets.wait_until(lambda: once(gateway.address, get("/"), 1).status == 200, 10, "service after the shortage", every=0.2)


def test_connect_and_vanish(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    once(gateway.address, get("/"))
    calm, memory = gateway.descriptors(), gateway.rss()

    def storm() -> None:
        for number in range(300):
            wire = Wire(gateway.address)
            if number % 3 == 1:
                wire.send(b"GET / HT")
            if number % 3 == 2:
                wire.send(get("/"))
            wire.reset()

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sockets.wait_until(lambda: gateway.descriptors() <= calm + 8, 5, "descriptors released")
    assert gateway.rss() - memory < 8 << 20
    assert once(gateway.address, get("/")).status == 200


def test_idle_connections_are_cheap(stage):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < IDLE + 500:
        pytest.fail(f"the hard limit of open files is {hard}, {IDLE + 500} are needed")
    public = listener(max_connections=IDLE + 500, timeouts={"keep_alive": "5m"})
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    warm = [Wire(gateway.address) for _ in range(100)]
    for wire in warm:
        assert wire.ask(get("/")).status == 200
        wire.close()
    time.sleep(0.3)
    before = procfs.private(gateway.pid)
    wires = [Wire(gateway.address, source=f"127.0.0.{1 + n // 10_000}") for n in range(IDLE)]
    for wire in wires:
        assert wire.ask(get("/")).status == 200
    time.sleep(0.5)
    each = (procfs.private(gateway.pid) - before) / IDLE
    sockets.wait_until(lambda: gateway.descriptors() > IDLE, 2, "all held")
    for wire in wires:
        wire.close()
    # The bar for 10,000 is 1 KiB each; the page-grained share of fewer is larger.
    assert each <= (1024 if IDLE >= 10_000 else 2048), f"{each:.0f} bytes a connection"
