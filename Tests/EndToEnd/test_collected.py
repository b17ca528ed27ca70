"""Bodies that are collected first and then sent upstream: framed anew, once, whatever way they came."""

from harness import sockets
from harness.gateway import route, settings
from harness.recorder import Peer, respond
from harness.wire import Wire, get, once, post

INNER = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def collecting(stage, *endpoints: str, **over):
    return stage.gateway(settings(*endpoints), [route(stages={"collect": True}, **over)])


def test_a_chunked_body_is_framed_again(stage):
    backend = stage.backend()
    gateway = collecting(stage, backend.address)
    with Wire(gateway.address) as wire:
        assert wire.ask(CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").status == 200
        assert wire.ask(CHUNKED + b"0\r\n\r\n").status == 200
        assert wire.ask(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)).status == 200
        assert wire.ask(get("/after")).status == 200
    assert [message.target for message in backend.requests] == ["/c", "/c", "/c", "/after"]
    assert [message.body for message in backend.requests] == [b"hello world", b"", INNER, b""]


def test_a_known_length_stays_known(stage):
    backend = stage.backend()
    gateway = collecting(stage, backend.address)
    assert once(gateway.address, post("/", b"x" * 5000)).status == 200
    assert backend.requests[0].one("content-length") == "5000" and len(backend.requests[0].body) == 5000


def test_a_collected_body_can_be_sent_to_another_endpoint(stage):
    backend = stage.backend()
    gateway = collecting(stage, sockets.closed_address(), backend.address, retries=1)
    for number in range(8):
        assert once(gateway.address, post("/", b"%d" % number)).status == 200
        assert once(gateway.address, CHUNKED + b"1\r\n%d\r\n0\r\n\r\n" % number).status == 200
    assert [message.body for message in backend.requests] == [b"%d" % (n // 2) for n in range(16)]


def test_the_100_of_a_collected_body_comes_once(stage):
    def twice(peer: Peer) -> None:
        while True:
            message = peer.read_request()
            if message.one("expect"):
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.send(respond("200 OK", message.body))

    gateway = collecting(stage, stage.backend(twice).address)
    with Wire(gateway.address) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert wire.take(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        reply = wire.ask(b"body", "POST")
        assert reply.status == 200 and reply.body == b"body" and not reply.informational
