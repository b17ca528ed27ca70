"""TLS under attack and in bad weather: who misbehaves pays, bystanders are served."""

import os
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness import peers, sockets
from harness.certificates import Authority, Pair
from harness.gateway import OPERATIONS, Gateway, listener, route, settings
from harness.secure import SecureWire, ask, handshakes, relay, trusting
from harness.wire import Wire, get, post


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority) -> Pair:
    return authority.issue("server", "DNS:localhost")


def start(stage, pair: Pair, *, handshake: str = "10s", **more) -> Gateway:
    public = listener(tls={"certificates": [pair.settings], "handshake": handshake}, **more)
    return stage.gateway(settings(stage.backend().address, listeners=[public]), [*OPERATIONS, route()])


def hello(context: ssl.SSLContext) -> bytes:
    """A whole ClientHello record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("request_", [get("/"), post("/", b"x"), b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
                         ids=["get", "post", "options", "h2c"])
def test_http_on_the_https_port_is_told_so(stage, authority, pair, request_):
    gateway = start(stage, pair)
    with Wire(gateway.address) as wire:
        reply = wire.ask(request_, method="GET")
        assert reply.complete and reply.status == 400
        assert reply.field("content-type") == "application/problem+json" and b"https" in reply.body
        assert wire.closes_within(1)
    assert handshakes(gateway)[("client", "plaintext", "")] == 1


GARBAGE = {
    "zeros": bytes(100), "noise": b"\x16\x03\x01\x00\x20" + os.urandom(32), "huge-record": b"\x16\x03\x01\xff\xff" + os.urandom(5000),
    "alert": b"\x15\x03\x01\x00\x02\x02\x28", "application-data": b"\x17\x03\x03\x00\x10" + os.urandom(16), "sslv2": b"\x80\x2e\x01\x00\x02" + bytes(41),
    "empty-records": b"\x16\x03\x01\x00\x00" * 500, "heartbeat": b"\x18\x03\x02\x00\x03\x01\x40\x00",
}


@pytest.mark.parametrize("bytes_", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_instead_of_a_handshake(stage, authority, pair, bytes_):
    gateway = start(stage, pair, handshake="1s", timeouts={"linger": "200ms"})
    for _ in range(3):
        with Wire(gateway.address) as wire:
            wire.send(bytes_)
            assert wire.closes_within(3)
            assert b"HTTP" not in wire.buffer
    assert ask(gateway.address, trusting(authority), get("/")).status == 200
    sockets.wait_until(lambda: "nexus_connections_open 1" in metrics(gateway) or "nexus_connections_open 0" in metrics(gateway), 3, "closed")


def metrics(gateway: Gateway) -> str:
    with Wire(gateway.admin) as wire:
        return wire.ask(get("/metrics")).body.decode()


def test_a_hello_cut_anywhere(stage, authority, pair):
    """Every length of the first flight, then the end: closed, and nothing is kept."""
    gateway = start(stage, pair, timeouts={"linger": "100ms"})
    whole = hello(trusting(authority))
    for length in range(0, len(whole), 7):
        with Wire(gateway.address) as wire:
            wire.send(whole[:length]).half_close()
            assert wire.closes_within(2), length
    assert handshakes(gateway)[("client", "closed", "")] > 10
    assert ask(gateway.address, trusting(authority), get("/")).status == 200


def test_a_handshake_by_drips_ends_in_time(stage, authority, pair):
    gateway = start(stage, pair, handshake="1s")
    whole = hello(trusting(authority))
    silent = [Wire(gateway.address) for _ in range(50)]
    with Wire(gateway.address) as wire:
        began = time.monotonic()
        for byte in whole:
            wire.send(bytes([byte]))
            time.sleep(0.05)
            if wire.closes_within(0.01):
                break
        assert 0.8 < time.monotonic() - began < 2.5
    for each in silent:
        assert each.closes_within(2)
        each.close()
    assert handshakes(gateway)[("client", "timeout", "")] == 51
    assert ask(gateway.address, trusting(authority), get("/")).status == 200


def test_half_closed_after_the_request(stage, authority, pair):
    """close_notify behind a whole request ends the client's side alone: its answer comes, then ours ends."""
    gateway = start(stage, pair)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with Wire(gateway.address) as wire:

        def carry(step):
            """Run `step` until it needs no more of the other side."""
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        wire.socket.sendall(outgoing.read())
                    data = wire.socket.recv(65536)
                    incoming.write(data) if data else incoming.write_eof()

        carry(tls.do_handshake)
        tls.write(get("/last", "Connection: close"))
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        answer = b""
        try:
            while piece := carry(lambda: tls.read(65536)):
                answer += piece
        except ssl.SSLZeroReturnError:
            pass
        assert answer.startswith(b"HTTP/1.1 200 OK") and b"/last" in answer


def test_a_request_body_cut_on_the_way_is_not_forwarded_whole(stage, authority, pair):
    bodies = []

    def play(peer) -> None:
        message = peer.read_request()
        bodies.append(message.body)

    backend = stage.backend(play)
    public = listener(tls={"certificates": [pair.settings]})
    gateway = stage.gateway(settings(backend.address, listeners=[public]), [route()])
    with SecureWire(gateway.address, trusting(authority)) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        socket.socket.shutdown(wire.socket, socket.SHUT_WR)
        assert wire.closes_within(3)
    assert bodies == []


def test_a_truncated_answer_is_seen_by_the_client(stage, authority, pair):
    """The client's own view: what is cut between it and us has no close_notify."""
    gateway = start(stage, pair)
    with relay(gateway.address, cut_after=2500) as address:
        try:
            with SecureWire(address, trusting(authority)) as wire:
                wire.send(post("/", b"x" * 20_000))
                assert wire.closes_within(3) and wire.ended in ("truncated", "reset")
        except (ssl.SSLError, ConnectionError):
            pass


def test_an_upload_to_a_slow_reader_and_back(stage, authority, pair):
    """Blocked in both directions: partial records are taken up where they stopped."""
    body = os.urandom(3 << 20)

    def play(peer) -> None:
        message = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(message.body))
        peer.send(message.body)

    public = listener(tls={"certificates": [pair.settings]})
    gateway = stage.gateway(settings(stage.backend(play).address, listeners=[public]), [route(body_limit="8MiB")])
    with SecureWire(gateway.address, trusting(authority), timeout=20) as wire:
        wire.send(post("/", body))
        time.sleep(0.5)  # the answer waits in full sockets
        assert wire.read().body == body


def test_a_flood_of_key_updates_ends(stage, authority, pair):
    """Each costs us a key schedule and brings nothing; a few are anybody's right."""
    gateway = start(stage, pair)

    def updates(count: int) -> str:
        client = subprocess.Popen([peers.tool("openssl"), "s_client", "-connect", gateway.address, "-tls1_3", "-quiet", "-no_ign_eof"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        sockets.wait_until(lambda: handshakes(gateway).get(("client", "ok", "1.3"), 0) > done[0], 5, "the handshake")
        done[0] += 1
        try:
            for _ in range(count):
                client.stdin.write(b"K\n")  # s_client sends a KeyUpdate that asks for one
                client.stdin.flush()
                time.sleep(0.01)
            client.stdin.write(get("/", "Connection: close"))
            client.stdin.flush()
            return client.stdout.read(200).decode("latin-1")
        except BrokenPipeError:
            return ""
        finally:
            client.kill()
            client.communicate()

    done = [0]
    assert "200 OK" in updates(5)
    assert "200 OK" not in updates(200)
    assert ask(gateway.address, trusting(authority), get("/")).status == 200


def test_handshakes_do_not_starve_requests(stage, authority, pair):
    """A storm of handshakes: a running connection still gets its answers soon."""
    gateway = start(stage, pair)
    stop = threading.Event()
    context = trusting(authority)

    def storm() -> None:
        while not stop.is_set():
            try:
                with SecureWire(gateway.address, context):
                    pass
            except OSError:
                pass

    threads = [threading.Thread(target=storm) for _ in range(8)]
    with SecureWire(gateway.address, context) as wire:
        for thread in threads:
            thread.start()
        waits = []
        for _ in range(100):
            began = time.monotonic()
            assert wire.ask(get("/")).status == 200
            waits.append(time.monotonic() - began)
        stop.set()
    for thread in threads:
        thread.join()
    assert sorted(waits)[50] < 0.2


def test_certificates_change_under_load(stage, authority, pair, tmp_path):
    """Twenty reloads with other certificates: no request is lost, no handshake fails."""
    others = [authority.issue(f"server{n}", "DNS:localhost") for n in range(2)]
    address = f"127.0.0.1:{sockets.free_port()}"
    backend = stage.backend().address

    def config(each: Pair) -> dict:
        return settings(backend, listeners=[listener(address=address, tls={"certificates": [each.settings]})])

    gateway = stage.gateway(config(pair), [*OPERATIONS, route()])
    stop = threading.Event()
    failures: list[str] = []
    served = [0]

    def client(kept: bool) -> None:
        context = trusting(authority)
        wire = SecureWire(address, context) if kept else None
        while not stop.is_set():
            try:
                reply = wire.ask(get("/")) if wire else ask(address, context, get("/"))
                if reply.status != 200:
                    failures.append(f"{reply.end} {reply.status}")
                served[0] += 1
            except OSError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=client, args=(n % 2 == 0,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for round in range(20):
        gateway.reload(config=config(others[round % 2]))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and served[0] > 50


def test_connections_leave_nothing_behind(stage, authority, pair):
    """Memory and descriptors after many handshakes, good and bad, are what they were."""
    gateway = start(stage, pair, timeouts={"linger": "50ms"})
    context = trusting(authority)

    def many(count: int) -> None:
        for number in range(count):
            if number % 3 == 2:
                with Wire(gateway.address) as wire:
                    wire.send(GARBAGE["noise"])
                    wire.closes_within(1)
            else:
                with SecureWire(gateway.address, context) as wire:
                    assert wire.ask(get("/")).status == 200

    many(300)
    time.sleep(0.3)
    before, files = gateway.rss(), gateway.descriptors()
    many(600)
    time.sleep(0.3)
    assert gateway.rss() - before < 1 << 20
    assert gateway.descriptors() <= files + 2
