"""The end under less usual circumstances: answers half out, tunnels, commands, signals in a row."""

import signal
import time

from harness import sockets
from harness.gateway import CARTS, OPERATIONS, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, post


def test_an_answer_that_waits_for_its_reader_is_finished(stage):
    """The exchange is over, its bytes are not all out: the drain is no reason to cut them."""
    backend = stage.backend(lambda peer: [(peer.read_request(), peer.send(respond("200 OK", b"y" * 60_000))) for _ in range(10_000)])
    public = {"name": "public", "address": f"unix:{stage.folder}/front.sock"}
    gateway = stage.gateway(settings(backend.address, drain="8s", listeners=[public]))
    with Wire(public["address"], timeout=10) as wire:
        wire.send(get("/") * 40)
        time.sleep(0.5)  # the socket is full, and an answer is over but not out
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        replies = []
        while (reply := wire.read()).complete:
            replies.append(reply)
        assert replies and reply.end == "none", f"{len(replies)} whole answers, then {reply.end}: {len(reply.raw)} bytes of another"
    assert gateway.wait(5) == 0


def test_a_tunnel_lives_as_long_as_the_drain_allows(stage):
    def echo(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        while data := peer.more():
            peer.send(data)

    gateway = stage.gateway(settings(stage.backend(echo).address, drain="1s"), [route(upgrade=True)])
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/", "Connection: Upgrade", "Upgrade: raw")).status == 101
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        time.sleep(0.4)
        wire.send(b"still here")
        assert wire.take(10) == b"still here"
        assert wire.closes_within(3)
    assert gateway.wait(3) == 0 and 0.8 < time.monotonic() - start < 2.5


def test_commands_in_flight_are_answered(stage):
    gateway = stage.gateway(settings(), CARTS)
    add = lambda n: post("/api/cart/add", b'{"userId":"u%d","item":{"productId":"p","quantity":1}}' % n)  # noqa: E731
    wires = [Wire(gateway.address) for _ in range(50)]
    for number, wire in enumerate(wires):
        wire.send(add(number))
    time.sleep(0.02)
    gateway.signal(signal.SIGTERM)
    ends = [wire.read("POST") for wire in wires]
    # A request that was read is answered; one that had not been read yet may find the door closed.
    assert {reply.status for reply in ends} <= {0, 202} and all(reply.end in ("complete", "none") for reply in ends)
    assert sum(reply.status == 202 for reply in ends) > 0
    assert gateway.wait(5) == 0


def test_sighup_while_draining_is_ignored_and_many_sigterms_end_it_once(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.hold()))
    gateway = stage.gateway(settings(backend.address, drain="20s"))
    with Wire(gateway.address) as wire:
        wire.send(get("/"))
        sockets.wait_until(lambda: backend.requests, 2, "the request")
        gateway.signal(signal.SIGTERM)
        time.sleep(0.2)
        gateway.signal(signal.SIGHUP)
        time.sleep(0.2)
        assert gateway.running
        for _ in range(5):
            gateway.signal(signal.SIGTERM)
            time.sleep(0.01)
        assert gateway.wait(3) == 0


def is_closed(address: str) -> bool:
    try:
        sockets.connect(address, 0.5).close()
    except OSError:
        return True
    return False


def test_listeners_close_last(stage):
    """While something runs, newcomers are answered, once each, and told that it is over; then the door closes."""
    backend = stage.backend(lambda peer: (peer.read_request(), peer.hold()))
    gateway = stage.gateway(settings(backend.address, drain="4s"), [*OPERATIONS, route(timeouts={"first_byte": 0})])
    with Wire(gateway.address) as running, Wire(gateway.address) as silent:
        running.send(get("/"))
        sockets.wait_until(lambda: backend.requests, 2, "the request")
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert silent.closes_within(1), "an idle connection ends at once"
        for address in (gateway.address, gateway.admin):
            with Wire(address) as late:
                reply = late.ask(get("/health/ready"))
                assert (reply.status, reply.field("connection")) == (503, "close")
                assert late.closes_within(1)
        with Wire(gateway.address) as mute:
            assert mute.closes_within(2), "who comes late and says nothing is not waited for"
        sockets.wait_until(lambda: is_closed(gateway.address) and is_closed(gateway.admin), 3, "closed at half time")
        assert gateway.running
    assert gateway.wait(4) == 0


def test_a_second_gateway_on_the_same_port_is_refused(stage):
    """Also with several workers, which share the port among themselves."""
    config = settings(stage.backend().address, workers=2)
    first = stage.gateway(config)
    config["listeners"][0]["address"] = first.address
    second = stage.files(config, [route()])
    try:
        second.start(wait=3)
    except AssertionError:
        assert second.process.returncode == 71, second.said()
        assert "Address already in use" in second.said()
    else:
        raise AssertionError("two gateways on one port")
    finally:
        second.kill()
