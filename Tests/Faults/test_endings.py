"""Ends of all kinds at every place: what the client sees is right, and nothing of it stays behind."""

import contextlib
import itertools
import re
import threading
import time

import pytest

from harness import sockets
from harness.gateway import CARTS, OPERATIONS, route, settings
from harness.recorder import Gone, Peer, respond
from harness.wire import Wire, get, once, post

ROUTES = [*OPERATIONS, *CARTS, route("collected", "/collected", stages={"collect": True}), route(upgrade=True, timeouts={"queue": "300ms"})]


def gauges(gateway) -> dict[str, float]:
    """The level gauges, summed over their labels, by name."""
    text = once(gateway.admin, get("/metrics")).body.decode()
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(nexus_\w*(?:open|active|inflight|idle)\w*)(?:\{[^}]*\})? ([0-9.e+-]+)$", text, re.M):
        found[name] = found.get(name, 0) + float(value)
    return found


def at_rest(gateway) -> None:
    """Nothing is open but the scrape itself."""

    def calm() -> bool:
        levels = {name: value for name, value in gauges(gateway).items() if "upstream" not in name}
        assert levels
        return all(0 <= value <= 1 for value in levels.values())

    try:
        sockets.wait_until(calm, 4, "rest", every=0.1)
    except AssertionError:
        raise AssertionError(f"not at rest: {gauges(gateway)}") from None


ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;a=b\r\n56789\r\n0\r\nX-End: yes\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_upstream_that_ends_after_any_byte(stage, kind, how):
    whole = ANSWERS[kind]
    cut = [0]

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(whole[: cut[0]])
        if how == "reset":
            time.sleep(0.002)  # a reset may overtake what was sent: let it be read first
            peer.reset()

    gateway = stage.gateway(settings(stage.backend(play).address), [*OPERATIONS, route(retries=0)])
    for cut[0] in range(len(whole) + 1):
        reply = once(gateway.address, get("/"))
        if cut[0] == len(whole):
            assert reply.complete and reply.status in (200, 204)
            continue
        head_out = whole.rfind(b"\r\n\r\nHTTP/1.1 204") + 4 if kind == "interim" else 0
        assert reply.end in ("complete", "aborted"), (cut[0], reply)
        if reply.complete:
            assert reply.status == 502, (cut[0], reply.raw, head_out)
    at_rest(gateway)


def test_clients_that_leave_after_any_byte(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), ROUTES)
    requests = [
        post("/plain", b"body"),
        b"POST /collected HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        post("/api/cart/add", b'{"userId":"u","item":{"productId":"p","quantity":1}}'),
    ]
    for request in requests:
        for cut, how in itertools.product(range(0, len(request) + 1, 3), ("close", "reset", "half")):
            wire = Wire(gateway.address)
            wire.send(request[:cut])
            if how == "half":
                wire.half_close().closes_within(1)
            wire.reset() if how == "reset" else wire.close()
    at_rest(gateway)
    assert once(gateway.address, get("/")).status == 200


def test_heads_bodies_and_pipelines_cut_anywhere_are_read_alike(stage):
    """The same bytes in two pieces, cut at every place, mean the same."""
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), ROUTES)
    text = (
        post("/one", b"12345")
        + b"POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
        + b"POST /collected HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
        + get("/none")
    )
    with Wire(gateway.address) as wire:
        for cut in range(1, len(text), 2):
            del backend.requests[:]
            before = sum(len(peer.requests) for peer in backend.peers)
            wire.send(text[:cut])
            time.sleep(0.001)
            wire.send(text[cut:])
            for _ in range(4):
                assert wire.read("POST").status == 200, cut
            seen = backend.requests[before:]
            assert [(m.target, m.body) for m in seen] == [("/one", b"12345"), ("/two", b"abc"), ("/collected", b"xyz"), ("/none", b"")], cut
    assert len(backend.peers) == 1
    at_rest(gateway)


EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 2])
def test_an_expectation_the_client_does_not_wait_for(stage, answer):
    def play(peer: Peer) -> None:
        while True:
            peer.read_head()
            peer.send(answer)
            body = peer.take()
            while len(body) < 4:
                assert peer.more()
                body += peer.take()
            peer.send(respond("200 OK", body))

    gateway = stage.gateway(settings(stage.backend(play).address), ROUTES)
    with Wire(gateway.address) as wire:
        for _ in range(3):
            reply = wire.ask(EXPECT + b"body", "POST")
            assert reply.status == 200 and reply.body == b"body"
            assert len(reply.informational) == answer.count(b"100")
    at_rest(gateway)


@pytest.mark.parametrize("status", ["200 OK", "417 Expectation Failed"])
@pytest.mark.parametrize("late", [b"", b"body", b"bodyGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_an_expectation_answered_without_the_body(stage, status, late):
    """The body may follow or not; it must never be taken for a request."""

    def play(peer: Peer) -> None:
        peer.read_head()
        peer.send(respond(status, b"early"))
        peer.hold(2)

    backend = stage.backend(play)
    gateway = stage.gateway(settings(backend.address), ROUTES)
    with Wire(gateway.address) as wire:
        reply = wire.ask(EXPECT, "POST")
        assert reply.status == int(status[:3]) and reply.field("connection") == "close"
        wire.send(late)
        assert wire.closes_within(3) and wire.buffer == b""
    assert len(backend.peers) == 1
    at_rest(gateway)


@pytest.mark.parametrize("reader", ["eager", "late"])
def test_both_bodies_large_and_the_answer_early(stage, reader):
    """The upstream answers with a large body before and while it reads a large one."""
    size = 8 << 20
    chunk = bytes(range(256)) * 256

    def play(peer: Peer) -> None:
        head = peer.read_head()
        assert b"ontent-" in head
        got = [len(peer.take())]

        def take() -> None:
            with contextlib.suppress(Gone):  # the exchange may end with its answer
                while got[0] < size and (data := peer.more(timeout=10)):
                    got[0] += len(data)
                    peer.take()

        thread = threading.Thread(target=take)
        thread.start()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(chunk)):
            peer.send(chunk)
        thread.join(10)

    gateway = stage.gateway(settings(stage.backend(play).address), [*OPERATIONS, route(body_limit="100MiB")])
    with Wire(gateway.address, timeout=10) as wire:
        body = chunk * (size // len(chunk))
        thread = threading.Thread(target=wire.send, args=(post("/", body),))
        thread.start()
        if reader == "late":
            time.sleep(0.5)
        got = [0]
        reply = wire.drain(lambda piece: got.__setitem__(0, got[0] + len(piece)), timeout=10)
        thread.join(10)
        assert reply.complete and got[0] == size
    at_rest(gateway)


def test_a_large_pipeline_of_mixed_requests_keeps_its_order(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), ROUTES)
    wanted: list[str] = []
    text = b""
    for number in range(400):
        kind = number % 5
        target = f"/p{number}"
        if kind == 0:
            text += get(target)
        elif kind == 1:
            text += post(target, b"x" * (number * 7))
        elif kind == 2:
            text += f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
        elif kind == 3:
            target = "/health/live"
            text += get(target)
        else:
            target = "/api/cart/u"
            text += get(target)
        wanted.append(target)
    with Wire(gateway.address, timeout=10) as wire:
        thread = threading.Thread(target=wire.send, args=(text,))
        thread.start()
        for target in wanted:
            reply = wire.read()
            assert reply.status == 200
            if target.startswith("/p"):
                assert f" {target} ".encode() in reply.body
            else:
                assert (b"UP" if "health" in target else b"userId") in reply.body
        thread.join()
    at_rest(gateway)


def test_an_unix_client_is_not_named_by_an_empty_field(stage):
    address = f"unix:{stage.folder}/front.sock"
    backend = stage.backend()
    stage.gateway(settings(backend.address, listeners=[{"name": "public", "address": address}]))
    assert once(address, get("/")).status == 200
    fields = {name.decode().lower(): value for name, value in backend.requests[0].fields}
    assert fields["x-forwarded-for"] and b"for=;" not in fields["forwarded"]
