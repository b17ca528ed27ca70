"""Client connections: keep-alive, pipelining, ageing, Unix sockets, limits."""

import http.client
import threading
import time

import httpx
import pytest

from harness import sockets
from harness.gateway import listener, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, is_refused, once, post


def test_many_requests_on_one_connection(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address))
    with Wire(gateway.address) as wire:
        for number in range(200):
            reply = wire.ask(get(f"/{number}"))
            assert reply.status == 200 and f"GET /{number} ".encode() in reply.body
    assert len(backend.peers) == 1, "upstream connections must be kept and used again"


def test_http_client_and_httpx_agree(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address))
    plain = http.client.HTTPConnection(gateway.address, timeout=5)
    for _ in range(3):
        plain.request("POST", "/one", body=b"body", headers={"X-A": "b"})
        answer = plain.getresponse()
        assert answer.status == 200 and b'"body": "body"' in answer.read()
    with httpx.Client(base_url=gateway.url) as client:
        for _ in range(3):
            answer = client.put("/two", content=b"body")
            assert answer.status_code == 200 and answer.json()["body"] == "body"


def test_pipelined_answers_come_in_order_even_when_the_first_is_slow(stage):
    def slow_first(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.target == "/slow":
                time.sleep(0.3)
            peer.send(respond("200 OK", message.target.encode()))

    gateway = stage.gateway(settings(stage.backend(slow_first).address))
    with Wire(gateway.address) as wire:
        wire.send(get("/slow") + get("/2") + post("/3", b"x" * 1000) + get("/4", method="HEAD") + get("/5"))
        assert [wire.read(method).body for method in ("GET", "GET", "POST", "HEAD", "GET")] == [b"/slow", b"/2", b"/3", b"", b"/5"]


def test_a_pipeline_longer_than_its_buffer_is_answered_whole(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    count, request = 3000, get("/p", "X-Padding: " + "x" * 60)
    with Wire(gateway.address, timeout=20) as wire:
        sender = threading.Thread(target=lambda: wire.socket.sendall(request * count))
        sender.start()
        assert all(wire.read().status == 200 for _ in range(count))
        sender.join()


def test_requests_in_single_bytes(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    with Wire(gateway.address) as wire:
        for byte in post("/slow", b"hello", "X-A: b"):
            wire.send(bytes([byte]))
        reply = wire.read()
        assert reply.status == 200 and b'"body": "hello"' in reply.body


def test_connection_close_is_honoured_and_said(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    with Wire(gateway.address) as wire:
        reply = wire.ask(get("/", "Connection: close"))
        assert reply.status == 200 and reply.field("connection") == "close"
        assert wire.closes_within(1)


@pytest.mark.parametrize("fields, stays", [((), False), (("Connection: keep-alive",), True)])
def test_http_1_0_closes_unless_asked_to_stay(stage, fields, stays):
    gateway = stage.gateway(settings(stage.backend().address))
    with Wire(gateway.address) as wire:
        reply = wire.ask(get("/", *fields).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert reply.status == 200 and reply.message.framing != "chunked"
        if stays and reply.field("connection") == "keep-alive":
            assert wire.ask(get("/", *fields).replace(b"HTTP/1.1", b"HTTP/1.0")).status == 200
        else:
            assert wire.closes_within(1)


def test_idle_connections_age_out(stage):
    public = listener(timeouts={"keep_alive": "300ms", "head": "5s"})
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/")).status == 200
        start = time.monotonic()
        assert wire.closes_within(3)
        assert 0.2 < time.monotonic() - start < 2.5
        assert not wire.buffer, "an idle close says nothing"


def test_unix_sockets_on_both_sides(stage):
    upstream, public = f"unix:{stage.folder}/up.sock", f"unix:{stage.folder}/public.sock"
    stage.backend(address=upstream)
    gateway = stage.gateway(settings(upstream, listeners=[listener(address=public), listener("tcp")]))
    assert gateway.listeners["public"] == public
    assert once(public, get("/a")).status == 200
    assert once(gateway.listeners["tcp"], get("/b")).status == 200


def test_ipv6_loopback(stage):
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(address="[::1]:0")]))
    assert once(gateway.address, get("/")).status == 200


def test_every_worker_serves(stage):
    gateway = stage.gateway(settings(stage.backend().address, workers=2))
    for _ in range(40):
        assert once(gateway.address, get("/")).status == 200


def test_a_client_that_vanishes_releases_everything(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.hold(20)))
    gateway = stage.gateway(settings(backend.address))
    calm = gateway.descriptors()
    wires = [Wire(gateway.address) for _ in range(20)]
    for wire in wires:
        wire.send(get("/"))
    sockets.wait_until(lambda: len(backend.requests) == 20, what="requests at the back end")
    for wire in wires:
        wire.reset()
    sockets.wait_until(lambda: gateway.descriptors() <= calm, what="descriptors released")


def test_connections_over_the_limit_do_not_take_the_others_down(stage):
    public = listener(max_connections=20)
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    first = [Wire(gateway.address) for _ in range(20)]
    for wire in first:
        assert wire.ask(get("/")).status == 200
    assert is_refused(gateway.address)
    for wire in first:
        assert wire.ask(get("/")).status == 200
        wire.close()
    sockets.wait_until(lambda: once(gateway.address, get("/"), 1).status == 200, what="room again")


