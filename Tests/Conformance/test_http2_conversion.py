"""Between the versions: every pairing of client and upstream carries the same message, in the form of each."""

import json

import pytest

from harness import strict
from harness.gateway import route, settings
from harness.http2 import Kind, request_fields
from harness.http2_ends import Client, Service, Upstream
from harness.recorder import Peer, describe, respond
from harness.wire import Reply, Wire, get

PAIRS = [(front, back) for front in ("http1", "http2") for back in ("http1", "http2")]


class Pair:
    """A client of one version, an upstream of another, and the gateway between them."""

    def __init__(self, stage, front: str, back: str, answer: dict):
        self.front, self.back, self.answer = front, back, answer
        self.upstream = Upstream(self._play2) if back == "http2" else None
        self.recorder = stage.backend(self._play1) if back == "http1" else None
        config = settings((self.upstream or self.recorder).address, clusters={"up": {"protocol": back}})
        self.gateway = stage.gateway(config, [route(body_limit="64MiB")])

    def _play1(self, peer: Peer) -> None:
        while True:
            message = peer.read_request()
            for line in self.answer.get("interim", ()):
                peer.send(f"HTTP/1.1 103 Early Hints\r\nLink: {line}\r\n\r\n".encode())
            status, trailers, method = self.answer.get("status", 200), self.answer.get("trailers"), message.method
            told = describe(message).partition(b"\r\n\r\n")[2]
            if trailers:
                lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers)
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n" % (len(told), told, lines))
            elif status in (204, 304):
                peer.send(f"HTTP/1.1 {status} X\r\nETag: \"e\"\r\n\r\n".encode())
            else:
                whole = respond("200 OK", told, *self.answer.get("fields1", ()))
                peer.send(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else whole)

    def _play2(self, service: Service) -> None:
        while True:
            stream = service.read_request()
            for line in self.answer.get("interim", ()):
                service.head(stream, ("link", line), status=103)
            status, trailers = self.answer.get("status", 200), self.answer.get("trailers", ())
            text = lambda fields: [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]  # noqa: E731
            told = json.dumps({"fields": text(stream.head), "body": stream.body.decode("latin-1"), "trailers": text(stream.trailers)}).encode()
            if status in (204, 304):
                service.head(stream, ("etag", '"e"'), status=status, end=True)
            elif stream.field(":method") == "HEAD":
                service.head(stream, ("content-length", str(len(told))), end=True)
            else:
                service.answer(stream, told, trailers=trailers)

    def ask(self, path: str = "/", fields=(), method: str = "GET", body: bytes | None = None, trailers=()):
        """(status, fields, body, trailers, informational) as the client saw them. `fields` are regular ones."""
        if self.front == "http1":
            lines = [f"{name}: {value}" for name, value in fields]
            data = get(path, *lines, method=method)
            if body is not None:
                end = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode()
                data = get(path, "Transfer-Encoding: chunked", *lines, method=method) + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, end)
            with Wire(self.gateway.address, 5) as wire:
                reply: Reply = wire.ask(data, method)
                assert reply.complete, (reply.end, reply.why, reply.raw[:300])
                return reply.status, reply.message.fields, reply.body, reply.message.trailers, [each.fields for each in reply.informational]
        with Client(self.gateway.address) as client:
            stream = client.ask(path, *fields, method=method, body=body, trailers=trailers)
            assert stream.end == "complete" and not client.violations, (str(stream), client.violations, client.goaway)
            return stream.status, stream.head, bytes(stream.body), stream.trailers, stream.informational

    def close(self) -> None:
        if self.upstream:
            self.upstream.__exit__(None)


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-to-{pair[1]}")
def pair(request, stage):
    made: list[Pair] = []

    def make(**answer) -> Pair:
        made.append(Pair(stage, *request.param, answer))
        return made[-1]

    yield make
    for each in made:
        each.close()


def told(body: bytes) -> dict:
    return json.loads(body)


def values(fields, name: str) -> list[str]:
    return [value for each, value in fields if each == name]


def test_a_body_with_trailers_goes_up(pair):
    status, _, body, _, _ = pair().ask("/up", (("te", "trailers"),), "POST", b"hello", (("x-end", "1"), ("x-sum", "abc")))
    seen = told(body)
    assert status == 200 and seen["body"] == "hello"
    assert seen["trailers"] == [["x-end", "1"], ["x-sum", "abc"]]
    assert not values(seen["fields"], "content-length")


def test_a_body_with_trailers_comes_down(pair):
    status, fields, body, trailers, _ = pair(trailers=(("x-end", "1"), ("x-sum", "abc"))).ask("/down", (("te", "trailers"),))
    assert status == 200 and told(body)["fields"]
    assert trailers == [(b"x-end", b"1"), (b"x-sum", b"abc")]


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(pair, status):
    seen = pair(status=status).ask("/none")
    assert seen[0] == status and seen[2] == b"" and (b"etag", b'"e"') in seen[1]


def test_head(pair):
    status, fields, body, _, _ = pair().ask("/head", method="HEAD")
    assert status == 200 and body == b""
    assert int(dict(fields)[b"content-length"]) > 10


def test_informational_answers_are_relayed(pair):
    status, _, _, _, informational = pair(interim=("</a>", "</b>")).ask("/hints")
    assert status == 200
    assert [dict(each).get(b"link") for each in informational] == [b"</a>", b"</b>"]


def test_the_authority_arrives_as_it_should(pair):
    made = pair()
    seen = told(made.ask("/where?a=%2F&b")[2])["fields"]
    if made.back == "http2":
        assert values(seen, ":authority") == ["shop.example"] and values(seen, ":path") == ["/where?a=%2F&b"] and values(seen, ":scheme") == ["http"]
        assert values(seen, "host") in ([], ["shop.example"])
    else:
        assert values(seen, "host") == ["shop.example"]
        assert made.recorder.requests[-1].target == "/where?a=%2F&b"
    assert values(seen, "x-forwarded-for") == ["127.0.0.1"] and values(seen, "x-forwarded-proto") == ["http"]


def test_via_says_how_the_request_came(pair):
    """RFC 9110 section 7.6.3: the version of the message that was received, behind what earlier proxies said."""
    made = pair()
    came = "2" if made.front == "http2" else "1.1"
    assert values(told(made.ask("/via")[2])["fields"], "via") == [f"{came} nexus-gateway"]
    assert values(told(made.ask("/via", (("via", "1.0 fred"),))[2])["fields"], "via") == [f"1.0 fred, {came} nexus-gateway"]


def test_cookies_are_one_field_for_http1(pair):
    made = pair()
    crumbs = (("cookie", "a=1"), ("cookie", "b=2; c=3"), ("x-between", "1"), ("cookie", "d=4")) if made.front == "http2" else (("cookie", "a=1; b=2; c=3; d=4"),)
    seen = values(told(made.ask("/cookies", crumbs)[2])["fields"], "cookie")
    assert "; ".join(seen) == "a=1; b=2; c=3; d=4"
    assert made.back == "http2" or len(seen) == 1


def test_fields_keep_their_order_and_repetition(pair):
    seen = told(pair().ask("/fields", (("x-a", "1"), ("x-b", ""), ("x-a", "2, 3"), ("x-c", "\xe9 \t x")))[2])["fields"]
    assert [value for name, value in seen if name == "x-a"] == ["1", "2, 3"]
    assert values(seen, "x-b") == [""] and values(seen, "x-c") == ["\xe9 \t x"]


def test_expect_continue(pair):
    """The upstream gets the body whether the gateway or nobody said 100."""
    status, _, body, _, _ = pair().ask("/expect", (("expect", "100-continue"),), "POST", b"hello")
    assert status == 200 and told(body)["body"] == "hello"


@pytest.mark.parametrize("back", ["http1", "http2"])
def test_a_client_that_waits_for_100_gets_it(stage, back):
    """From the upstream or from the gateway: before the body, which then goes up."""

    def play1(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        while b"hello" not in bytes(peer.received):
            peer.more()
        peer.send(respond("200 OK", b"got it"))
        peer.hold(2)

    def play2(service: Service) -> None:
        stream = service.read_head()
        service.head(stream, status=100)
        service.pump(lambda: stream.ended, 5)
        service.answer(stream, b"got it" if bytes(stream.body) == b"hello" else b"lost")
        service.hold(2)

    with Upstream(play2) as upstream:
        address = upstream.address if back == "http2" else stage.backend(play1).address
        gateway = stage.gateway(settings(address, clusters={"up": {"protocol": back}}))
        with Client(gateway.address) as client:
            stream = client.open(request_fields("/", ("expect", "100-continue"), ("content-length", "5"), method="POST"), end=False)
            assert client.pump(lambda: bool(stream.sections), 2), "nothing came before the body"
            assert dict(stream.sections[0])[b":status"] == b"100"
            client.send_body(stream, b"hello")
            assert (client.finish(stream).status, bytes(stream.body)) == (200, b"got it") and not client.violations


@pytest.mark.parametrize("pair", [("http1", "http2")], indirect=True, ids=["http1-to-http2"])
def test_fields_of_an_http1_connection_stay_there(pair):
    """The upstream notes any of them as a violation; what `Connection` names goes too."""
    hop = (("Connection", "keep-alive, x-secret"), ("X-Secret", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "gzip, trailers"), ("X-Kept", "1"))
    seen = told(pair().ask("/hop", hop)[2])["fields"]
    assert values(seen, "x-kept") == ["1"] and not values(seen, "x-secret")
    assert values(seen, "te") in ([], ["trailers"])
    assert all(name == name.lower() for name, _ in seen)


HOP_LINES = ("Connection: x-secret", "X-Secret: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Upgrade: h2c", "X-Kept:  1  ", "X-Folded:")


@pytest.mark.parametrize("pair", [("http2", "http1")], indirect=True, ids=["http2-to-http1"])
def test_fields_of_an_http1_upstreams_connection_stay_there(pair):
    _, fields, _, _, _ = pair(fields1=HOP_LINES).ask("/hop")
    assert values(fields, b"x-kept") == [b"1"] and values(fields, b"x-folded") == [b""]
    names = {name for name, _ in fields}
    assert not names & {b"x-secret", b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"transfer-encoding"}


BAD_ANSWERS = {
    "name": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX A: 1\r\n\r\nok",
    "nul": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: a\0b\r\n\r\nok",
    "bare-lf": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: a\nX-B: b\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: a\r\n b\r\n\r\nok",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "pseudo": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n:status: 500\r\n\r\nok",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers_of_http1_upstreams_are_502_or_sound(stage, name):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.send(BAD_ANSWERS[name]), peer.close()))
    gateway = stage.gateway(settings(backend.address), [route(retries=0)])
    with Client(gateway.address) as client:
        stream = client.ask("/")
        assert stream.status == 502 or (name == "folded" and stream.status == 200), str(stream)
        assert not client.violations and client.ask("/again").status in (200, 502)


@pytest.mark.parametrize(
    "cut", [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhel", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"], ids=["length", "chunks", "chunk"]
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_cut_answer_of_an_http1_upstream_is_reset(stage, cut, how):
    """Never a clean END_STREAM behind three bytes of fifty."""

    def play(peer: Peer) -> None:
        peer.read_request()
        peer.send(cut)
        if how == "reset":
            peer.reset()

    gateway = stage.gateway(settings(stage.backend(play).address), [route(retries=0)])
    with Client(gateway.address) as client:
        stream = client.ask("/")
        assert stream.end.startswith("reset") or stream.status == 502, str(stream)
        assert b"hel".startswith(bytes(stream.body)) or stream.status == 502
        assert not client.goaway and not client.violations and client.answers()


def test_an_early_complete_answer_stops_the_upload(stage):
    """The upstream answers without reading the body: the client gets it whole, then RST_STREAM NO_ERROR or a drained upload."""

    def play(peer: Peer) -> None:
        peer.read_head()
        peer.send(respond("403 Forbidden", b"no"))
        peer.hold(5)

    gateway = stage.gateway(settings(stage.backend(play).address), [route(body_limit="64MiB")])
    with Client(gateway.address) as client:
        stream = client.open(request_fields("/", method="POST"), end=False)
        client.send_body(stream, bytes(1000), end=False)
        client.finish(stream)
        assert stream.end == "complete" and (stream.status, bytes(stream.body)) == (403, b"no")
        client.pump(lambda: stream.reset is not None, 1)
        assert stream.reset in (0, None) and not client.goaway
        assert client.answers()


def test_a_body_too_large_is_413(stage):
    backend = stage.backend()
    gateway = stage.gateway(settings(backend.address), [route(body_limit="64KiB")])
    with Client(gateway.address) as client:
        declared = client.request("/", ("content-length", "100000"), method="POST", body=bytes(100_000))
        assert client.finish(declared).status == 413, str(declared)
        streamed = client.request("/", method="POST", body=bytes(200_000))
        assert client.finish(streamed).status == 413 or streamed.end.startswith("reset"), str(streamed)
        assert client.ask("/after").status == 200
    assert not [message for message in backend.requests if message.method == "POST"]


def test_the_gateways_own_answers_are_sound(stage):
    gateway = stage.gateway(settings(), [{"name": "closed", "match": {"path": "/closed"}, "target": {"fixed": {"status": 403, "body": "closed"}}}])
    with Client(gateway.address) as client:
        missing, closed = client.ask("/missing", ("correlation-id", "order-1")), client.ask("/closed")
        assert (missing.status, missing.field("content-type"), missing.field("correlation-id")) == (404, "application/problem+json", "order-1")
        assert (closed.status, bytes(closed.body)) == (403, b"closed")
        assert client.ask("/closed", method="HEAD").status == 403
        assert not client.violations and not [each for each in client.frames if each.kind == Kind.PUSH_PROMISE]


def test_the_strict_parser_is_the_judge():
    """The recorder refuses what these tests must never see, so that their silence means something."""
    for bad in (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \0\r\n\r\n", b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"):
        with pytest.raises(strict.Ambiguous):
            strict.request(bad)
