"""Upstreams that flap, die mid-way, or hang: clients see true answers or visible ends, nothing leaks."""

import random
import threading
import time

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, Recorder, respond
from harness.wire import Wire, get, once


def test_flapping_upstream(stage):
    """Comes and goes on the same port: every answer is true, and service returns each time."""
    port = sockets.free_port()
    gateway = stage.gateway(settings(f"127.0.0.1:{port}"), [route(retries=1)])
    for _ in range(5):
        with Recorder(address=f"127.0.0.1:{port}"):
            sockets.wait_until(lambda: once(gateway.address, get("/up")).status == 200, 5, "service", every=0.1)
            for _ in range(20):
                assert once(gateway.address, get("/up")).status == 200
        for _ in range(5):
            assert once(gateway.address, get("/down")).status in (502, 503)
    gateway.assert_alive()


def test_random_misbehaviour_under_load(stage):
    """Resets, truncations, delays and garbage at random from a fixed seed: no wrong answer is ever complete."""
    chance = random.Random(28)
    lock = threading.Lock()

    def play(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            body = message.target.encode() * 200
            with lock:
                fate = chance.choice(["good", "good", "good", "reset", "short", "chunked-short", "garbage", "close", "late"])
            if fate == "good":
                peer.send(respond("200 OK", body))
            elif fate == "late":
                time.sleep(0.02)
                peer.send(respond("200 OK", body))
            elif fate == "reset":
                return peer.reset()
            elif fate == "short":
                return peer.send(respond("200 OK", body)[:-7])
            elif fate == "chunked-short":
                return peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))
            elif fate == "garbage":
                return peer.send(b"\x00\xff garbage\r\n\r\n")
            else:
                return None

    gateway = stage.gateway(settings(stage.backend(play).address, workers=2), [route(retries=0, timeouts={"first_byte": "2s"})])
    wrong: list[str] = []
    ends: list[str] = []

    def client(number: int) -> None:
        for turn in range(60):
            target = f"/{number}/{turn}"
            reply = once(gateway.address, get(target))
            ends.append(f"{reply.end} {reply.status}")
            if reply.complete and reply.status == 200 and reply.body != target.encode() * 200:
                wrong.append(f"{target}: {reply.raw[:100]!r}")
            elif reply.complete and reply.status not in (200, 502, 503, 504):
                wrong.append(f"{target}: {reply.status}")
            elif not reply.complete and reply.end not in ("aborted",):
                wrong.append(f"{target}: {reply.end}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gateway.assert_alive()
    assert not wrong, wrong[:5]
    assert ends.count("complete 200") > 100 and any(end.startswith("aborted") for end in ends)


def test_a_hanging_upstream_does_not_hold_the_others(stage):
    hung = stage.backend(lambda peer: (peer.read_request(), peer.hold()))
    config = settings(hung.address)
    config["clusters"]["well"] = {"endpoints": [stage.backend().address]}
    gateway = stage.gateway(config, [route("hung", "/hung", timeouts={"first_byte": "3s"}), route("well", "/well", cluster="well")])
    waiting = [Wire(gateway.address) for _ in range(100)]
    for wire in waiting:
        wire.send(get("/hung"))
    start = time.monotonic()
    for _ in range(50):
        assert once(gateway.address, get("/well")).status == 200
    assert time.monotonic() - start < 2
    for wire in waiting:
        wire.close()


def test_nothing_leaks_over_many_failures(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"), peer.reset()))
    gateway = stage.gateway(settings(backend.address), [route(retries=0)])
    for _ in range(100):
        once(gateway.address, get("/"))
    calm, memory = gateway.descriptors(), gateway.rss()
    for _ in range(1000):
        once(gateway.address, get("/"))
    assert gateway.descriptors() <= calm + 4
    assert gateway.rss() - memory < 2 << 20
