"""What can go wrong between a client that speaks JSON and an origin that speaks gRPC."""

import json
import queue
import socket
import threading
import time

import httpx
import pytest
from harness import gateway as gateways
from harness import library
from harness.grpc_wire import begin, message
from harness.http2 import Code, data
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer

import grpc  # after grpc_stubs, which settles how it forks

SERVICE = "test.library.v1.Library"


def transcoded(name, method, path, rpc, **over):
    call = {"method": f"{SERVICE}/{rpc}", **over.pop("transcode", {})}
    return gateways.route(name, path, match={"method": method}, transcode=call, **over)


ROUTES = [
    transcoded("get", "GET", "/v1/books/{name}", "GetBook"),
    transcoded("whole", "POST", "/v1/books", "CreateBook"),
    transcoded("search", "GET", "/v1/books", "SearchBooks"),
    transcoded("list", "GET", "/v1/list/{count}", "ListBooks"),
    transcoded("import", "POST", "/v1/import", "ImportBooks"),
    transcoded("discuss", "POST", "/v1/discuss", "Discuss"),
    {"name": "grpc", "match": {"grpc": f"{SERVICE}/*"}, "target": {"cluster": "up"}},
]


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory):
    return library.descriptors(tmp_path_factory.mktemp("contracts"))


def start(stage, descriptors, *addresses, routes=ROUTES, **cluster):
    config = gateways.settings(
        *addresses, clusters={"up": {"protocol": "http2", **cluster}}, contracts={"descriptors": [descriptors]})
    return stage.gateway(config, routes)


@pytest.fixture
def books(stage, descriptors):
    with library.serving() as (service, address):
        yield service, start(stage, descriptors, address)


def link(gateway):
    host, port = gateway.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=5)


def read_until(made, mark, seconds=5):
    seen = b""
    made.settimeout(seconds)
    while mark not in seen:
        piece = made.recv(65536)
        assert piece, seen
        seen += piece
    return seen


def name(text: bytes) -> bytes:
    return message(bytes([0x0a, len(text)]) + text)


def result(peer, stream):
    peer.start(stream, 200, ("content-type", "application/grpc"))
    peer.send(stream, message(b"\x08\x02"))
    peer.trailers(stream, ("grpc-status", "0"))


# MARK: uploads of lines

@pytest.mark.parametrize("end", [b'"}\n', b'"}'])
def test_half_a_line_survives_a_retry(stage, descriptors, end):
    """The first attempt is refused while a line is not whole yet: the second has all of it."""
    bodies: queue.Queue = queue.Queue()
    begun = threading.Event()

    def play(peer):
        refused = peer.head()
        while not refused.body:
            peer.pump()
        peer.reset(refused.stream, Code.REFUSED_STREAM)
        request = peer.head()
        begun.set()
        while not request.complete:
            peer.pump()
        bodies.put(bytes(request.body))
        result(peer, request.stream)
        peer.hold(2)

    with Origin(play) as origin:
        routes = [transcoded("import", "POST", "/v1/import", "ImportBooks", retry={"attempts": 3, "on": ["refused", "connect"], "backoff": "10ms"})]
        gateway = start(stage, descriptors, origin.address, routes=routes)
        with link(gateway) as made:
            made.sendall(b"POST /v1/import HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            first = b'{"name":"one"}\n{"name":"t'
            made.sendall(b"%x\r\n%s\r\n" % (len(first), first))
            assert begun.wait(5)
            second = b"wo" + end
            made.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(second), second))
            seen = read_until(made, b"\r\n\r\n")
        assert b" 200 " in seen, seen
        assert bodies.get(timeout=5) == name(b"one") + name(b"two")


def test_the_last_line_waits_for_a_connection(stage, descriptors):
    """The body ends, without a line's end, while the second attempt is still connecting."""
    bodies: queue.Queue = queue.Queue()
    turned_away, ended = threading.Event(), threading.Event()

    def serve(listening):
        accepted, _ = listening.accept()
        peer = Peer(accepted, 0, None, True)
        request = peer.head()
        while not request.body:
            peer.pump()
        # One connection fills the queue of this socket: the gateway's next one has to come again after a second.
        with socket.create_connection(listening.getsockname()):
            peer.go_away(0)
            peer.close()
            turned_away.set()
            ended.wait(5)
            listening.accept()[0].close()
            peer = Peer(listening.accept()[0], 1, None, True)
        request = peer.request()
        bodies.put(bytes(request.body))
        result(peer, request.stream)
        peer.hold(2)

    retry = {"attempts": 3, "on": ["refused", "connect"], "backoff": "1ms"}
    routes = [transcoded("import", "POST", "/v1/import", "ImportBooks", retry=retry, timeouts={"connect": "5s"})]
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        gateway = start(stage, descriptors, f"127.0.0.1:{listening.getsockname()[1]}", routes=routes)
        with Client(gateway.address) as client:
            stream = begin(client, "/v1/import", type="application/json")
            client.send(data(stream.number, b'{"name":"one"}\n{"name":"two"}'))
            assert turned_away.wait(5)
            time.sleep(0.2)
            client.send(data(stream.number, end=True))
            client.answers()
            ended.set()
            client.finish(stream, 8)
        assert stream.status == 200
        assert bodies.get(timeout=5) == name(b"one") + name(b"two")


@pytest.mark.parametrize("path, body", [("/v1/import", b'{"name":"a"}\n'), ("/v1/books", b'{"shelf":"a"}')])
def test_expectations_are_met(books, path, body):
    """The origin knows calls, and no `Expect`: it is the gateway that asks for the body."""
    with link(books[1]) as made:
        made.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)))
        assert read_until(made, b"\r\n\r\n", 3).startswith(b"HTTP/1.1 100")
        made.sendall(body)
        assert b" 200 " in read_until(made, b"}")
    assert "expect" not in dict(books[0].metadata[-1])


def test_who_does_not_wait_is_not_asked(books):
    """Neither at once nor in the middle of the answer, which has begun by the time the origin has room again."""
    def chunk(text):
        return b"%x\r\n%s\r\n" % (len(text), text)

    with link(books[1]) as made:
        head = b"POST /v1/discuss HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        made.sendall(head + chunk(b'{"text":"one"}\n'))
        seen = read_until(made, b"ONE")
        for number in range(50):
            made.sendall(chunk(b'{"text":"%d%s"}\n' % (number, b"x" * 2000)))
            seen += read_until(made, b'"}\n')
        made.sendall(b"0\r\n\r\n")
        seen += read_until(made, b"0\r\n\r\n")
    assert seen.startswith(b"HTTP/1.1 200") and b"100 Continue" not in seen


# MARK: forms

@pytest.mark.parametrize("protocol", ["http1", "http2"])
@pytest.mark.parametrize("type", ["application/grpc", "application/grpc-web", "application/grpc-web-text"])
def test_a_call_is_no_json(stage, descriptors, type, protocol):
    """It must not pass as it is: neither the contract nor the stage `inspect` would have seen it."""
    with Origin() as origin:
        gateway = start(stage, descriptors, origin.address)
        with httpx.Client(base_url=gateway.url, http1=protocol == "http1", http2=protocol == "http2") as client:
            answer = client.post("/v1/books", content=b"\0\0\0\0\0", headers={"content-type": type})
            assert answer.status_code == 415 or answer.headers["grpc-status"] == "12"
        assert not [request for peer in origin.peers for request in peer.requests]


@pytest.mark.parametrize("path, body", [("/v1/books/1", None), ("/v1/books", b"{}")])
def test_what_calls_say_of_themselves_is_not_the_clients(stage, descriptors, path, body):
    """Codings of messages are between gateway and origin, which would else answer what cannot be read."""
    seen: queue.Queue = queue.Queue()

    def play(peer):
        request = peer.request(10)
        seen.put([name for name, _ in request.fields])
        result(peer, request.stream)
        peer.hold(2)

    with Origin(play) as origin:
        gateway = start(stage, descriptors, origin.address)
        own = {"grpc-encoding": "gzip", "grpc-accept-encoding": "gzip", "x-own": "1"}
        httpx.request("POST" if body else "GET", gateway.url + path, content=body, headers=own)
    names = seen.get(timeout=5)
    assert "x-own" in names and not [name for name in names if name.startswith("grpc-")]


@pytest.mark.parametrize("path", ["/v1/books/1", "/v1/list/1"])
def test_what_an_origin_says_obeys_the_route(stage, descriptors, path):
    """Metadata become fields of the answer: edits of the route and its rules for pages are for them too."""

    def play(peer):
        request = peer.request(10)
        peer.start(request.stream, 200, ("content-type", "application/grpc"), ("x-secret", "1"), ("x-own", "1"),
                   ("access-control-allow-origin", "https://evil.example"))
        peer.send(request.stream, message(b""))
        peer.trailers(request.stream, ("grpc-status", "0"))
        peer.hold(2)

    over = {"headers": {"response": {"remove": ["x-secret"]}}, "cors": {"origins": ["https://shop.example"]}}
    routes = [
        transcoded("get", "GET", "/v1/books/{name}", "GetBook", **over), transcoded("list", "GET", "/v1/list/{count}", "ListBooks", **over)]
    with Origin(play) as origin:
        gateway = start(stage, descriptors, origin.address, routes=routes)
        answer = httpx.get(gateway.url + path, headers={"origin": "https://shop.example"})
    assert answer.status_code == 200 and answer.headers["x-own"] == "1" and "x-secret" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_head_of_a_stream_ends(books):
    with link(books[1]) as made:
        made.sendall(b"HEAD /v1/list/3?waitMs=1500 HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/books/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        seen = read_until(made, b'"name":"2"', 8)
        assert time.monotonic() - began < 1.2, seen


def test_pipelined(books):
    with link(books[1]) as made:
        made.sendall(b"GET /v1/list/2 HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/books/2 HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"POST /v1/books HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
                     b"POST /v1/import HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{\"a\":1}\n"
                     b"POST /v1/import HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{\"b\":1} "
                     b"GET /v1/books/3 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"
                     b"GET /v1/books/4 HTTP/1.1\r\nHost: x\r\n\r\n"
                     )
        seen = read_until(made, b'"name":"4"', 8)
        assert seen.count(b"HTTP/1.1 200") == 4 and seen.count(b"HTTP/1.1 400") == 3


def test_http10(books):
    with link(books[1]) as made:
        made.sendall(b"GET /v1/list/2 HTTP/1.0\r\nHost: x\r\n\r\n")
        seen = b""
        while piece := made.recv(65536):
            seen += piece
        assert seen.endswith(b'{"name":"1"}\n{"name":"2","copies":"1"}\n'), seen


# MARK: hostile

def test_what_the_path_says_counts(books):
    """Routing and steering went by it: a query must not make the call one about something else."""
    assert httpx.get(books[1].url + "/v1/books/7?name=8").json()["name"] == "7"


@pytest.mark.parametrize("path, status", [
    ("/v1/books/%ff", 400), ("/v1/books/%c3%28", 400), ("/v1/books/a%00b", 400), ("/v1/books/%ed%a0%80", 400),
    ("/v1/books?text=%ff", 400), ("/v1/books?text=%", 200), ("/v1/books?text=%zz", 200), ("/v1/books?%ff=1", 400),
    ("/v1/books?=1", 400), ("/v1/books?&&&", 200), ("/v1/books?text", 200), ("/v1/books?.=1", 400), ("/v1/books?author.=1", 400),
    ("/v1/books?author=1", 400), ("/v1/books?author.fullName.x=1", 400), ("/v1/books?kinds=99", 200),
    ("/v1/books?" + "kinds=1&" * 500, 200), ("/v1/books?" + "author." * 500 + "x=1", 400),
    ("/v1/books/", 404), ("/v1/list/-1", 200), ("/v1/list/1e0", 200), ("/v1/list/99999999999", 400)])
def test_hostile_texts(books, path, status):
    with link(books[1]) as made:
        made.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        seen = b""
        while piece := made.recv(65536):
            seen += piece
    assert int(seen.split()[1]) == status


@pytest.mark.parametrize("path", ["/v1/books", "/v1/import", f"/{SERVICE}/CreateBook"])
def test_bodies_beyond_the_limit(books, path):
    with httpx.Client(base_url=books[1].url, timeout=20) as client:
        answer = client.post(path, content=b'{"name":"' + b"x" * 5_000_000 + b'"}\n', headers={"content-type": "application/json"})
        assert answer.status_code in (413, 429)
        assert client.get("/v1/books/7").status_code == 200
    assert not books[0].created

@pytest.mark.parametrize("over", [
    {"stages": {"collect": True}}, {"flag": "f", "fallback": {"cluster": "other"}, "stages": {"steer": {"weight": 25, "by": {"field": "name"}}}}])
def test_a_stream_of_messages_is_not_collected(stage, descriptors, over):
    """It would go on as the text it came as."""
    config = gateways.settings(
        "127.0.0.1:1", contracts={"descriptors": [descriptors]},
        clusters={"up": {"protocol": "http2"}, "other": {"protocol": "http2", "endpoints": ["127.0.0.1:2"]}})
    checked = stage.files(config, [transcoded("import", "POST", "/v1/import", "ImportBooks", **over)]).run("check")
    assert checked.returncode and "ImportBooks takes a stream of messages, which is not collected" in checked.stderr + checked.stdout


# MARK: inspection

GROUPS = bytes([15 << 3 | 3]) * 70 + bytes([15 << 3 | 4]) * 70


@pytest.mark.parametrize("message", [
    b"\x12\x03\x18\xe8\x07" + GROUPS, GROUPS + b"\x12\x03\x18\xe8\x07", b"\x12\x03\x18\xe8\x07\xff",
    b"\x12\x08\x98\x80\x80\x80\x80\x00\xe8\x07"], ids=["deep after", "deep before", "cut", "long tag"])
def test_what_cannot_be_inspected_does_not_pass(stage, descriptors, message):
    """The origin may read what the gateway cannot: it nests deeper, or forgives more."""
    rule = {"inspect": {"book.copies": {"maximum": 100}}}
    routes = [{"name": "grpc", "match": {"grpc": f"{SERVICE}/CreateBook"}, "target": {"cluster": "up"}, "stages": rule}]
    with library.serving() as (service, address):
        gateway = start(stage, descriptors, address, routes=routes)
        with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(f"/{SERVICE}/CreateBook")(message, timeout=5)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert not service.created
