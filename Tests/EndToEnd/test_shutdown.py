"""SIGTERM drains; a second SIGTERM ends now."""

import os
import signal
import socket
import threading
import time

import pytest

from harness import sockets
from harness.gateway import OPERATIONS, listener, route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once


def slow(peer: Peer) -> None:
    while True:
        message = peer.read_request()
        time.sleep(0.7)
        peer.send(respond("200 OK", message.target.encode()))


def test_running_exchanges_finish_and_idle_ones_close(stage):
    gateway = stage.gateway(settings(stage.backend(slow).address, drain="5s"))
    idle, busy = Wire(gateway.address), Wire(gateway.address)
    assert idle.ask(get("/warm")).status == 200
    busy.send(get("/busy"))
    time.sleep(0.2)
    gateway.signal(signal.SIGTERM)
    assert idle.closes_within(1)
    reply = busy.read()
    assert (reply.status, reply.body) == (200, b"/busy")
    assert reply.field("connection") == "close" or busy.closes_within(1)
    assert gateway.wait(3) == 0


def test_no_new_connections_in_the_second_half_of_a_drain(stage):
    gateway = stage.gateway(settings(stage.backend(slow).address, drain="1s"))
    with Wire(gateway.address) as busy:
        busy.send(get("/busy"))
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        time.sleep(0.6)
        with pytest.raises(OSError):
            sockets.connect(gateway.address, 0.5).close()
        assert busy.read().status == 200


def test_the_drain_has_an_end(stage):
    gateway = stage.gateway(settings(stage.backend(lambda peer: (peer.read_request(), peer.hold())).address, drain="500ms"))
    with Wire(gateway.address) as stuck:
        stuck.send(get("/"))
        time.sleep(0.2)
        start = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(4) == 0
        assert 0.3 < time.monotonic() - start < 3


def test_a_second_sigterm_is_now(stage):
    gateway = stage.gateway(settings(stage.backend(lambda peer: (peer.read_request(), peer.hold())).address, drain="30s"))
    with Wire(gateway.address) as stuck:
        stuck.send(get("/"))
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert gateway.running
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(2) in (0, -signal.SIGTERM)
    gateway.endings.add(-signal.SIGTERM)


def test_readiness_falls_before_the_end(stage):
    gateway = stage.gateway(settings(stage.backend(slow).address, drain="5s"), [*OPERATIONS, route()])
    with Wire(gateway.address) as busy, Wire(gateway.admin) as admin:
        assert admin.ask(get("/health/ready")).status == 200
        busy.send(get("/busy"))
        time.sleep(0.2)
        admin.send(get("/health/ready")[:-2])
        gateway.signal(signal.SIGTERM)
        time.sleep(0.2)
        admin.send(b"\r\n")
        reply = admin.read()
        assert reply.status == 503 or reply.end == "none"
        assert busy.read().status == 200


def test_sigint_ends_it_too(stage):
    gateway = stage.gateway(settings(stage.backend().address))
    gateway.signal(signal.SIGINT)
    assert gateway.wait(3) == 0


def test_the_service_manager_is_told(stage):
    """sd_notify: READY=1 when it listens, RELOADING and READY on SIGHUP, STOPPING on SIGTERM."""
    path = f"{stage.folder}/notify.sock"
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(path)
    said: list[str] = []

    def listen() -> None:
        while True:
            try:
                said.append(notified.recv(4096).decode())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    gateway = stage.gateway(settings(stage.backend().address), environment={"NOTIFY_SOCKET": path})
    sockets.wait_until(lambda: any("READY=1" in each for each in said), what="READY=1")
    gateway.reload()
    sockets.wait_until(lambda: any("RELOADING=1" in each and "MONOTONIC_USEC=" in each for each in said), what="RELOADING=1")
    gateway.stop()
    sockets.wait_until(lambda: any("STOPPING=1" in each for each in said), what="STOPPING=1")
    notified.close()


def test_an_address_in_use_is_said_and_not_78(stage):
    taken = sockets.listen()
    try:
        gateway = stage.files(settings(listeners=[listener(address=sockets.address_of(taken))]), [])
        done = gateway.run("run")
        assert done.returncode not in (0, 78) and done.returncode > 0
        assert sockets.address_of(taken) in done.stderr
    finally:
        taken.close()


def test_a_stale_unix_socket_is_replaced_and_a_live_one_is_not(stage):
    path = f"{stage.folder}/public.sock"
    stale = sockets.listen(f"unix:{path}")
    stale.close()
    assert os.path.exists(path)
    gateway = stage.gateway(settings(stage.backend().address, listeners=[listener(address=f"unix:{path}")]))
    assert once(gateway.address, get("/")).status == 200
    second = stage.files(settings(listeners=[listener(address=f"unix:{path}")]), [])
    assert second.run("run").returncode > 0
    assert once(gateway.address, get("/")).status == 200
