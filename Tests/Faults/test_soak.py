"""Many requests and many bad endings: memory, descriptors and gauges come back to where they were."""

import os
import random
import re
import threading
import time

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once

LONG = os.environ.get("NEXUS_LONG") == "1"
REQUESTS = 1_000_000 if LONG else 20_000
ABORTS = 20_000 if LONG else 600
BURST = 50


def levels(gateway) -> dict[str, float]:
    """Open connections and streams of all workers; the scrape itself is one of each."""
    text = once(gateway.admin, get("/metrics")).body.decode()
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(nexus_\w*open\w*)(?:\{[^}]*\})? ([0-9.e+-]+)$", text, re.M):
        if not name.endswith("_total"):
            found[name] = found.get(name, 0) + float(value)
    return found


def at_rest(gateway) -> None:
    def calm() -> bool:
        clients = [value for name, value in levels(gateway).items() if "upstream" not in name]
        assert len(clients) >= 2
        return all(0 <= value <= 1 for value in clients)

    try:
        sockets.wait_until(calm, 5, "rest", every=0.1)
    except AssertionError:
        raise AssertionError(f"not at rest: {levels(gateway)}") from None


def steady(address: str, count: int, wrong: list[str]) -> None:
    """`count` pipelined requests on one connection; every answer has the same length."""
    with Wire(address, timeout=20) as wire:
        first = wire.ask(get("/"))
        size = len(first.raw)
        burst = get("/") * BURST
        for _ in range(count // BURST):
            wire.send(burst)
            data = wire.take(size * BURST)
            if data.count(b"HTTP/1.1 200 OK\r\n") != BURST or len(data) != size * BURST:
                wrong.append(repr(data[-300:]))
                return


def test_memory_and_descriptors_stay_over_many_requests(stage):
    address = f"127.0.0.1:{sockets.free_port()}"
    stage.nginx(address, b"x" * 512)
    gateway = stage.gateway(settings(address), [*OPERATIONS, route()])
    wrong: list[str] = []

    def run(count: int) -> None:
        threads = [threading.Thread(target=steady, args=(gateway.address, count // 8, wrong)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]

    run(max(REQUESTS // 10, 10_000))  # warm: pools and tables reach their size
    memory, descriptors = gateway.rss(), gateway.descriptors()
    run(REQUESTS)
    assert gateway.rss() - memory < 1 << 20
    assert gateway.descriptors() <= descriptors + 8
    at_rest(gateway)


def rude(peer: Peer) -> None:
    """An upstream that ends in every way, at random."""
    choice = random.Random(peer.number)
    while True:
        message = peer.read_request()
        dice = choice.random()
        if dice < 0.5:
            peer.send(respond("200 OK", b"x" * choice.randrange(40_000)))
        elif dice < 0.6:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
            return
        elif dice < 0.7:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal")
            peer.reset()
            return
        elif dice < 0.8:
            peer.reset()
            return
        elif dice < 0.9:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
        elif message.one("upgrade"):
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
            peer.send(peer.more(timeout=1))
            return
        else:
            time.sleep(0.05)
            peer.send(respond("200 OK"))


def test_random_endings_leave_nothing_behind(stage):
    config = settings(stage.backend(rude).address, workers=2)
    config["clusters"]["up"]["pool"] = {"connections": 8}
    timeouts = {"queue": "200ms", "first_byte": "2s", "body": "1s", "stream_idle": "1s"}
    gateway = stage.gateway(config, [*OPERATIONS, route(upgrade=True, timeouts=timeouts)])
    allowed = {0, 101, 200, 408, 502, 503, 504}
    wrong: list[str] = []

    def client(seed: int, count: int) -> None:
        choice = random.Random(seed)
        for _ in range(count):
            with Wire(gateway.address, timeout=5) as wire:
                dice = choice.random()
                if dice < 0.3:
                    request = get("/")
                elif dice < 0.6:
                    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000
                elif dice < 0.8:
                    request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4\r\nbody\r\n" * 50 + b"0\r\n\r\n"
                else:
                    request = get("/", "Connection: Upgrade", "Upgrade: raw") + b"hello"
                cut = choice.randrange(len(request)) if choice.random() < 0.3 else len(request)
                wire.send(request[:cut])
                if choice.random() < 0.3:
                    time.sleep(choice.random() * 0.01)
                    wire.reset()
                elif cut == len(request):
                    reply = wire.read()
                    if reply.status not in allowed or reply.end in ("silent", "ambiguous"):
                        wrong.append(f"{reply.end} {reply.status} {reply.raw[:200]!r}")

    def run(count: int) -> None:
        threads = [threading.Thread(target=client, args=(seed, count // 12)) for seed in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[:3]

    run(ABORTS)
    at_rest(gateway)
    memory, descriptors = gateway.rss(), gateway.descriptors()
    run(ABORTS)
    at_rest(gateway)
    assert gateway.rss() - memory < 2 << 20
    assert gateway.descriptors() <= descriptors + 16
