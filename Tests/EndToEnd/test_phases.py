"""Each timer measures one side in one phase: a slow peer is never blamed for another's slowness."""

import threading
import time

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, describe, respond
from harness.wire import Wire, get, post

MIB = 1 << 20


def after_pause(seconds: float):
    """Reads the head, then nothing for a while, then all of it."""

    def play(peer: Peer) -> None:
        peer.socket.setsockopt(1, 8, 65536)  # SO_RCVBUF: the rest has to wait in the gateway
        while True:
            before = len(peer.requests)
            paused = [False]

            def pause(_: object) -> None:
                if not paused[0]:
                    paused[0] = True
                    time.sleep(seconds)

            message = peer.read_request(on_head=pause)
            assert len(peer.requests) == before + 1
            peer.send(describe(message))

    return play


def test_an_upstream_that_takes_the_body_slowly_is_not_the_clients_fault(stage):
    backend = stage.backend(after_pause(1.5))
    gateway = stage.gateway(settings(backend.address), [route(body_limit="100MiB", timeouts={"body": "500ms"})])
    with Wire(gateway.address, timeout=15) as wire:
        sender = threading.Thread(target=wire.send, args=(post("/", b"x" * (16 * MIB)),))
        sender.start()
        reply = wire.read("POST")
        sender.join()
    assert reply.status == 200 and b"<16777216 bytes>" in reply.body


def test_the_end_of_a_body_is_seen_while_its_last_bytes_still_wait(stage):
    """All of the body has come, the upstream is slow in taking it: no 408, and both connections stay."""
    backend = stage.backend(after_pause(1.2))
    gateway = stage.gateway(settings(backend.address), [route(body_limit="100MiB", timeouts={"body": "400ms"})])
    sizes = [MIB * 4 + n * 1000 for n in range(3)]
    for size in sizes:
        with Wire(gateway.address, timeout=15) as wire:
            sender = threading.Thread(target=wire.send, args=(post("/", b"x" * size),))
            sender.start()
            reply = wire.read("POST")
            sender.join()
            assert reply.status == 200, (size, reply)
            assert reply.field("connection") is None, "the request was whole: the connection can stay"
            assert wire.ask(get("/again")).status == 200
    assert len(backend.peers) == 1, "a connection whose request and answer are whole is used again"


def test_waiting_for_the_clients_body_is_not_waiting_for_the_upstream(stage):
    gateway = stage.gateway(settings(stage.backend().address), [route(timeouts={"first_byte": "300ms", "body": "5s"})])
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.8)
        wire.send(b"cd")
        assert wire.read("POST").status == 200


def test_a_slow_reader_that_makes_progress_is_not_an_idle_upstream(stage):
    body = b"x" * (24 * MIB)
    backend = stage.backend(lambda peer: (peer.read_request(), peer.send(respond("200 OK", body)), peer.hold(20)))
    gateway = stage.gateway(settings(backend.address), [route(timeouts={"stream_idle": "300ms"})])
    with Wire(gateway.address, timeout=10) as wire:
        wire.send(get("/"))
        time.sleep(1.5)  # the sockets are full; then read all of it
        got = [0]
        reply = wire.drain(lambda piece: got.__setitem__(0, got[0] + len(piece)))
        assert reply.complete and got[0] == len(body)


def test_a_client_that_never_reads_a_dripping_stream_is_dropped(stage):
    """What the upstream adds does not count as the client's progress."""
    ended = threading.Event()

    def drip(peer: Peer) -> None:
        peer.read_request()
        # The client's socket takes the first part; the drops then wait in the gateway, too few for back-pressure.
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"32000\r\n" + b"x" * 0x32000 + b"\r\n")
        try:
            while True:
                peer.send(b"80\r\n" + b"x" * 128 + b"\r\n")
                time.sleep(0.02)
        finally:
            ended.set()

    address = f"unix:{stage.folder}/front.sock"
    public = {"name": "public", "address": address, "timeouts": {"send": "1s"}}
    gateway = stage.gateway(settings(stage.backend(drip).address, listeners=[public]))
    with Wire(address) as wire:
        wire.send(get("/"))
        assert ended.wait(4), "the client has read nothing for four times `send`"
    gateway.assert_alive()


def test_too_much_body_after_the_answer_has_begun_ends_the_exchange(stage):
    def early(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        peer.hold(10)

    gateway = stage.gateway(settings(stage.backend(early).address), [route(body_limit="1KiB")])
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert wire.take(12) == b"HTTP/1.1 200"
        wire.send((b"200\r\n" + b"x" * 512 + b"\r\n") * 8)
        assert wire.closes_within(2), "neither whole nor ended"


def test_no_linger_is_no_linger(stage):
    public = {"name": "public", "address": "127.0.0.1:0", "timeouts": {"linger": "0s"}}
    gateway = stage.gateway(settings(stage.backend().address, listeners=[public]))
    calm = gateway.descriptors()
    wires = [Wire(gateway.address) for _ in range(20)]
    for wire in wires:
        assert wire.ask(get("/", "Connection: close")).status == 200
    sockets.wait_until(lambda: gateway.descriptors() <= calm + 2, 2, "connections let go although the clients stay")
    for wire in wires:
        wire.close()
