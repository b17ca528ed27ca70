"""Exchanges that wait for a free upstream connection."""

import os
import signal
import threading
import time

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def narrow(*endpoints: str, connections: int = 1, **pool) -> dict:
    config = settings(*endpoints)
    config["clusters"]["up"]["pool"] = {"connections": connections, **pool}
    return config


def hang(peer: Peer) -> None:
    """Answers `/quick`; lets everything else wait for ever."""
    while True:
        if peer.read_request().target == "/quick":
            peer.send(respond())
        else:
            peer.hold()
            return


def test_a_client_that_gives_up_frees_its_connection_for_the_next(stage):
    gateway = stage.gateway(narrow(stage.backend(hang).address), [route(timeouts={"queue": "5s"})])
    first = Wire(gateway.address)
    first.send(get("/hang"))
    time.sleep(0.2)
    with Wire(gateway.address) as second:
        second.send(get("/quick"))
        time.sleep(0.2)
        start = time.monotonic()
        first.reset()
        assert second.read().status == 200 and time.monotonic() - start < 1


def test_who_left_the_queue_does_not_fill_it(stage):
    gateway = stage.gateway(narrow(stage.backend(hang).address, pending=3), [route(timeouts={"queue": "20s", "first_byte": "20s"})])
    holder = Wire(gateway.address)
    holder.send(get("/hang"))
    time.sleep(0.1)
    for _ in range(3):
        with Wire(gateway.address) as wire:
            wire.send(get("/quick"))
            time.sleep(0.05)
            wire.reset()
    time.sleep(0.1)
    with Wire(gateway.address) as last:
        last.send(get("/quick"))
        assert last.read(timeout=0.3).end == "silent", "nobody else waits: there is a place"
        holder.reset()
        assert last.read().status == 200


def test_patience_ends_in_time_while_others_keep_coming(stage):
    """Each newcomer has its own deadline; none puts off that of the first."""
    gateway = stage.gateway(narrow(stage.backend(hang).address), [route(timeouts={"queue": "500ms", "first_byte": "20s"})])
    holder = Wire(gateway.address)
    holder.send(get("/hang"))
    time.sleep(0.1)
    first = Wire(gateway.address)
    first.send(get("/quick"))
    start = time.monotonic()
    others = []
    over = threading.Event()

    def come() -> None:
        while not over.wait(0.1):
            others.append(Wire(gateway.address))
            others[-1].send(get("/quick"))

    thread = threading.Thread(target=come)
    thread.start()
    reply = first.read(timeout=4)
    took = time.monotonic() - start
    over.set()
    thread.join()
    for wire in [holder, first, *others]:
        wire.close()
    assert reply.status == 503 and took < 1.5, took


def test_a_queue_that_never_empties_does_not_grow(stage):
    backend = stage.backend()
    gateway = stage.gateway(narrow(backend.address), [route(timeouts={"queue": "1h"})])
    wires = [Wire(gateway.address) for _ in range(8)]
    burst = get("/") * 50

    def run(wire: Wire, rounds: int) -> None:
        for _ in range(rounds):
            wire.send(burst)
            for _ in range(50):
                assert wire.read().status == 200

    threads = [threading.Thread(target=run, args=(wire, 4)) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend.requests) == 1600 and len(backend.peers) == 1
    for wire in wires:
        wire.close()


def test_one_connection_serves_many_clients_of_whom_some_leave(stage):
    def steady(peer: Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.002)
            peer.send(respond("200 OK", b"x" * 100))

    gateway = stage.gateway(narrow(stage.backend(steady).address, connections=2), [route(timeouts={"queue": "10s"})])
    bad: list[str] = []

    def client(number: int) -> None:
        for turn in range(20):
            with Wire(gateway.address, timeout=10) as wire:
                wire.send(get("/"))
                if (number + turn) % 3 == 0:
                    wire.reset()
                    continue
                reply = wire.read()
                if reply.status != 200:
                    bad.append(f"{reply.end} {reply.status}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not bad


def test_a_restarted_upstream_costs_nobody_an_error(stage):
    """Several pooled connections end at once with a request already on its way to the gateway."""

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.1)
            peer.send(respond())

    backend = stage.backend(play)
    gateway = stage.gateway(settings(backend.address), [route(retries=1)])
    wires = [Wire(gateway.address) for _ in range(6)]
    for wire in wires:
        wire.send(get("/"))
    for wire in wires:
        assert wire.read().status == 200
    assert len(backend.peers) == 6
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        wires[0].send(get("/"))
        time.sleep(0.05)
        # The one that was used last, and is used next, first.
        for peer in sorted(backend.peers, key=lambda peer: peer.times[-1], reverse=True):
            peer.socket.shutdown(2)
        time.sleep(0.05)
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    assert wires[0].read().status == 200
    for wire in wires:
        wire.close()
    sockets.wait_until(lambda: once(gateway.address, get("/")).status == 200, 2)
