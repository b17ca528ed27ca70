"""Calls of the gateway's own: what goes out, what comes back, and what is known when nothing does."""

import gzip
import json
import time

import pytest

from harness.bytes_service import Service
from harness.call_out import Caller
from harness.gateway import settings
from harness.http2_origin import Origin, Peer
from harness.recorder import respond


@pytest.fixture
def caller(tmp_path):
    """Makes callers; each must end well."""
    made = []

    def make(*endpoints: str, workers: int = 1, protocol: str = "http2", config: dict | None = None, **cluster) -> Caller:
        clusters = {"up": {"endpoints": list(endpoints), "protocol": protocol, **cluster}}
        place = tmp_path / f"caller{len(made)}"
        made.append(Caller(place, settings(clusters=clusters, workers=workers, access_log="access.log", **(config or {}))))
        return made[-1]

    yield make
    for each in made:
        assert each.close() == 0, each.said()


def message(body: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


GRPC = ("content-type", "application/grpc")


def answering(status: str, *fields, body: bytes = message(b"answer")):
    """Plays: every call has this message, and ends with this status."""

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.start(request.stream, 200, GRPC)
            if body:
                peer.send(request.stream, body)
            peer.trailers(request.stream, ("grpc-status", status), *fields)

    return play


# MARK: what goes out


def test_a_unary_call(caller):
    with Service() as service:
        one = caller(service.address)
        answer = one.grpc(
            "/t.Web/Turned", b"stressed", fields=[["x-own", "mine"]], correlation="c-1", timeout=3000,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        assert (answer.status, answer.message, answer.body, answer.failed) == (0, "", b"desserts", None)
        metadata = dict(service.metadata)
    assert metadata["x-own"] == "mine" and metadata["correlation-id"] == "c-1"
    trace = metadata["traceparent"].split("-")
    assert trace[1] == "0af7651916cd43dd8448eb211c80319c" and trace[2] != "b7ad6b7169203331" and trace[3] == "01"
    assert not [name for name in metadata if name in ("via", "forwarded") or name.startswith("x-forwarded")], "nobody is forwarded"


def test_what_a_call_looks_like(caller):
    with Origin(answering("0")) as origin:
        one = caller(origin.address)
        assert one.grpc("/a.B/C", b"x" * 100_000, timeout=2000).body == b"answer"
        [request] = origin.peers[0].requests.values()
    fields = dict(request.fields)
    assert request.body == message(b"x" * 100_000)
    assert (fields[":method"], fields[":path"], fields[":authority"]) == ("POST", "/a.B/C", origin.address)
    assert (fields["content-type"], fields["te"]) == ("application/grpc+proto", "trailers")
    unit = fields["grpc-timeout"][-1]
    assert unit == "m" and 1500 < int(fields["grpc-timeout"][:-1]) <= 2000
    assert len(fields["correlation-id"]) == 36 and "grpc-accept-encoding" not in fields and "accept-encoding" not in fields


def test_calls_of_http(caller, stage):
    back = stage.backend()
    one = caller(back.address, protocol="http1")
    answer = one.http("POST", "/charges?dry=1", b'{"a":1}', fields=[["idempotency-key", "k"]])
    said = json.loads(answer.body)
    assert (answer.status, said["start"]) == (200, "POST /charges?dry=1 HTTP/1.1")
    fields = {name.lower(): value for name, value in said["fields"]}
    assert fields["content-length"] == "7" and fields["content-type"] == "application/json" and fields["idempotency-key"] == "k"
    assert fields["host"] == back.address and "via" not in fields and "x-forwarded-for" not in fields
    for verb, length in (("GET", None), ("DELETE", None), ("POST", "0"), ("PUT", "0")):
        said = json.loads(one.http(verb, "/").body)
        fields = {name.lower(): value for name, value in said["fields"]}
        assert said["start"] == f"{verb} / HTTP/1.1" and fields.get("content-length") == length and "content-type" not in fields


@pytest.mark.parametrize("status", [b"204 No Content", b"404 Not Found", b"500 Internal Server Error", b"302 Found"])
def test_every_status_of_http_is_an_answer(caller, stage, status):
    back = stage.backend(lambda peer: [peer.read_request(), peer.send(respond(status.decode(), b"" if status[0:3] == b"204" else b"why"))])
    answer = caller(back.address, protocol="http1").http("POST", "/")
    assert answer.status == int(status[:3]) and answer.body == (b"" if status[:3] == b"204" else b"why")


def test_http_over_http2(caller):
    with Origin() as origin:
        answer = caller(origin.address).http("PUT", "/things/1?x=y", b"body")
        said = {name: value for name, value in json.loads(answer.body)["fields"]}
    assert answer.status == 200 and said[":path"] == "/things/1?x=y" and said["content-length"] == "4" and said[":method"] == "PUT"


# MARK: what comes back


@pytest.mark.parametrize("status,text,expected", [
    ("5", "no%20product with ID X", "no product with ID X"), ("400", "Sorry%2C we cannot process amex", "Sorry, we cannot process amex"),
    ("13", "100% &#228;%C3%A4", "100% &#228;ä"), ("4294967295", "", ""),
])
def test_statuses_and_texts(caller, status, text, expected):
    with Origin(answering(status, *([("grpc-message", text)] if text else []), body=b"")) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert (answer.status, answer.message, answer.body) == (int(status), expected, b"")


def test_trailers_only(caller):
    def play(peer: Peer) -> None:
        while True:
            peer.start(peer.request().stream, 200, GRPC, ("grpc-status", "9"), ("grpc-message", "not%20now"), end=True)

    with Origin(play) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert (answer.status, answer.message) == (9, "not now")


def test_an_empty_message(caller):
    with Origin(answering("0", body=message(b""))) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert (answer.status, answer.body) == (0, b"")


def test_the_largest_answer_and_a_larger_one(caller):
    most = 4 << 20

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.start(request.stream, 200, GRPC)
            peer.send(request.stream, message(b"m" * int(request.path[1:])))
            if request.reset is None:
                peer.trailers(request.stream, ("grpc-status", "0"))

    with Origin(play) as origin:
        one = caller(origin.address)
        assert len(one.grpc(f"/{most}", timeout=10_000).body) == most
        answer = one.grpc(f"/{most + 1}", timeout=10_000)
        assert (answer.failed, answer.run) == ("UPSTREAM_UNAVAILABLE", True) and "larger" in answer.detail
        assert one.grpc("/10").body == b"m" * 10


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_http_answers_are_bounded_too(caller, stage, form):
    def play(peer) -> None:
        peer.read_request()
        if form == "length":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n" + b"x" * 4194305)
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n")
            for _ in range(70):
                peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    answer = caller(stage.backend(play).address, protocol="http1").http("GET", "/", timeout=10_000)
    assert answer.failed == "UPSTREAM_UNAVAILABLE" and "larger" in answer.detail and answer.run


BROKEN = {
    "two messages": [message(b"a") + message(b"b")], "half a message": [message(b"abc")[:6]], "no message": [b""],
    "unknown flag": [message(b"a", 2)], "compressed": [message(gzip.compress(b"a"), 1)],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_answer_to_a_call(caller, name):
    with Origin(answering("0", body=BROKEN[name][0])) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert (answer.failed, answer.run) == ("UPSTREAM_UNAVAILABLE", True), answer


@pytest.mark.parametrize("status", [200, 404, 503])
def test_an_answer_that_is_not_grpc(caller, status):
    def play(peer: Peer) -> None:
        while True:
            peer.respond(peer.request().stream, b"<html>", status, ("content-type", "text/html"))

    with Origin(play) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert answer.failed == "UPSTREAM_UNAVAILABLE" and answer.run


def test_an_end_without_a_status(caller):
    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.start(request.stream, 200, GRPC)
            peer.send(request.stream, message(b"a"), end=True)

    with Origin(play) as origin:
        answer = caller(origin.address).grpc("/a.B/C")
    assert (answer.failed, answer.run) == ("UPSTREAM_UNAVAILABLE", True) and "status" in answer.detail or "trailers" in answer.detail


# MARK: what cannot be called


def test_calls_that_are_none(caller):
    one = caller("127.0.0.1:1")
    for wrong in (
        {"grpc": "no-slash"}, {"grpc": "/a b"}, {"grpc": "/a?b"}, {"http": ["get", "/", ""]}, {"http": ["CONNECT", "/", ""]},
        {"http": ["GET", "http://x/", ""]}, {"http": ["GET", "/\r\nX: y", ""]}, {"http": ["GET", "/", "a\r\nb"]}, {"grpc": "/a.B/C\x7f"},
        {"grpc": "/a.B/C", "fields": [["Upper", "x"]]}, {"grpc": "/a.B/C", "fields": [["a", "x\r\ny: z"]]}, {"grpc": "/a.B/C", "fields": [["", "x"]]},
        {"grpc": "/a.B/C", "fields": [["te", "x"]]}, {"grpc": "/a.B/C", "fields": [["content-length", "1"]]}, {"grpc": "/a.B/C", "fields": [["grpc-timeout", "1S"]]},
        {"grpc": "/a.B/C", "fields": [["a", "x" * 20_000]]}, {"grpc": "/a.B/C", "fields": [["a", " x"]]}, {"grpc": "/a.B/C", "fields": [["a", "x"]] * 65},
        {"http": ["GET", "/" + "x" * 9000, ""]},
    ):
        answer = one.end(one.begin(**wrong))
        assert (answer.failed, answer.run) == ("VALIDATION_ERROR", False), wrong
    assert one.grpc("/a.B/C", b"x" * ((4 << 20) + 1)).failed == "TOO_LARGE"
    unknown = one.grpc("/a.B/C", cluster="nowhere")
    assert (unknown.failed, unknown.run) == ("NO_ROUTE", False)
    assert (late := one.grpc("/a.B/C", timeout=0)).failed == "DEADLINE" and not late.run


def test_grpc_needs_http2(caller, stage):
    answer = caller(stage.backend().address, protocol="http1").grpc("/a.B/C")
    assert (answer.failed, answer.run) == ("UNSUPPORTED", False)


# MARK: the record


def test_calls_are_measured_and_logged(caller):
    import urllib.request

    metrics = [{"name": "m", "match": {"listener": "admin", "path": "/metrics"}, "target": {"operation": "metrics"}}]
    with Origin(answering("400", ("grpc-message", "no"))) as origin:
        one = caller(origin.address)
        one.reload(routes=metrics)
        one.grpc("/a.B/C", b"four", correlation="c-7")
        text = urllib.request.urlopen(f"http://{one.admin}/metrics", timeout=5).read().decode()
    assert one.close() == 0
    [line] = [json.loads(line) for line in (one.folder / "access.log").read_text().splitlines() if "/a.B/C" in line]
    assert (line["route"], line["peer"], line["protocol"], line["grpcStatus"], line["upstream"]) == ("outbound", "-", "grpc", 400, origin.address)
    assert (line["correlationId"], line["bytesIn"], line["bytesOut"], line["method"]) == ("c-7", 4, len(message(b"answer")), "POST")
    assert [each for each in text.splitlines() if 'route="(outbound)"' in each and each.endswith(" 1")], "requests are counted"
    assert 'cluster="up"' in text


def test_a_reload_keeps_connections_and_finds_new_clusters(caller):
    with Origin(answering("0")) as origin:
        one = caller(origin.address)
        assert one.grpc("/a.B/C").status == 0
        assert one.grpc("/a.B/C", cluster="other").failed == "NO_ROUTE"
        clusters = {name: {"endpoints": [origin.address], "protocol": "http2"} for name in ("up", "other")}
        one.reload(settings(clusters=clusters, access_log="access.log"))
        assert one.grpc("/a.B/C").status == 0 and len(origin.peers) == 1
        assert one.grpc("/a.B/C", cluster="other").status == 0
        assert len(origin.peers) == 2


def test_a_thousand_at_once(caller):
    """Over two workers and few connections; every answer is its own call's."""

    def play(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.start(request.stream, 200, GRPC)
            peer.send(request.stream, bytes(request.body))
            peer.trailers(request.stream, ("grpc-status", "0"))

    with Origin(play) as origin:
        one = caller(origin.address, workers=2, pool={"connections": 4, "pending": 2000})
        began = time.monotonic()
        numbers = [one.begin(b"%d" % i, grpc="/a.B/C", timeout=20_000) for i in range(1000)]
        answers = [one.end(number, 30) for number in numbers]
        assert time.monotonic() - began < 20
    assert [answer.body for answer in answers] == [b"%d" % i for i in range(1000)]
    assert len(origin.peers) <= 8
