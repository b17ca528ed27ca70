"""Retries: on what, how often, after how long, and never twice where it could do harm."""

import collections
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once, post


def failing(times: int, answer: bytes, keep: bool = True):
    """A back end whose first `times` answers, over all connections, are `answer`."""
    left = [times]
    lock = threading.Lock()

    def play(peer: Peer) -> None:
        while True:
            peer.read_request()
            with lock:
                left[0] -= 1
                bad = left[0] >= 0
            peer.send(answer if bad else respond("200 OK", b"good"))
            if bad and not keep:
                return

    return play


def retrying(**policy) -> list:
    return [*OPERATIONS, route(retry={"backoff": 0, **policy})]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_status_is_a_reason_only_where_the_route_says_so(stage, status):
    backend = stage.backend(failing(1, respond(f"{status} Bad", b"bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=2, on=[str(status)]))
    reply = once(gateway.address, get("/"))
    assert (reply.status, reply.body) == (200, b"good") and len(backend.requests) == 2
    other = stage.backend(failing(1, respond(f"{status} Bad", b"bad")))
    gateway = stage.gateway(settings(other.address), retrying(attempts=2))
    assert once(gateway.address, get("/")).status == status and len(other.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        respond("503 Bad", b"bad"),
        respond("503 Bad", b""),
        b"HTTP/1.1 503 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n",
        b"HTTP/1.1 503 Bad\r\nContent-Length: 1000000\r\n\r\nonly the start",
        b"HTTP/1.1 503 Bad\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + respond("503 Bad", b"bad"),
    ],
    ids=["length", "empty", "chunked", "endless", "close", "interim"],
)
def test_nothing_of_the_dropped_answer_leaks(stage, answer):
    """The next answers on the client's connection, and on the upstream's, are whole and their own."""
    backend = stage.backend(failing(1, answer))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=2, on=["503"]))
    with Wire(gateway.address) as wire:
        for _ in range(5):
            reply = wire.ask(get("/"))
            assert (reply.status, reply.body) == (200, b"good")


def test_a_dropped_answer_that_is_all_there_keeps_its_connection(stage):
    backend = stage.backend(failing(1, respond("503 Bad", b"bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=2, on=["503"]))
    assert once(gateway.address, get("/")).status == 200
    assert len(backend.peers) == 1


def test_the_last_answer_is_the_answer(stage):
    backend = stage.backend(failing(99, respond("503 Bad", b"the body")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=3, on=["503"]))
    reply = once(gateway.address, get("/"))
    assert (reply.status, reply.body) == (503, b"the body") and len(backend.requests) == 3


def test_post_is_not_repeated_for_a_status(stage):
    backend = stage.backend(failing(1, respond("503 Bad", b"bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=3, on=["503", "reset", "timeout"]))
    assert once(gateway.address, post("/pay", b"1")).status == 503 and len(backend.requests) == 1


def test_put_with_a_collected_body_is_sent_whole_again(stage):
    backend = stage.backend(failing(1, respond("503 Bad", b"bad")))
    routes = [route(retry={"attempts": 2, "on": ["503"], "backoff": 0}, stages={"collect": True})]
    gateway = stage.gateway(settings(backend.address), routes)
    assert once(gateway.address, post("/x", b"whole", method="PUT")).status == 200
    assert [message.body for message in backend.requests] == [b"whole", b"whole"]


def test_put_with_a_streamed_body_is_while_it_is_small(stage):
    """Bodies of up to 16 KiB are kept until the answer begins."""
    backend = stage.backend(failing(1, respond("503 Bad", b"bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=2, on=["503"]))
    assert once(gateway.address, post("/x", b"small", method="PUT")).status == 200
    assert [message.body for message in backend.requests] == [b"small", b"small"]
    backend = stage.backend(failing(1, respond("503 Bad", b"bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=2, on=["503"]))
    assert once(gateway.address, post("/x", b"x" * 20_000, method="PUT")).status == 503 and len(backend.requests) == 1


def test_a_timeout_is_a_reason_and_per_try_bounds_each(stage):
    """A black hole: three attempts of 200 ms, then the failure; another endpoint answers in time."""
    hole = stage.backend(lambda peer: (peer.read_request(), peer.hold()))
    gateway = stage.gateway(settings(hole.address), retrying(attempts=3, on=["timeout"], per_try="200ms"))
    start = time.monotonic()
    reply = once(gateway.address, get("/"))
    assert reply.status == 504 and 0.5 < time.monotonic() - start < 1.5
    assert len(hole.requests) == 3
    good = stage.backend()
    gateway = stage.gateway(settings(hole.address, good.address), retrying(attempts=2, on=["timeout"], per_try="200ms"))
    assert [once(gateway.address, get("/")).status for _ in range(8)] == [200] * 8


def test_per_try_does_not_cut_a_slow_upload_or_a_long_answer(stage):
    def slow(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            for byte in b"slow":
                time.sleep(0.1)
                peer.send(bytes([byte]))

    gateway = stage.gateway(settings(stage.backend(slow).address), retrying(attempts=2, on=["timeout"], per_try="150ms"))
    assert once(gateway.address, get("/")).body == b"slow"
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        for byte in b"abc":
            time.sleep(0.1)
            wire.send(bytes([byte]))
        assert wire.read("POST").status == 200


def test_retries_wait_with_jitter(stage):
    backend = stage.backend(failing(10_000, respond("503 Bad")))
    gateway = stage.gateway(settings(backend.address), [route(retry={"attempts": 4, "on": ["503"], "backoff": "100ms", "max_backoff": "200ms"})])
    waits = []
    for _ in range(3):
        start = time.monotonic()
        assert once(gateway.address, get("/")).status == 503
        waits.append(time.monotonic() - start)
        time.sleep(1.1)  # the minimum of the budget is a second's
    assert len(backend.requests) == 12
    assert max(waits) < 0.7 and max(waits) > 0.06 and max(waits) - min(waits) > 0.005, waits


def test_a_client_that_left_is_not_retried_for(stage):
    backend = stage.backend(failing(10_000, respond("503 Bad")))
    gateway = stage.gateway(settings(backend.address), [route(retry={"attempts": 6, "on": ["503"], "backoff": "60s", "max_backoff": "60s"})])
    for _ in range(5):
        with Wire(gateway.address) as wire:
            wire.send(get("/"))
            sockets.wait_until(lambda: len(backend.requests) > 0, 2, "the first attempt")
            wire.reset()
    time.sleep(0.2)
    assert len(backend.requests) <= 6


def test_streams_end_in_time_while_they_wait(stage):
    """A wait that would outlast the exchange's own life is not begun."""
    backend = stage.backend(failing(10_000, respond("503 Bad", b"last")))
    routes = [route(retry={"attempts": 6, "on": ["503"], "backoff": "30s", "max_backoff": "30s"}, timeouts={"stream_max": "1s"})]
    gateway = stage.gateway(settings(backend.address), routes)
    start = time.monotonic()
    assert once(gateway.address, get("/")).body == b"last" and time.monotonic() - start < 1


def test_the_budget_holds_under_total_failure(stage):
    """Everything fails, everything wants three attempts: at most a fifth more than the requests, and ten a second."""
    backend = stage.backend(failing(10**9, respond("503 Bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=3, on=["503"]))
    count = [0]
    start = time.monotonic()

    def load() -> None:
        with Wire(gateway.address) as wire:
            for _ in range(250):
                assert wire.ask(get("/")).status == 503
                count[0] += 1

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = int(time.monotonic() - start) + 2
    attempts = len(backend.requests)
    assert 2000 < attempts <= 1.2 * 2000 + 10 * seconds, attempts
    metrics = once(gateway.admin, get("/metrics")).body.decode()
    refused = [line for line in metrics.splitlines() if line.startswith('nexus_upstream_retries_refused_total{cluster="up"}')]
    assert refused and int(refused[0].split()[-1]) > 1000


def test_attempts_are_counted(stage):
    backend = stage.backend(failing(3, respond("503 Bad")))
    gateway = stage.gateway(settings(backend.address), retrying(attempts=6, on=["503"]))
    assert once(gateway.address, get("/")).status == 200
    metrics = once(gateway.admin, get("/metrics")).body.decode()
    assert 'nexus_upstream_attempts_total{cluster="up"} 4' in metrics and 'nexus_upstream_retries_total{cluster="up"} 3' in metrics
