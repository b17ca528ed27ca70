"""Upstreams: pools, retries, balance, and each way they can fail."""

import collections
import json
import threading
import time

import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once, post


def problem(reply) -> dict:
    assert reply.field("content-type") == "application/problem+json", reply.raw[:300]
    return json.loads(reply.body)


def test_connect_refused(stage):
    gateway = stage.gateway(settings(sockets.closed_address()))
    reply = once(gateway.address, get("/"))
    assert reply.status in (502, 503)
    assert problem(reply)["code"] == "UPSTREAM_UNAVAILABLE"
    assert (reply.field("proxy-status") or "").startswith("nexus-gateway; error=") and "connection_refused" in (reply.field("proxy-status") or "")
    if reply.status == 503:
        assert int(reply.field("retry-after")) >= 0


def test_missing_unix_socket(stage):
    gateway = stage.gateway(settings(f"unix:{stage.folder}/none.sock"))
    assert once(gateway.address, get("/")).status in (502, 503)


def test_a_name_that_does_not_resolve(stage):
    gateway = stage.gateway(settings("nowhere.invalid:80", resolver={"servers": [sockets.closed_address()], "timeout": "200ms", "tries": 1}))
    reply = once(gateway.address, get("/"))
    assert reply.status in (502, 503) and "dns" in (reply.field("proxy-status") or "")


def test_connect_timeout(stage):
    """A listener whose queue is full neither accepts nor refuses."""
    listening = sockets.listen(backlog=0)
    held = []
    try:
        for _ in range(4):
            extra = sockets.socket.socket()
            extra.setblocking(False)
            extra.connect_ex(listening.getsockname())
            held.append(extra)
        gateway = stage.gateway(settings(sockets.address_of(listening)), [route(timeouts={"connect": "300ms"}, retries=0)])
        start = time.monotonic()
        reply = once(gateway.address, get("/"))
        assert reply.status in (502, 503, 504) and time.monotonic() - start < 3
        assert "connection_timeout" in (reply.field("proxy-status") or "")
    finally:
        for each in [*held, listening]:
            each.close()


def test_first_byte_timeout(stage):
    gateway = stage.gateway(settings(stage.backend(lambda peer: (peer.read_request(), peer.hold())).address), [route(timeouts={"first_byte": "300ms"})])
    start = time.monotonic()
    reply = once(gateway.address, get("/"))
    assert reply.status == 504 and 0.2 < time.monotonic() - start < 2
    assert problem(reply)["code"] == "DEADLINE" and "http_response_timeout" in (reply.field("proxy-status") or "")


def test_streams_have_no_total_timeout(stage):
    def drip(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            time.sleep(0.15)
            peer.send(b"1\r\nx\r\n")
        peer.send(b"0\r\n\r\n")
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(drip).address), [route(timeouts={"first_byte": "400ms", "stream_idle": "500ms"})])
    assert once(gateway.address, get("/")).body == b"x" * 8


def test_stream_max_ends_a_stream_visibly(stage):
    def drip(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(60):
            time.sleep(0.05)
            peer.send(b"1\r\nx\r\n")
        peer.send(b"0\r\n\r\n")

    gateway = stage.gateway(settings(stage.backend(drip).address), [route(timeouts={"stream_max": "500ms"})])
    assert once(gateway.address, get("/")).end == "aborted"


def dies_when_used_again(peer: Peer) -> None:
    """Serves one request, and resets when a second arrives on the same connection."""
    message = peer.read_request()
    peer.send(respond("200 OK", message.target.encode()))
    peer.more()
    peer.reset()


def closes_after_one(peer: Peer) -> None:
    """Closes without `Connection: close`: the pooled connection is dead when it is wanted."""
    message = peer.read_request()
    peer.send(respond("200 OK", message.target.encode()))


@pytest.mark.parametrize("play", [closes_after_one, dies_when_used_again])
def test_a_dead_pooled_connection_is_not_the_clients_trouble(stage, play):
    backend = stage.backend(play)
    gateway = stage.gateway(settings(backend.address))
    with Wire(gateway.address) as wire:
        for number in range(20):
            reply = wire.ask(get(f"/{number}"))
            assert (reply.status, reply.body) == (200, f"/{number}".encode())


def test_a_post_is_not_repeated_when_it_may_have_been_processed(stage):
    def processes_then_dies(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    backend = stage.backend(processes_then_dies)
    gateway = stage.gateway(settings(backend.address), [route(retries=3)])
    assert once(gateway.address, post("/pay", b"1")).status == 502
    assert len(backend.requests) == 1


def test_an_idempotent_request_is_tried_again_elsewhere(stage):
    def dies(peer: Peer) -> None:
        peer.read_request()
        peer.reset()

    bad, good = stage.backend(dies), stage.backend()
    gateway = stage.gateway(settings(bad.address, good.address), [route(retries=2)])
    assert [once(gateway.address, get("/")).status for _ in range(10)] == [200] * 10


def test_refused_endpoints_are_passed_over_even_for_post(stage):
    good = stage.backend()
    gateway = stage.gateway(settings(sockets.closed_address(), good.address), [route(retries=2)])
    assert [once(gateway.address, post("/", b"x")).status for _ in range(10)] == [200] * 10


def test_no_retry_when_the_route_says_none(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.reset()))
    gateway = stage.gateway(settings(backend.address), [route(retries=0)])
    assert once(gateway.address, get("/")).status == 502
    assert len(backend.requests) == 1


def test_load_spreads_over_endpoints(stage):
    backends = [stage.backend() for _ in range(3)]
    gateway = stage.gateway(settings(*[each.address for each in backends]))
    threads = [threading.Thread(target=lambda: [once(gateway.address, get("/")) for _ in range(40)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [len(each.requests) for each in backends]
    assert sum(counts) == 240 and min(counts) > 30, counts


def test_least_request_avoids_the_busy_endpoint(stage):
    """Steady load for a second: blind turns would give both the same count, and the slow one sets the pace."""

    def slow(peer: Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.3)
            peer.send(respond())

    busy, free = stage.backend(slow), stage.backend()
    gateway = stage.gateway(settings(busy.address, free.address))
    end = time.monotonic() + 1

    def load() -> None:
        while time.monotonic() < end:
            once(gateway.address, get("/"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(free.requests) > 3 * len(busy.requests), (len(busy.requests), len(free.requests))


def test_pooled_connections_age_out(stage):
    backend = stage.backend()
    config = settings(backend.address)
    config["clusters"]["up"]["pool"] = {"idle_timeout": "300ms"}
    gateway = stage.gateway(config)
    assert once(gateway.address, get("/")).status == 200
    sockets.wait_until(lambda: backend.peers[0].closed_by_client, 3, "the idle connection closed")


def test_connections_are_replaced_after_so_many_requests(stage):
    backend = stage.backend()
    config = settings(backend.address)
    config["clusters"]["up"]["pool"] = {"requests": 5}
    gateway = stage.gateway(config)
    with Wire(gateway.address) as wire:
        for _ in range(20):
            assert wire.ask(get("/")).status == 200
    assert max(len(peer.requests) for peer in backend.peers) <= 5


def test_the_pool_is_bounded_and_the_rest_wait(stage):
    open_now, most, lock = [0], [0], threading.Lock()

    def counting(peer: Peer) -> None:
        while True:
            peer.read_request()
            with lock:
                open_now[0] += 1
                most[0] = max(most[0], open_now[0])
            time.sleep(0.05)
            with lock:
                open_now[0] -= 1
            peer.send(respond())

    config = settings(stage.backend(counting).address)
    config["clusters"]["up"]["pool"] = {"connections": 4}
    gateway = stage.gateway(config, [route(timeouts={"queue": "5s"})])
    statuses: collections.Counter[int] = collections.Counter()
    threads = [threading.Thread(target=lambda: statuses.update([once(gateway.address, get("/")).status])) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {200: 24} and most[0] <= 4


def test_waiting_for_the_pool_has_a_limit(stage):
    config = settings(stage.backend(lambda peer: (peer.read_request(), peer.hold())).address)
    config["clusters"]["up"]["pool"] = {"connections": 1}
    gateway = stage.gateway(config, [route(timeouts={"queue": "200ms", "first_byte": "5s"})])
    with Wire(gateway.address) as first:
        first.send(get("/"))
        time.sleep(0.1)
        start = time.monotonic()
        reply = once(gateway.address, get("/"))
        assert reply.status in (503, 504) and time.monotonic() - start < 2


def test_an_answer_before_the_request_ended_frees_nothing_dirty(stage):
    """The upstream answers early and keeps the connection: it must not serve the next client half-way."""

    def early(peer: Peer) -> None:
        head = peer.read_head()
        peer.send(respond("200 OK", head.split(b" ")[1]))
        peer.hold(3)

    gateway = stage.gateway(settings(stage.backend(early).address), [route(body_limit="10MiB")])
    with Wire(gateway.address) as wire:
        wire.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert wire.read().body == b"/early"
    assert once(gateway.address, get("/next")).body == b"/next"
