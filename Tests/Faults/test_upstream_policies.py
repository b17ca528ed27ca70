"""Breaker and bulkhead by the numbers of the specification, and failures of whole upstreams."""

import collections
import os
import signal
import threading
import time

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


class Switch:
    """A back end that answers with the status it is set to, after the time it is set to."""

    def __init__(self, stage, status: str = "200 OK"):
        self.status, self.seconds, self.running, self.most = status, 0.0, 0, 0
        self._lock = threading.Lock()
        self.recorder = stage.backend(self.play)
        self.address = self.recorder.address

    def play(self, peer: Peer) -> None:
        while True:
            peer.read_request()
            with self._lock:
                self.running += 1
                self.most = max(self.most, self.running)
            time.sleep(self.seconds)
            with self._lock:
                self.running -= 1
            peer.send(respond(self.status))

    @property
    def calls(self) -> int:
        return len(self.recorder.requests)


def guarded(*endpoints: str, workers: int = 1, **policies) -> dict:
    config = settings(*endpoints, workers=workers)
    config["clusters"]["up"].update(policies)
    return config


ROUTES = [*OPERATIONS, route(retries=0)]


def state(gateway) -> int:
    lines = once(gateway.admin, get("/metrics")).body.decode().splitlines()
    return int(next(line for line in lines if line.startswith('nexus_upstream_breaker_state{cluster="up"}')).split()[-1])


def together(count: int, work) -> list:
    results: list = []
    threads = [threading.Thread(target=lambda: results.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_breaker_by_the_numbers(stage):
    """Minimum 5, half of them, open, three trials that must all succeed; over both workers."""
    up = Switch(stage)
    gateway = stage.gateway(guarded(up.address, workers=2, breaker={"open": "1s"}, ejection="off"), ROUTES)
    ask = lambda: once(gateway.address, get("/"))
    up.status = "500 Broken"
    assert [ask().status for _ in range(4)] == [500] * 4 and state(gateway) == 0
    assert ask().status == 500 and state(gateway) == 2
    start = time.monotonic()
    refused = [ask() for _ in range(10)]
    assert {reply.status for reply in refused} == {503} and up.calls == 5
    assert (time.monotonic() - start) / 10 < 0.05
    assert refused[0].field("retry-after") == "1" and "destination_unavailable" in refused[0].field("proxy-status")
    assert b"UPSTREAM_UNAVAILABLE" in refused[0].body
    # Half open, by itself; one failure opens again.
    sockets.wait_until(lambda: state(gateway) == 1, 2, "half open")
    assert ask().status == 500 and state(gateway) == 2 and up.calls == 6
    # Three at once may try, the fourth may not.
    sockets.wait_until(lambda: state(gateway) == 1, 2, "half open again")
    up.status, up.seconds = "200 OK", 0.3
    assert collections.Counter(reply.status for reply in together(8, ask)) == {200: 3, 503: 5}
    assert up.calls == 9 and state(gateway) == 0
    up.seconds = 0
    assert [ask().status for _ in range(20)] == [200] * 20
    metrics = once(gateway.admin, get("/metrics")).body.decode()
    assert 'nexus_upstream_breaker_opened_total{cluster="up"} 2' in metrics


def test_half_of_the_window(stage):
    up = Switch(stage)
    gateway = stage.gateway(guarded(up.address, breaker={}, ejection="off"), ROUTES)
    for status in ["200 OK"] * 6 + ["503 Bad"] * 4:
        up.status = status
        once(gateway.address, get("/"))
    assert state(gateway) == 0
    once(gateway.address, get("/"))
    assert state(gateway) == 2


def test_client_errors_do_not_open_it(stage):
    up = Switch(stage, "404 Not Found")
    gateway = stage.gateway(guarded(up.address, breaker={}), ROUTES)
    assert {once(gateway.address, get("/")).status for _ in range(20)} == {404} and state(gateway) == 0


def test_a_dead_upstream_opens_it_and_recovery_needs_no_restart(stage):
    address = sockets.closed_address()
    gateway = stage.gateway(guarded(address, breaker={"open": "300ms"}), ROUTES)
    statuses = [once(gateway.address, get("/")).status for _ in range(8)]
    assert statuses == [502] * 5 + [503] * 3
    stage.backend(address=address)
    sockets.wait_until(lambda: once(gateway.address, get("/")).status == 200, 3, "recovery")
    assert [once(gateway.address, get("/")).status for _ in range(10)] == [200] * 10 and state(gateway) == 0


def test_a_trial_whose_client_leaves_is_given_back(stage):
    up = Switch(stage, "500 Broken")
    gateway = stage.gateway(guarded(up.address, breaker={"open": "300ms"}), ROUTES)
    for _ in range(5):
        once(gateway.address, get("/"))
    sockets.wait_until(lambda: state(gateway) == 1, 2, "half open")
    up.status, up.seconds = "200 OK", 0.3
    before = up.calls
    wires = [Wire(gateway.address) for _ in range(3)]
    for wire in wires:
        wire.send(get("/"))
    sockets.wait_until(lambda: up.calls == before + 3, 2, "three trials")
    for wire in wires:
        wire.reset()
    time.sleep(0.1)
    up.seconds = 0
    assert [once(gateway.address, get("/")).status for _ in range(4)] == [200] * 4 and state(gateway) == 0


def test_no_retry_storms_into_an_open_breaker(stage):
    up = Switch(stage, "503 Bad")
    gateway = stage.gateway(
        guarded(up.address, breaker={}), [*OPERATIONS, route(retry={"attempts": 3, "on": ["503"], "backoff": 0})])
    assert {once(gateway.address, get("/")).status for _ in range(10)} == {503} and up.calls == 5


def test_thirty_run_and_the_rest_wait(stage):
    """Forty clients on two workers: never more than thirty calls at once, and nobody is refused."""
    up = Switch(stage)
    up.seconds = 0.2
    gateway = stage.gateway(guarded(up.address, workers=2, bulkhead={}), ROUTES)
    statuses = together(70, lambda: once(gateway.address, get("/")).status)
    assert collections.Counter(statuses) == {200: 70} and up.most == 30


def test_the_wait_has_an_end(stage):
    up = Switch(stage)
    up.seconds = 1.5
    gateway = stage.gateway(guarded(up.address, workers=2, bulkhead={"concurrent": 2, "wait": "300ms"}), ROUTES)

    def ask():
        start = time.monotonic()
        reply = once(gateway.address, get("/"))
        return reply, time.monotonic() - start

    results = together(6, ask)
    assert collections.Counter(reply.status for reply, _ in results) == {200: 2, 503: 4}
    for reply, seconds in results:
        if reply.status == 503:
            assert 0.25 < seconds < 0.8 and "connection_limit_reached" in reply.field("proxy-status") and reply.field("retry-after") == "1"


def test_places_of_clients_that_left_are_free_again(stage):
    up = Switch(stage)
    up.seconds = 0.2
    gateway = stage.gateway(guarded(up.address, workers=2, bulkhead={"concurrent": 2, "wait": "5s"}), ROUTES)
    wires = [Wire(gateway.address) for _ in range(12)]
    for wire in wires:
        wire.send(get("/"))
    time.sleep(0.05)
    for wire in wires:
        wire.reset()
    time.sleep(0.5)
    up.most = 0  # those that were given up have run out by now, there as well
    assert collections.Counter(together(8, lambda: once(gateway.address, get("/")).status)) == {200: 8}
    assert up.most <= 2


def test_first_come_first_served_over_both_workers(stage):
    up = Switch(stage)
    up.seconds = 0.05
    gateway = stage.gateway(guarded(up.address, workers=2, bulkhead={"concurrent": 1, "wait": "5s"}), ROUTES)
    wires = [Wire(gateway.address) for _ in range(16)]
    for number, wire in enumerate(wires):
        wire.send(get(f"/{number}"))
        time.sleep(0.02)
    for wire in wires:
        assert wire.read().status == 200
        wire.close()
    order = sorted((moment, message.target) for peer in up.recorder.peers for moment, message in zip(peer.times, peer.requests))
    assert [target for _, target in order] == [f"/{number}" for number in range(16)]


def test_a_black_hole_is_left_out(stage):
    """One endpoint swallows requests: once it is known, nobody waits for it any more."""
    hole, good = stage.backend(lambda peer: (peer.read_request(), peer.hold())), stage.backend()
    config = guarded(hole.address, good.address, balance="round_robin", ejection={"consecutive": 3, "time": "60s"})
    gateway = stage.gateway(config, [route(retry={"attempts": 2, "on": ["timeout"], "per_try": "200ms", "backoff": 0})])
    took = []
    for _ in range(30):
        start = time.monotonic()
        assert once(gateway.address, get("/")).status == 200
        took.append(time.monotonic() - start)
    assert sum(1 for seconds in took if seconds > 0.15) == 3, took


def test_nginx_dies_under_load(stage):
    """Two real origins; one is killed and started again. Nobody sees it."""
    first, second = sockets.free_port(), sockets.free_port()
    one = stage.nginx(f"127.0.0.1:{first}")
    stage.nginx(f"127.0.0.1:{second}")
    config = guarded(
        f"127.0.0.1:{first}", f"127.0.0.1:{second}", workers=2, ejection={"consecutive": 3, "time": "500ms"},
        health={"http": {"path": "/"}, "interval": "200ms", "timeout": "200ms"})
    gateway = stage.gateway(config, [*OPERATIONS, route(retry={"attempts": 3, "backoff": "5ms"})])
    end = time.monotonic() + 4
    seen: collections.Counter = collections.Counter()

    def load() -> None:
        with Wire(gateway.address) as wire:
            while time.monotonic() < end:
                seen[wire.ask(get("/")).status] += 1

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    for pid in [*one.pids, one.process.pid]:
        os.kill(pid, signal.SIGKILL)
    one.process.wait(5)
    time.sleep(1)
    stage.nginx(f"127.0.0.1:{first}")
    for thread in threads:
        thread.join()
    assert set(seen) == {200} and seen[200] > 1000, seen
    sockets.wait_until(lambda: 'state="healthy"} 2' in once(gateway.admin, get("/metrics")).body.decode(), 3, "both are back")
