"""REST and JSON in front of gRPC: a route's `transcode`, and the Connect protocol's unary form. The service
behind is grpcio, the client httpx; both are strangers to the gateway."""

import base64
import json
import socket
import threading
import time

import httpx
import pytest
from harness import gateway as gateways
from harness import library
from harness.http2_origin import Origin, Peer
from harness.wire import Wire

SERVICE = "test.library.v1.Library"


def transcoded(name, method, path, rpc, **over):
    call = {"method": f"{SERVICE}/{rpc}", **over.pop("transcode", {})}
    return gateways.route(name, path, match={"method": method}, transcode=call, **over)


ROUTES = [
    transcoded("get", "GET", "/v1/books/{name}", "GetBook"),
    transcoded("create", "POST", "/v1/shelves/{shelf}/books", "CreateBook", transcode={"body": "book"}),
    transcoded("whole", "POST", "/v1/books", "CreateBook"),
    transcoded("search", "GET", "/v1/books", "SearchBooks"),
    transcoded("found", "GET", "/v1/found", "SearchBooks", transcode={"response_body": "books"}),
    transcoded("list", "GET", "/v1/list/{count}", "ListBooks"),
    transcoded("import", "POST", "/v1/import", "ImportBooks"),
    transcoded("discuss", "POST", "/v1/discuss", "Discuss"),
    transcoded("forget", "DELETE", "/v1/books/{id}", "Forget", transcode={"bind": {"id": "name"}}),
    {"name": "grpc", "match": {"grpc": f"{SERVICE}/*"}, "target": {"cluster": "up"}},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture
def books(stage, place):
    """`(service, gateway)`"""
    with library.serving() as (service, address):
        config = gateways.settings(
            address, clusters={"up": {"protocol": "http2"}}, contracts={"descriptors": [library.descriptors(place)]})
        gateway = stage.gateway(config, ROUTES)
        yield service, gateway


@pytest.fixture(params=["http1", "http2"])
def client(request, books):
    with httpx.Client(base_url=books[1].url, http1=request.param == "http1", http2=request.param == "http2", timeout=10) as client:
        yield client


BOOK = {
    "name": "7", "title": "The Müller Papers", "copies": "9007199254740993", "kind": "NOVEL",
    "author": {"fullName": "A. Müller", "birthYear": 1950}, "tags": ["a", "b"],
    "cover": base64.b64encode(b"\x00\xff\xfe").decode(), "published": "2023-11-14T22:13:20.120Z", "loan": "3.500s",
    "shelves": {"x": 1}, "price": 12.5, "room": "east", "lent": False,
}


def test_a_get_is_a_call(books, client):
    answer = client.get("/v1/books/7")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json() == BOOK
    # Initial metadata are header fields; what belongs to gRPC is not.
    assert answer.headers["shelf-mark"] == "A 7"
    assert not [name for name in answer.headers if name.startswith("grpc-")]
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_path_parameters_are_decoded(books, client):
    assert client.get("/v1/books/a%2Fb%20%C3%BC").json()["name"] == "a/b ü"


def test_a_field_is_the_body(books, client):
    service, _ = books
    answer = client.post("/v1/shelves/s1/books?dry_run=true", json=BOOK)
    assert answer.status_code == 200 and answer.json() == BOOK
    asked = service.created[-1]
    assert asked.shelf == "s1" and asked.dry_run and asked.book.copies == 9007199254740993


def test_the_body_is_the_message(books, client):
    service, _ = books
    answer = client.post("/v1/books", json={"shelf": "s2", "dryRun": True, "book": {"name": "9", "author": {"full_name": "B"}}})
    assert answer.json() == {"name": "9", "author": {"fullName": "B"}}
    assert service.created[-1].dry_run


def test_an_empty_body_is_the_empty_message(books, client):
    assert client.post("/v1/books").json() == {}


def test_the_query_fills_fields(books, client):
    answer = client.get("/v1/books", params=[
        ("text", "a b&c"), ("kinds", "NOVEL"), ("kinds", "2"), ("author.fullName", "C"), ("author.birth_year", "1900"),
        ("since", "2024-01-02T03:04:05Z"), ("minimumCopies", "12345678901234")])
    assert answer.json()["asked"] == {
        "text": "a b&c", "kinds": ["NOVEL", "MANUAL"], "author": {"fullName": "C", "birthYear": 1900},
        "since": "2024-01-02T03:04:05Z", "minimumCopies": "12345678901234"}


def test_a_field_is_the_answer(books, client):
    assert client.get("/v1/found").json() == [{"name": "1"}, {"name": "2"}]


def test_bindings_and_empty_answers(books, client):
    answer = client.delete("/v1/books/5")
    assert answer.status_code == 200 and answer.json() == {}


@pytest.mark.parametrize("status, http, code", [
    (1, 499, "CANCELLED"), (2, 500, "INTERNAL"), (3, 400, "VALIDATION_ERROR"), (4, 504, "DEADLINE"), (5, 404, "NOT_FOUND"),
    (6, 409, "ILLEGAL_STATE"), (7, 403, "FORBIDDEN"), (8, 429, "RATE_LIMITED"), (9, 400, "ILLEGAL_STATE"),
    (10, 409, "VERSION_CONFLICT"), (11, 400, "VALIDATION_ERROR"), (12, 501, "UNSUPPORTED"), (13, 500, "INTERNAL"),
    (14, 503, "UPSTREAM_UNAVAILABLE"), (15, 500, "INTERNAL"), (16, 401, "UNAUTHENTICATED")])
def test_statuses(books, client, status, http, code):
    answer = client.get("/v1/books/7", params={"status": status, "message": "so nicht: ü \"%\""})
    assert answer.status_code == http
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == http and problem["code"] == code and problem["detail"] == "so nicht: ü \"%\""


def test_violations_are_named(books, client):
    answer = client.get("/v1/books/7", params={"status": 3, "message": "no", "withDetails": "true"})
    assert answer.status_code == 400
    assert answer.json()["fields"] == [{"field": "/name", "error": "is not a name"}]


@pytest.mark.parametrize("body, pointer", [
    (b'{"shelf": 5}', "/shelf"), (b'{"book": {"copies": "1.5"}}', "/book/copies"), (b'{"book": {"tags": ["a", 5]}}', "/book/tags/1"),
    (b'{"book": {"kind": "POEM"}}', "/book/kind"), (b'{"nobody": 1}', "/nobody"), (b'{"book": ', "/book"), (b"[]", ""),
    (b'{"book": {"author": {"birthYear": 99999999999}}}', "/book/author/birthYear"), (b'{"book": {"cover": "%"}}', "/book/cover"),
    (b'{"book": {"room": "a", "rack": 1}}', "/book/rack"), (b'{"shelf": "a", "shelf": "b"}', "/shelf")])
def test_what_is_no_message_is_refused_where_it_is_wrong(books, client, body, pointer):
    answer = client.post("/v1/books", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "VALIDATION_ERROR" and [field["field"] for field in problem["fields"]] == [pointer], problem
    assert not books[0].created


def test_parameters_that_do_not_fit_are_named(books, client):
    assert client.get("/v1/books?nobody=1").json()["fields"][0]["field"] == "/nobody"
    assert client.get("/v1/books?minimumCopies=x").json()["fields"][0]["field"] == "/minimumCopies"
    assert client.get("/v1/list/abc").json()["fields"][0]["field"] == "/count"


# MARK: streams

def test_a_stream_is_a_line_each(books, client):
    with client.stream("GET", "/v1/list/3") as answer:
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert lines == [{"name": "1"}, {"name": "2", "copies": "1"}, {"name": "3", "copies": "2"}]


def test_a_stream_is_events_when_asked_for(books, client):
    with client.stream("GET", "/v1/list/2", headers={"accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-store" in answer.headers["cache-control"]
        text = "".join(answer.iter_text())
    assert text == 'data: {"name":"1"}\n\ndata: {"name":"2","copies":"1"}\n\n'


def test_messages_of_a_stream_do_not_wait_for_each_other(books, client):
    with client.stream("GET", "/v1/list/2?waitMs=700") as answer:
        times = [time.monotonic() for _ in answer.iter_lines()]
    assert times[1] - times[0] > 0.5


def test_the_status_is_open_until_the_first_message(books, client):
    answer = client.get("/v1/list/0", params={"status": 5, "message": "nothing here"})
    assert answer.status_code == 404 and answer.json()["detail"] == "nothing here"


def test_a_stream_without_messages_is_an_empty_answer(books, client):
    answer = client.get("/v1/list/0")
    assert answer.status_code == 200 and answer.content == b""


def test_a_stream_that_fails_late_says_so_at_its_end(books, client):
    lines = client.get("/v1/list/2", params={"status": 9, "message": "gone"}).text.splitlines()
    assert json.loads(lines[0]) == {"name": "1"} and len(lines) == 3
    error = json.loads(lines[2])["error"]
    assert error["detail"] == "gone" and error["code"] == "ILLEGAL_STATE"
    events = client.get("/v1/list/1", params={"status": 9, "message": "gone"}, headers={"accept": "text/event-stream"}).text
    assert events.split("\n\n")[1].startswith("event: error\ndata: {")


def test_lines_are_messages(books, client):
    lines = b"".join(json.dumps({"name": str(i), "tags": ["x" * 50]}).encode() + b"\n" for i in range(500))

    def pieces():
        for at in range(0, len(lines), 777):
            yield lines[at:at + 777]

    answer = client.post("/v1/import", content=pieces())
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == "500" and answer.json()["names"] == [str(i) for i in range(500)]


def test_a_last_line_needs_no_end_and_blank_ones_do_not_count(books, client):
    answer = client.post("/v1/import", content=b'{"name":"a"}\r\n\n  \n{"name":"b"}')
    assert answer.json() == {"count": "2", "names": ["a", "b"]}


def test_a_bad_line_ends_the_call(books, client):
    answer = client.post("/v1/import", content=b'{"name":"a"}\n{"name":5}\n')
    assert answer.status_code == 400 and answer.json()["fields"][0]["field"] == "/name"


def test_both_directions_stream(books):
    _, gateway = books
    host, port = gateway.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as link:
        link.sendall(b"POST /v1/discuss HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"text\":\"one\"}\n\n\r\n")
        seen = b""
        # The first answer comes while the request is still open.
        while b'{"text":"ONE"}' not in seen:
            piece = link.recv(4096)
            assert piece, seen
            seen += piece
        link.sendall(b"0F\r\n{\"text\":\"two\"}\n\r\n0\r\n\r\n")
        while b"\r\n0\r\n" not in seen:
            piece = link.recv(4096)
            assert piece, seen
            seen += piece
    assert seen.count(b"TWO") == 1 and b"application/x-ndjson" in seen


class LateOrigin(Origin):
    """Greets its second connection only when it is told to."""

    def __init__(self, play):
        self.greet = threading.Event()
        super().__init__(play)

    def _serve(self, accepted, number):
        if number == 1:
            self.greet.wait(5)
        super()._serve(accepted, number)


@pytest.mark.parametrize("rest, greets_late", [(b'ond"}\n', False), (b'ond"}', False), (b"", True)])
def test_a_line_goes_on_from_attempt_to_attempt(stage, place, rest, greets_late):
    """The first attempt is refused in the middle of a line; the second has all of it, even if the body ends before
    the connection is there."""
    def play(peer: Peer) -> None:
        request = peer.head()
        if peer.number == 0:
            while len(request.body) == 0:
                peer.pump()
            peer.go_away(request.stream)
            peer.reset(request.stream, 7)  # REFUSED_STREAM
            return peer.hold()
        request = peer.request()
        names, at = [], 0
        while at < len(request.body):
            size = int.from_bytes(request.body[at + 1 : at + 5], "big")
            names.append(library.pb.Book.FromString(bytes(request.body[at + 5 : at + 5 + size])).name)
            at += 5 + size
        answer = library.pb.ImportResult(count=len(names), names=names).SerializeToString()
        peer.start(request.stream, 200, ("content-type", "application/grpc"))
        peer.send(request.stream, b"\0" + len(answer).to_bytes(4, "big") + answer)
        peer.trailers(request.stream, ("grpc-status", "0"))
        peer.hold()

    with LateOrigin(play) as origin:
        if not greets_late:
            origin.greet.set()
        config = gateways.settings(
            origin.address, clusters={"up": {"protocol": "http2"}}, contracts={"descriptors": [library.descriptors(place)]})
        gateway = stage.gateway(config, ROUTES)
        begun = b'{"name":"first"}\n{"name":"sec' + (b'ond"}' if greets_late else b"")
        with Wire(gateway.address) as wire:
            wire.send(b"POST /v1/import HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(begun), begun))
            end = time.monotonic() + 5
            while not (origin.peers and origin.peers[0].ended) and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(0.2)
            wire.send((b"%x\r\n%b\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n")
            time.sleep(0.2)
            origin.greet.set()
            reply = wire.read("POST")
        assert reply.status == 200, reply
        assert json.loads(reply.body) == {"count": "2", "names": ["first", "second"]}


# MARK: the call itself

def test_metadata_of_the_request(books, client):
    service, _ = books
    client.get("/v1/books/7", headers={"x-own": "1", "accept": "application/json", "correlation-id": "c-1"})
    seen = dict(service.metadata[-1])
    assert seen["x-own"] == "1" and seen["correlation-id"] == "c-1"
    assert "accept" not in seen and "content-length" not in seen


def test_methods_and_head(books, client):
    assert client.post("/v1/list/3").status_code == 405
    answer = client.head("/v1/books/7")
    assert answer.status_code == 200 and answer.content == b""


def test_a_service_that_is_down(books, client, stage):
    _, gateway = books
    gateway.reload(config=json.loads(gateway.config_path.read_text()) | {
        "clusters": {"up": {"endpoints": ["127.0.0.1:1"], "protocol": "http2"}}})
    answer = client.get("/v1/books/7")
    assert answer.status_code == 502 and answer.json()["code"] == "UPSTREAM_UNAVAILABLE"


# MARK: Connect

def test_connect_unary(books, client):
    answer = client.post(f"/{SERVICE}/GetBook", json={"name": "7"}, headers={"connect-protocol-version": "1"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json() == BOOK


def test_connect_errors(books, client):
    answer = client.post(f"/{SERVICE}/GetBook", json={"status": 5, "message": "no such book", "withDetails": True})
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert error["code"] == "not_found" and error["message"] == "no such book"
    assert error["details"][0]["type"] == "google.rpc.BadRequest"
    wrong = client.post(f"/{SERVICE}/GetBook", json={"nobody": 1})
    assert wrong.status_code == 400 and wrong.json()["code"] == "invalid_argument"


@pytest.mark.parametrize("path, headers", [
    (f"/{SERVICE}/GetBook", {"content-type": "text/plain"}), (f"/{SERVICE}/ListBooks", {"content-type": "application/json"}),
    (f"/{SERVICE}/Nothing", {"content-type": "application/json"}), (f"/{SERVICE}/GetBook", {})])
def test_other_content_types_are_415(books, client, path, headers):
    assert client.post(path, content=b"{}", headers=headers).status_code == 415
