"""Endpoints given by name, in front of a small name server of our own."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from harness.gateway import route, settings
from harness.recorder import respond
from harness.sockets import wait_until
from harness.wire import get, once


class NameServer:
    """Answers A questions over UDP from `names`: addresses with a TTL of one second, or an rcode."""

    def __init__(self):
        self.names: dict[str, list[str] | int] = {}
        self.silent = False
        self.delay = 0.0
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                question, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = struct.unpack("!H", question[at + 1 : at + 3])[0]
            name = ".".join(labels).lower()
            self.asked.append(name)
            if self.silent:
                continue
            time.sleep(self.delay)
            found = self.names.get(name, 3)
            rcode = found if isinstance(found, int) else 0
            addresses = found if isinstance(found, list) and kind == 1 else []
            reply = question[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(addresses), 0, 0) + question[12 : at + 5]
            for address in addresses:
                reply += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
            with contextlib.suppress(OSError):
                self._socket.sendto(reply, sender)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def names():
    server = NameServer()
    yield server
    server.close()


def telling(text: bytes):
    def play(peer) -> None:
        while True:
            peer.read_request()
            peer.send(respond("200 OK", text))

    return play


def named(names: NameServer, *endpoints: str, **over) -> dict:
    return settings(*endpoints, resolver={"servers": [names.address], "min_ttl": "1s", "timeout": "300ms", "tries": 1}, **over)


def twins(stage) -> str:
    """Two back ends on one port, on 127.0.0.1 and 127.0.0.2."""
    first = stage.backend(telling(b"one"))
    port = first.address.rpartition(":")[2]
    stage.backend(telling(b"two"), f"127.0.0.2:{port}")
    return port


def test_the_first_request_after_start_waits_for_the_name(stage, names):
    port = twins(stage)
    names.names["up.test"] = ["127.0.0.1"]
    names.delay = 0.1
    gateway = stage.gateway(named(names, f"up.test:{port}"), [route(timeouts={"queue": "3s"})])
    assert once(gateway.address, get("/")).body == b"one"


def test_answers_change(stage, names):
    port = twins(stage)
    names.names["up.test"] = ["127.0.0.1"]
    gateway = stage.gateway(named(names, f"up.test:{port}"))
    wait_until(lambda: once(gateway.address, get("/")).body == b"one", 3, "the first address")
    names.names["up.test"] = ["127.0.0.2"]
    wait_until(lambda: once(gateway.address, get("/")).body == b"two", 5, "the second address")
    names.names["up.test"] = ["127.0.0.1", "127.0.0.2"]
    seen: set[bytes] = set()
    wait_until(lambda: seen.add(once(gateway.address, get("/")).body) or len(seen) == 2, 5, "both addresses")
    assert seen == {b"one", b"two"}


def test_a_silent_server_changes_nothing(stage, names):
    port = twins(stage)
    names.names["up.test"] = ["127.0.0.1"]
    gateway = stage.gateway(named(names, f"up.test:{port}"))
    wait_until(lambda: once(gateway.address, get("/")).body == b"one", 3, "the first address")
    names.silent = True
    start = time.monotonic()
    while time.monotonic() - start < 4:
        assert once(gateway.address, get("/")).body == b"one"
        time.sleep(0.05)
    names.silent = False
    names.names["up.test"] = ["127.0.0.2"]
    wait_until(lambda: once(gateway.address, get("/")).body == b"two", 8, "the server's return")


def test_an_unknown_name_is_502_and_says_dns_error(stage, names):
    gateway = stage.gateway(named(names, "nowhere.test:80"), [route(timeouts={"queue": "5s"})])
    start = time.monotonic()
    reply = once(gateway.address, get("/"))
    assert reply.status == 502 and "error=dns_error" in reply.field("proxy-status")
    assert time.monotonic() - start < 3


def test_a_name_that_is_taken_away_is_gone(stage, names):
    port = twins(stage)
    names.names["up.test"] = ["127.0.0.1"]
    gateway = stage.gateway(named(names, f"up.test:{port}"))
    wait_until(lambda: once(gateway.address, get("/")).status == 200, 3, "the first address")
    names.names["up.test"] = 3
    wait_until(lambda: once(gateway.address, get("/")).status == 502, 6, "the end of the name")
    names.names["up.test"] = ["127.0.0.2"]
    wait_until(lambda: once(gateway.address, get("/")).body == b"two", 8, "its return")


def test_a_reload_brings_and_removes_names(stage, names):
    port = twins(stage)
    names.names |= {"a.test": ["127.0.0.1"], "b.test": ["127.0.0.2"]}
    gateway = stage.gateway(named(names, f"a.test:{port}"), [route(timeouts={"queue": "3s"})])
    wait_until(lambda: once(gateway.address, get("/")).body == b"one", 3, "the first name")
    gateway.reload(config=named(names, f"b.test:{port}"))
    assert once(gateway.address, get("/")).body == b"two", "a request waits for a name that is being asked for"
    time.sleep(0.2)
    del names.asked[:]
    time.sleep(1.6)
    assert "b.test" in names.asked and "a.test" not in names.asked
