"""Upgrade: after 101 the connection is a tunnel in both directions."""

import hashlib
import threading
import time

import pytest

from harness.gateway import route, settings
from harness.recorder import Gone, Peer, respond
from harness.wire import Wire, get

UPGRADE = get("/ws", "Connection: Upgrade", "Upgrade: echo")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def echo(peer: Peer) -> None:
    head = peer.read_head()
    assert b"upgrade: echo" in head.lower() and b"connection: upgrade" in head.lower()
    peer.send(SWITCH + peer.take())
    while data := peer.more():
        peer.take()
        peer.send(data)
    peer.send(b"bye")


@pytest.fixture
def tunnel(stage):
    return stage.gateway(settings(stage.backend(echo).address), [route(upgrade=True)])


def test_bytes_pass_both_ways(tunnel):
    with Wire(tunnel.address) as wire:
        assert wire.ask(UPGRADE).status == 101
        for message in (b"hello", bytes(range(256)), b"GET / HTTP/1.1\r\n\r\n"):
            wire.send(message)
            assert wire.take(len(message)) == message


def test_bytes_sent_with_the_request_are_not_lost(tunnel):
    with Wire(tunnel.address) as wire:
        assert wire.ask(UPGRADE + b"early").status == 101
        assert wire.take(5) == b"early"


def test_half_close_reaches_the_other_side_and_the_rest_comes_back(tunnel):
    with Wire(tunnel.address) as wire:
        assert wire.ask(UPGRADE).status == 101
        wire.send(b"last").half_close()
        assert wire.take(7) == b"lastbye"
        assert wire.closes_within(2) and wire.ended == "closed"


def test_an_upstream_that_closes_ends_the_tunnel(stage):
    def brief(peer: Peer) -> None:
        peer.read_head()
        peer.send(SWITCH + b"only this")

    gateway = stage.gateway(settings(stage.backend(brief).address), [route(upgrade=True)])
    with Wire(gateway.address) as wire:
        assert wire.ask(UPGRADE).status == 101
        assert wire.take(9) == b"only this" and wire.closes_within(2)


def test_a_refused_upgrade_is_an_ordinary_answer(stage):
    def refuse(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            peer.send(respond("403 Forbidden" if message.all("upgrade") else "200 OK", message.target.encode()))

    gateway = stage.gateway(settings(stage.backend(refuse).address), [route(upgrade=True)])
    with Wire(gateway.address) as wire:
        assert wire.ask(UPGRADE).status == 403
        assert wire.ask(get("/after")).body == b"/after"


def test_a_tunnel_has_back_pressure(tunnel):
    """128 MiB into an echo whose answers are not read: the gateway keeps little, then all of it passes. The kernel
    alone may keep 32 MiB for one socket."""
    block, count = bytes(range(256)) * 4096, 128
    before = tunnel.rss()
    with Wire(tunnel.address, timeout=30) as wire:
        assert wire.ask(UPGRADE).status == 101
        sender = threading.Thread(target=lambda: [wire.socket.sendall(block) for _ in range(count)], daemon=True)
        wire.socket.settimeout(30)
        sender.start()
        time.sleep(0.5)
        assert sender.is_alive() and tunnel.rss() - before < 8 << 20
        digest, left = hashlib.sha256(), len(block) * count
        while left:
            data = wire.socket.recv(1 << 20)
            assert data
            digest.update(data)
            left -= len(data)
        sender.join(10)
    assert digest.hexdigest() == hashlib.sha256(block * count).hexdigest()


@pytest.mark.parametrize("offer", ["h2c", "websocket, H2C"])
def test_an_offer_of_h2c_is_ignored(stage, offer):
    """An upstream that took it would speak HTTP/2 through the tunnel, past routes and limits."""
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(upgrade=True)])
    with Wire(gateway.address) as wire:
        assert wire.ask(get("/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {offer}", "HTTP2-Settings: AAMAAABkAAQAAP__")).status == 200
    (request,) = backend.requests
    assert not request.all("upgrade") and not request.all("connection") and not request.all("http2-settings")


def test_an_idle_tunnel_ends_after_stream_idle(stage):
    gateway = stage.gateway(settings(stage.backend(echo).address), [route(upgrade=True, timeouts={"stream_idle": "300ms"})])
    with Wire(gateway.address) as wire:
        assert wire.ask(UPGRADE).status == 101
        assert wire.closes_within(3)


def test_a_reset_on_one_side_ends_the_other(stage):
    ended = threading.Event()

    def watch(peer: Peer) -> None:
        peer.read_head()
        peer.send(SWITCH)
        try:
            while peer.more():
                pass
        except Gone:
            pass
        ended.set()

    gateway = stage.gateway(settings(stage.backend(watch).address), [route(upgrade=True)])
    wire = Wire(gateway.address)
    assert wire.ask(UPGRADE).status == 101
    wire.reset()
    assert ended.wait(3)
