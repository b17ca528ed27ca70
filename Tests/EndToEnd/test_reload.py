"""SIGHUP: atomic, whole or not at all, and no stream notices."""

import os
import threading
import time

import pytest

from harness.gateway import listener, route, settings
from harness.recorder import Peer
from harness.wire import Wire, get, is_refused, once

ROUNDS = 1000 if os.environ.get("NEXUS_LONG") == "1" else 20


def fixed(body: str) -> list[dict]:
    return [{"name": "fixed", "match": {"path": "/fixed"}, "target": {"fixed": {"status": 200, "body": body}}}, route()]


def test_new_routes_take_effect(stage):
    gateway = stage.gateway(settings(stage.backend().address), fixed("one"))
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/fixed")).body == b"one"
        gateway.reload(routes=fixed("two"))
        assert once(gateway.address, get("/fixed")).body == b"two"
        assert wire.ask(get("/fixed")).body == b"two", "a kept connection takes the new generation with its next request"


@pytest.mark.parametrize(
    "broken",
    [
        "routes: [",
        "routes:\n  - name: x\n    match: { path: /x }\n    target: { cluster: nowhere }\n",
        "routes:\n  - name: x\n    unknown: 1\n    match: { path: /x }\n    target: { cluster: up }\n",
        "",
    ],
    ids=["syntax", "unknown-cluster", "unknown-key", "empty"],
)
def test_an_invalid_file_changes_nothing_and_says_where(stage, broken):
    gateway = stage.gateway(settings(stage.backend().address), fixed("one"))
    gateway.reload(routes=broken or "routes: 7")
    assert once(gateway.address, get("/fixed")).body == b"one"
    assert "all.yaml:" in gateway.said()
    gateway.reload(routes=fixed("two"))
    assert once(gateway.address, get("/fixed")).body == b"two"


def test_an_invalid_configuration_changes_nothing(stage):
    config = settings(stage.backend().address)
    gateway = stage.gateway(config, fixed("one"))
    gateway.reload(config={**config, "workerz": 3})
    assert once(gateway.address, get("/fixed")).body == b"one"
    assert "workerz" in gateway.said() and "nexus.yaml:" in gateway.said()


def test_upstreams_may_change(stage):
    first, second = stage.backend(), stage.backend()
    config = settings(first.address)
    gateway = stage.gateway(config)
    assert once(gateway.address, get("/")).status == 200
    gateway.reload(config=settings(second.address))
    for _ in range(5):
        assert once(gateway.address, get("/")).status == 200
    assert len(first.requests) == 1 and len(second.requests) == 5


def test_reloads_under_load_drop_no_stream(stage):
    """Open streams, a tunnel and a stream of requests live through many reloads, good and bad."""
    over = threading.Event()

    def play(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.target == "/stream":
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                number = 0
                while not over.wait(0.02):
                    peer.send(b"4\r\n%04d\r\n" % number)
                    number += 1
                peer.send(b"0\r\n\r\n")
            elif message.target == "/ws":
                peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                while data := peer.more():
                    peer.take()
                    peer.send(data)
                return
            else:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    public = listener(max_connections=1000)
    config = settings(stage.backend(play).address, workers=2, listeners=[public])
    config["listeners"][0]["address"] = "127.0.0.1:0"
    routes = lambda number: [*fixed(str(number)), route("ws", "/ws", upgrade=True)]  # noqa: E731
    gateway = stage.gateway(config, routes(0))
    tunnel = Wire(gateway.address)
    assert tunnel.ask(get("/ws", "Connection: Upgrade", "Upgrade: echo")).status == 101
    streams = [Wire(gateway.address, timeout=20) for _ in range(8)]
    for stream in streams:
        stream.send(get("/stream"))
    failures: list[str] = []
    done = [0]

    def load() -> None:
        with Wire(gateway.address) as wire:
            while not over.is_set():
                reply = wire.ask(get("/load"))
                done[0] += 1
                if reply.status != 200:
                    failures.append(f"{reply.end} {reply.status} {reply.raw[:200]!r}")
                    return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, ROUNDS + 1):
            gateway.reload(routes="routes: [" if number % 5 == 0 else routes(number))
            tunnel.send(b"ping")
            assert tunnel.take(4) == b"ping"
    finally:
        time.sleep(0.1)
        over.set()
    for thread in threads:
        thread.join()
    for stream in streams:
        reply = stream.read()
        digits = reply.body
        assert reply.complete and digits == b"".join(b"%04d" % n for n in range(len(digits) // 4))
    assert not failures and done[0] > ROUNDS


def test_memory_does_not_grow_with_reloads(stage):
    gateway = stage.gateway(settings(stage.backend().address), fixed("0"))
    for number in range(10):
        gateway.reload(routes=fixed(str(number)))
        once(gateway.address, get("/fixed"))
    before = gateway.rss()
    for number in range(30):
        gateway.reload(routes=fixed(str(number)))
        once(gateway.address, get("/fixed"))
    assert gateway.rss() - before < 4 << 20
    assert once(gateway.address, get("/fixed")).body == b"29"


def test_the_bound_on_connections_moves_with_a_reload(stage):
    upstream = stage.backend().address
    gateway = stage.gateway(settings(upstream, listeners=[listener(max_connections=2)]))
    first = [Wire(gateway.address) for _ in range(2)]
    assert [wire.ask(get("/")).status for wire in first] == [200, 200]
    assert is_refused(gateway.address)
    gateway.reload(config=settings(upstream, listeners=[listener(max_connections=3)]))
    with Wire(gateway.address) as third:
        assert third.ask(get("/")).status == 200
    assert [wire.ask(get("/")).status for wire in first] == [200, 200]
