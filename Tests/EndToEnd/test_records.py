"""What is recorded of an exchange: its own bytes, and its end, whatever ended it."""

import json
import signal
import time

import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer
from harness.wire import Wire, get, post


def lines(gateway, count: int) -> list[dict]:
    path = gateway.folder / "access.log"
    read = lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []  # noqa: E731
    sockets.wait_until(lambda: len(read()) >= count, 3, f"{count} lines")
    return read()


def logging(stage, play=None, **over):
    backend = stage.backend(play) if play else stage.backend()
    return stage.gateway(settings(backend.address, access_log={"path": "access.log"}, **over))


def test_each_pipelined_request_counts_its_own_bytes(stage):
    gateway = logging(stage)
    chunked = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    requests = [get("/first"), post("/b", b"x" * 100), chunked, get("/d"), post("/long", b"y" * 200_000)]
    with Wire(gateway.address) as wire:
        wire.send(b"".join(requests))
        for _ in requests:
            assert wire.read().status == 200
    assert [line["bytesIn"] for line in lines(gateway, 5)] == [len(request) for request in requests]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_cut_by_the_end_is_recorded_and_looks_cut(stage, version):
    """The drain is over before a stream is: also a client of HTTP/1.0 must see that it is not whole."""

    def stream(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        peer.hold()

    gateway = logging(stage, stream, drain="200ms")
    with Wire(gateway.address) as wire:
        wire.send(f"GET /cut HTTP/{version}\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(3) == 0
        assert wire.read().end == "aborted" and (version == "1.1" or wire.ended == "reset")
    (line,) = lines(gateway, 1)
    assert line["path"] == "/cut" and line["status"] == 200
