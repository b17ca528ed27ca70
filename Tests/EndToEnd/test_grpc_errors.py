"""gRPC errors of the gateway's own making, and answers of upstreams that are no gRPC answers."""

import contextlib
import json
import time

import pytest

from harness import sockets
from harness.gateway import route, settings
from harness.grpc_wire import CALL, begin, call, details, ending, is_trailers_only, message, status
from harness.http2 import Code
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer

CANCELLED, UNKNOWN, INVALID, DEADLINE, DENIED, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 1, 2, 3, 4, 7, 8, 12, 13, 14, 16


def shared(*endpoints: str, **cluster) -> dict:
    return settings(*endpoints, clusters={"up": {"protocol": "http2", **cluster}})


def service(name: str = "grpc", method: str = "demo.S/*", **over) -> dict:
    return {"name": name, "match": {"grpc": method}, "target": {"cluster": "up"}, **over}


@pytest.fixture
def origin():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Origin(*args, **options))


@pytest.fixture
def gateway(stage, origin):
    """Starts a gateway before an origin that plays; the route takes demo.S."""
    return lambda play, routes=None, **cluster: stage.gateway(shared(origin(play).address, **cluster), routes or [service()])


def test_what_no_route_takes_is_unimplemented(gateway):
    with Client(gateway(lambda peer: None).address) as client:
        answer = call(client, "/demo.Other/M", ("correlation-id", "mine-1"))
        assert status(answer) == (UNIMPLEMENTED, "no route matches this request")
        assert is_trailers_only(answer) and answer.field("content-length") is None
        assert answer.field("correlation-id") == "mine-1"
        said = details(answer)
        assert said["Status"] == [(1, UNIMPLEMENTED), (2, b"no route matches this request")]
        assert (1, b"NO_ROUTE") in said["ErrorInfo"] and (2, b"nexus-gateway") in said["ErrorInfo"]
        # The stream is over for the client too; the connection serves on.
        open_call = client.finish(begin(client, "/demo.Other/M"))
        assert status(open_call)[0] == UNIMPLEMENTED and open_call.reset in (None, Code.NO_ERROR)
        assert not client.violations


def test_other_types_stay_http(gateway):
    with Client(gateway(lambda peer: None).address) as client:
        for kind in ("application/json", "text/plain", "application/grpcx"):
            answer = call(client, "/demo.S/M", type=kind)
            assert (answer.status, answer.field("grpc-status")) == (415, None), kind
        assert call(client, "/demo.Other/M", type="text/plain").status == 404


def test_grpc_needs_http2(gateway):
    from harness.wire import once, post

    address = gateway(lambda peer: None).address
    reply = once(address, post("/demo.S/M", b"\0\0\0\0\0", "Content-Type: application/grpc"))
    assert reply.status == 505 and json.loads(reply.body)["code"] == "UNSUPPORTED"


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8", "Application/gRPC+json"])
def test_formats_of_messages_are_not_our_business(gateway, kind):
    def play(peer: Peer):
        request = peer.request()
        assert request.field("content-type") == kind
        peer.start(request.stream, 200, ("content-type", kind))
        peer.trailers(request.stream, ("grpc-status", "0"))

    with Client(gateway(play).address) as client:
        assert status(call(client, "/demo.S/M", type=kind)) == (0, "")


def test_rate_limits_say_when_to_come_back(gateway):
    limited = service(stages={"shield": {"requests": 1, "per": "1m"}})

    def play(peer: Peer):
        peer.start(peer.request().stream, 200, ("content-type", "application/grpc"), ("grpc-status", "0"), end=True)

    with Client(gateway(play, [limited]).address) as client:
        assert status(call(client, "/demo.S/M"))[0] == 0
        refused = call(client, "/demo.S/M")
        assert status(refused)[0] == EXHAUSTED
        assert details(refused)["RetryInfo"], "a delay"


def test_bad_timeouts_are_internal_and_zero_is_over(gateway):
    with Client(gateway(lambda peer: None).address) as client:
        for value in ("", "1", "m", "123456789m", "1x", "-1m", "1 m", "1.5S", "1mm"):
            assert status(call(client, "/demo.S/M", ("grpc-timeout", value))) == (INTERNAL, "malformed grpc-timeout"), value
        for value in ("0n", "00000000H", "0m"):
            assert status(call(client, "/demo.S/M", ("grpc-timeout", value)))[0] == DEADLINE, value


def test_an_upstream_that_cannot_be_reached_is_unavailable(stage):
    nobody = sockets.free_port()
    with Client(stage.gateway(shared(f"127.0.0.1:{nobody}"), [service()]).address) as client:
        answer = call(client, "/demo.S/M")
        assert status(answer) == (UNAVAILABLE, "the upstream refused the connection") and is_trailers_only(answer)


@pytest.mark.parametrize(("code", "expected"), [
    (Code.NO_ERROR, INTERNAL), (Code.PROTOCOL_ERROR, INTERNAL), (Code.INTERNAL_ERROR, INTERNAL), (Code.FLOW_CONTROL_ERROR, INTERNAL),
    (Code.FRAME_SIZE_ERROR, INTERNAL), (Code.REFUSED_STREAM, UNAVAILABLE), (Code.CANCEL, CANCELLED), (Code.COMPRESSION_ERROR, INTERNAL),
    (Code.CONNECT_ERROR, INTERNAL), (Code.ENHANCE_YOUR_CALM, EXHAUSTED), (Code.INADEQUATE_SECURITY, DENIED), (99, INTERNAL),
], ids=str)
@pytest.mark.parametrize("late", [False, True], ids=["before the head", "after a message"])
def test_resets_have_statuses(gateway, code, expected, late):
    def play(peer: Peer):
        while True:
            request = peer.request()
            if late:
                peer.start(request.stream, 200, ("content-type", "application/grpc"))
                peer.send(request.stream, message(b"first"))
            peer.reset(request.stream, code)

    with Client(gateway(play).address) as client:
        answer = call(client, "/demo.S/M")
        assert status(answer)[0] == expected
        assert bytes(answer.body) == (message(b"first") if late else b"")


@pytest.mark.parametrize(("code", "expected"), [
    (400, INTERNAL), (401, UNAUTHENTICATED), (403, DENIED), (404, UNIMPLEMENTED), (429, UNAVAILABLE), (431, INTERNAL), (502, UNAVAILABLE),
    (503, UNAVAILABLE), (504, UNAVAILABLE), (500, UNKNOWN), (302, UNKNOWN), (204, UNKNOWN), (200, UNKNOWN),
])
def test_answers_that_are_not_grpc_have_statuses(gateway, code, expected):
    def play(peer: Peer):
        while True:
            request = peer.request()
            if code == 204:
                peer.start(request.stream, 204, end=True)
            else:
                peer.start(request.stream, code, ("content-type", "text/html"), ("x-kept", "no"))
                with contextlib.suppress(Exception):
                    peer.send(request.stream, b"<html>" * 20_000, end=True)

    with Client(gateway(play).address) as client:
        for _ in range(2):
            answer = call(client, "/demo.S/M")
            assert status(answer)[0] == expected and is_trailers_only(answer)
            assert answer.field("x-kept") is None
            assert (1, b"UNAUTHENTICATED" if code == 401 else b"FORBIDDEN" if code == 403 else b"UPSTREAM_UNAVAILABLE") in details(answer)["ErrorInfo"]


def test_a_status_in_an_http_error_counts(gateway):
    def play(peer: Peer):
        peer.start(peer.request().stream, 400, ("content-type", "application/grpc"), ("grpc-status", "13"), ("grpc-message", "no"), ("x-own", "1"), end=True)

    with Client(gateway(play).address) as client:
        answer = call(client, "/demo.S/M")
        assert status(answer) == (INTERNAL, "no") and answer.field("x-own") == "1" and "grpc-status-details-bin" not in ending(answer)


@pytest.mark.parametrize(("end", "expected"), [
    ("trailers without status", (UNKNOWN, "the upstream's answer ended without a status")),
    ("no trailers", (INTERNAL, "the upstream's answer ended without trailers")),
    ("a head alone", (UNKNOWN, "the upstream's answer was not gRPC")),
])
def test_a_missing_status_is_made_up_for(gateway, end, expected):
    def play(peer: Peer):
        request = peer.request()
        if end == "a head alone":
            return peer.start(request.stream, 200, ("content-type", "application/grpc"), end=True) or peer.hold(5)
        peer.start(request.stream, 200, ("content-type", "application/grpc"))
        peer.send(request.stream, message(b"m"), end=end == "no trailers")
        if end != "no trailers":
            peer.trailers(request.stream, ("x-own", "kept"))
        peer.hold(5)

    with Client(gateway(play).address) as client:
        answer = call(client, "/demo.S/M")
        assert status(answer) == expected
        assert ("x-own" in ending(answer)) == (end == "trailers without status")


def test_the_code_stands_in_log_and_metrics(stage, origin):
    def play(peer: Peer):
        while True:
            request = peer.request()
            peer.start(request.stream, 200, ("content-type", "application/grpc"))
            peer.trailers(request.stream, ("grpc-status", request.field("x-want")))

    from harness.gateway import OPERATIONS
    from harness.wire import get, once

    made = stage.gateway({**shared(origin(play).address), "access_log": "access.log"}, [*OPERATIONS, service()])
    with Client(made.address) as client:
        for want in ("0", "5", "400"):
            assert status(call(client, "/demo.S/M", ("x-want", want)))[0] == int(want)
        call(client, "/demo.Other/M")
        gone = begin(client, "/demo.S/M")
        time.sleep(0.2)
        from harness.http2 import rst

        client.send(rst(gone.number))
        assert client.answers()
    page = once(made.admin, get("/metrics")).body.decode()
    for code, where in (("0", "/demo.S/{method}"), ("5", "/demo.S/{method}"), ("400", "/demo.S/{method}"), ("1", "/demo.S/{method}"), ("12", "(none)")):
        assert f'nexus_requests_total{{protocol="grpc",route="{where}",code="{code}"}} 1' in page or f'code="{code}"' in page, (code, page)
    log = made.folder / "access.log"
    sockets.wait_until(lambda: log.exists() and log.read_text().count("\n") >= 5, 5, "five lines")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["grpcStatus"] for line in lines[:5]] == [0, 5, 400, 12, 1]
    assert {line["protocol"] for line in lines[:5]} == {"grpc"}
    assert lines[3]["level"] == "info" and lines[0]["status"] == 200


def test_a_route_to_http1_is_refused_at_load(stage):
    made = stage.files(settings("127.0.0.1:9"), [service()])
    checked = made.run("check")
    assert checked.returncode != 0 and "gRPC needs HTTP/2, and cluster up speaks HTTP/1.1" in checked.stderr + checked.stdout


def test_calls_on_routes_of_plain_paths_have_grpc_errors_too(gateway):
    def play(peer: Peer):
        peer.start(peer.request().stream, 503, end=True)

    with Client(gateway(play, [route()]).address) as client:
        assert status(call(client, "/any.S/M"))[0] == UNAVAILABLE
        # A plain request is answered plainly.
        assert client.ask("/x", *CALL[1:]).status == 503
