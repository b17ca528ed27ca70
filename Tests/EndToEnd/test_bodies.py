"""Bodies: framings, trailers, 100-continue, answers without one, and streams that cost no memory."""

import hashlib
import threading
import time

import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once, post

MIB = 1 << 20


def test_chunked_request_arrives_whole(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address))
    body = b"".join(b"%x;ext=1\r\n%s\r\n" % (size, bytes([65 + size % 26]) * size) for size in (1, 15, 16, 255, 4096, 70_000))
    reply = once(gateway.address, b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n")
    assert reply.status == 200
    assert backend.requests[0].body == b"".join(bytes([65 + size % 26]) * size for size in (1, 15, 16, 255, 4096, 70_000))


def test_trailers_pass_both_ways(stage):
    def with_trailers(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")

    backend = stage.backend(with_trailers)
    gateway = stage.gateway(settings(backend.address))
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client\r\n\r\n5\r\nhello\r\n0\r\nX-Client: 9\r\n\r\n")
        reply = wire.read()
    assert (reply.body, reply.message.trailers) == (b"hello", [(b"x-sum", b"7")])
    assert backend.requests[0].trailers == [(b"x-client", b"9")]


def test_chunks_reach_the_client_as_they_come(stage):
    go = threading.Event()

    def slow(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go.wait(5)
        peer.send(b"6\r\nsecond\r\n0\r\n\r\n")
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(slow).address))
    with Wire(gateway.address) as wire:
        wire.send(get("/"))
        sockets.wait_until(lambda: wire._fill(0.2) and b"first" in wire.buffer or b"first" in wire.buffer, 2, "the first chunk")
        go.set()
        assert wire.read().body == b"firstsecond"


def test_close_delimited_answer_is_complete_and_marked_so(stage):
    def old(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 100_000)

    gateway = stage.gateway(settings(stage.backend(old).address))
    reply = once(gateway.address, get("/"))
    assert reply.complete and reply.body == b"x" * 100_000


def test_expect_continue_is_relayed(stage):
    """The client waits for 100 before it sends; the upstream's 100 comes through."""

    def asks(peer: Peer) -> None:
        head = peer.read_head()
        assert b"100-continue" in head.lower()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = peer.take()
        while len(body) < 5:
            body += peer.more()
            peer.take()
        peer.send(respond("200 OK", body))
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(asks).address))
    with Wire(gateway.address) as wire:
        wire.send(post("/", b"hello", "Expect: 100-continue")[:-5])
        sockets.wait_until(lambda: b"100 Continue" in wire.buffer or wire._fill(0.1), 3, "100 Continue")
        wire.send(b"hello")
        reply = wire.read()
        assert [each.status for each in reply.informational] == [100]
        assert (reply.status, reply.body) == (200, b"hello")


def test_expect_refused_by_upstream_sends_no_100(stage):
    def refuses(peer: Peer) -> None:
        peer.read_head()
        peer.send(respond("403 Forbidden", b"no", "Connection: close"))
        peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(refuses).address))
    with Wire(gateway.address) as wire:
        wire.send(post("/", b"x" * 1000, "Expect: 100-continue")[:-1000])
        reply = wire.read()
        assert reply.status == 403 and not reply.informational


def test_early_hints_are_relayed(stage):
    def hints(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + respond("200 OK", b"ok"))

    gateway = stage.gateway(settings(stage.backend(hints).address))
    reply = once(gateway.address, get("/"))
    assert [each.status for each in reply.informational] == [103]
    assert reply.informational[0].one("link") == "</a.css>" and reply.body == b"ok"


def test_http_1_0_clients_get_no_1xx_and_no_chunks(stage):
    def modern(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    gateway = stage.gateway(settings(stage.backend(modern).address))
    reply = once(gateway.address, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert not reply.informational and reply.message.framing in ("close", "length") and reply.body == b"hello"


def test_answers_without_bodies_keep_the_connection_in_step(stage):
    def bare(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.method == "HEAD":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif message.target == "/204":
                peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif message.target == "/304":
                peer.send(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 1000\r\n\r\n')
            else:
                peer.send(respond("200 OK", b"full"))

    gateway = stage.gateway(settings(stage.backend(bare).address))
    with Wire(gateway.address) as wire:
        for _ in range(3):
            head = wire.ask(get("/", method="HEAD"))
            assert (head.status, head.field("content-length"), head.body) == (200, "1000", b"")
            assert wire.ask(get("/204")).status == 204
            assert wire.ask(get("/304")).status == 304
            assert wire.ask(get("/")).body == b"full"


def test_the_gateways_own_answers_to_head_have_no_body(stage):
    fixed = {"name": "fixed", "match": {"path": "/fixed"}, "target": {"fixed": {"status": 200, "body": "hello", "content_type": "text/plain"}}}
    gateway = stage.gateway(settings(), [fixed])
    with Wire(gateway.address) as wire:
        for target in ("/fixed", "/nowhere"):
            assert wire.ask(get(target, method="HEAD")).body == b""
            assert wire.ask(get(target)).body


def test_fixed_answers(stage):
    fixed = {"status": 418, "body": "short and stout", "content_type": "text/plain", "headers": {"x-pot": "tea"}}
    gateway = stage.gateway(settings(), [{"name": "pot", "match": {"path": "/pot"}, "target": {"fixed": fixed}}])
    with Wire(gateway.address) as wire:
        for _ in range(3):
            reply = wire.ask(post("/pot", b"x" * 5000))
            assert (reply.status, reply.body, reply.field("content-type"), reply.field("x-pot")) == (418, b"short and stout", "text/plain", "tea")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_is_streamed_with_back_pressure(stage, framing):
    """64 MiB towards an upstream that does not read at first: little is kept, all of it arrives."""
    total, digest, start = 64 * MIB, hashlib.sha256(), threading.Event()
    result: list[tuple[int, str]] = []

    def slow_reader(peer: Peer) -> None:
        head = peer.read_head()
        start.wait(10)
        seen, raw = hashlib.sha256(), bytearray(peer.take())
        if b"content-length" in head.lower():
            count = 0
            while True:
                seen.update(raw)
                count += len(raw)
                if count >= total:
                    break
                peer.more()
                raw = peer.take()
                peer.received.clear()
            result.append((count, seen.hexdigest()))
        else:
            count, pending = 0, bytes(raw)
            done = False
            while not done:
                while b"\r\n" in pending and not done:
                    line, _, rest = pending.partition(b"\r\n")
                    size = int(line.split(b";")[0], 16)
                    if len(rest) < size + 2:
                        break
                    seen.update(rest[:size])
                    count += size
                    pending = rest[size + 2 :]
                    done = size == 0
                if not done:
                    peer.more()
                    pending += peer.take()
                    peer.received.clear()
            result.append((count, seen.hexdigest()))
        peer.send(respond("200 OK", b"taken"))
        peer.hold(1)

    backend = stage.backend(slow_reader)
    gateway = stage.gateway(settings(backend.address), [route(body_limit="1GiB", timeouts={"body": "60s"})])
    once(gateway.address, b"GET /nowhere HTTP/1.0\r\n\r\n", 0.2)
    before = gateway.rss()
    block = bytes(range(256)) * 256
    with Wire(gateway.address, timeout=60) as wire:
        head = "Content-Length: %d" % total if framing == "length" else "Transfer-Encoding: chunked"
        wire.send(f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")

        def send_all() -> None:
            for _ in range(total // len(block)):
                digest.update(block)
                wire.socket.sendall(block if framing == "length" else b"%x\r\n%s\r\n" % (len(block), block))
            if framing == "chunked":
                wire.socket.sendall(b"0\r\n\r\n")

        sender = threading.Thread(target=send_all, daemon=True)
        wire.socket.settimeout(60)
        sender.start()
        time.sleep(0.5)
        assert sender.is_alive(), "the sender must be stopped by back-pressure"
        assert gateway.rss() - before < 8 * MIB
        start.set()
        sender.join(60)
        reply = wire.read(timeout=60)
    assert (reply.status, reply.body) == (200, b"taken")
    assert result == [(total, digest.hexdigest())]
    assert gateway.rss() - before < 8 * MIB


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_large_download_is_streamed_with_back_pressure(stage, framing):
    total, block = 64 * MIB, bytes(range(256)) * 256
    sent = [0]

    def flood(peer: Peer) -> None:
        peer.read_request()
        head = {"length": f"Content-Length: {total}\r\n", "chunked": "Transfer-Encoding: chunked\r\n", "close": "Connection: close\r\n"}[framing]
        peer.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        while sent[0] < total:
            peer.send(b"%x\r\n%s\r\n" % (len(block), block) if framing == "chunked" else block)
            sent[0] += len(block)
        if framing == "chunked":
            peer.send(b"0\r\n\r\n")
        if framing != "close":
            peer.hold(1)

    gateway = stage.gateway(settings(stage.backend(flood).address))
    before = gateway.rss()
    with Wire(gateway.address, timeout=30) as wire:
        wire.send(get("/"))
        time.sleep(0.5)
        assert sent[0] < 32 * MIB, "the upstream must be stopped by back-pressure"
        assert gateway.rss() - before < 8 * MIB
        digest = hashlib.sha256()
        assert wire.drain(digest.update).complete
    assert digest.hexdigest() == hashlib.sha256(block * (total // len(block))).hexdigest()
    assert gateway.rss() - before < 8 * MIB


def test_files_from_nginx_arrive_unchanged(stage, tmp_path):
    data = hashlib.sha256(b"seed").digest() * 200_000
    (tmp_path / "big.bin").write_bytes(data)
    address = f"127.0.0.1:{sockets.free_port()}"
    stage.nginx(address, files=tmp_path)
    gateway = stage.gateway(settings(address))
    with Wire(gateway.address, timeout=20) as wire:
        for _ in range(3):
            reply = wire.ask(get("/files/big.bin"))
            assert reply.status == 200 and reply.body == data
        part = wire.ask(get("/files/big.bin", "Range: bytes=100-199"))
        assert part.status == 206 and part.body == data[100:200]
        assert wire.ask(get("/files/none")).status == 404


def test_bodies_over_the_routes_limit_are_refused(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(body_limit="1KiB")])
    assert once(gateway.address, post("/", b"x" * 1024)).status == 200
    reply = once(gateway.address, post("/", b"x" * 1025))
    assert reply.status == 413 and b"TOO_LARGE" in reply.body
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"200\r\n" + b"x" * 512 + b"\r\n") * 4 + b"0\r\n\r\n"
    assert once(gateway.address, chunked).status == 413
    assert len(backend.requests) == 1


def test_an_early_answer_does_not_wait_for_the_body(stage):
    def early(peer: Peer) -> None:
        peer.read_head()
        peer.send(respond("401 Unauthorized", b"no", "Connection: close"))
        peer.half_close()
        peer.hold(2)

    gateway = stage.gateway(settings(stage.backend(early).address), [route(body_limit="100MiB")])
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 1000)
        assert wire.read(timeout=3).status == 401
