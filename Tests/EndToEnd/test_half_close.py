"""Tunnels with one direction ended: nothing that was sent before an end is lost, in any order."""

import threading
import time

import pytest

from harness.gateway import listener, route, settings
from harness.recorder import Peer
from harness.wire import Wire, get

UPGRADE = get("/ws", "Connection: Upgrade", "Upgrade: raw")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"


class Sink:
    """An upstream that ends its own side first, then takes all the client still says, as slowly as told."""

    def __init__(self, pause: float):
        self.pause = pause
        self.got = bytearray()
        self.over = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.read_head()
        peer.send(SWITCH + b"bye")
        peer.half_close()
        time.sleep(self.pause)
        self.got += peer.take()
        try:
            while data := peer.more(timeout=10):
                self.got += data
        finally:
            self.over.set()


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("size", [10, 12_000_000])
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_what_the_client_says_after_the_upstreams_end_arrives(stage, size, pause, unix):
    sink = Sink(pause)
    address = f"unix:{stage.folder}/front.sock" if unix else "127.0.0.1:0"
    config = settings(stage.backend(sink).address, listeners=[listener(address=address)])
    gateway = stage.gateway(config, [route(upgrade=True)])
    data = bytes(range(256)) * (size // 256 + 1)
    with Wire(address if unix else gateway.address, timeout=10) as wire:
        assert wire.ask(UPGRADE).status == 101
        assert wire.take(3) == b"bye" and wire.closes_within(2)
        wire.send(data)
        wire.close()
    assert sink.over.wait(10)
    assert len(sink.got) == len(data) and bytes(sink.got) == data


@pytest.mark.parametrize("size", [10, 12_000_000])
def test_what_the_upstream_says_after_the_clients_end_arrives(stage, size):
    data = bytes(range(256)) * (size // 256 + 1)

    def source(peer: Peer) -> None:
        peer.read_head()
        peer.send(SWITCH)
        while peer.more():
            pass
        time.sleep(0.1)
        peer.send(data)

    gateway = stage.gateway(settings(stage.backend(source).address), [route(upgrade=True)])
    with Wire(gateway.address, timeout=10) as wire:
        assert wire.ask(UPGRADE).status == 101
        wire.half_close()
        time.sleep(0.5)  # the upstream has written and left before the client reads
        assert wire.take(len(data)) == data
        assert wire.closes_within(2) and wire.ended == "closed"


def test_an_upgrade_with_a_body_is_an_ordinary_request(stage):
    """Bytes of a body and bytes of a tunnel must not be mixed up: such an upgrade is not offered."""
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(upgrade=True)])
    with Wire(gateway.address) as wire:
        head = b"POST /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\nContent-Length: 4\r\n\r\nbody"
        assert wire.ask(head).status == 200
        assert wire.ask(get("/next")).status == 200
    assert backend.requests[0].one("upgrade") is None and backend.requests[0].body == b"body"


def test_a_client_that_has_said_all_still_gets_its_answer(stage):
    def slow(peer: Peer) -> None:
        peer.read_request()
        time.sleep(0.3)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    gateway = stage.gateway(settings(stage.backend(slow).address))
    with Wire(gateway.address) as wire:
        wire.send(get("/")).half_close()
        assert wire.read().body == b"ok" and wire.closes_within(2)
