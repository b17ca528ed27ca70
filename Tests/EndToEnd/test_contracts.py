"""The stage `inspect`: JSON bodies against JSON Schema, messages against their contract."""

import json

import pytest

from harness import gateway as gateways
from harness import library
from harness.grpc_wire import parse
from harness.recorder import Peer, respond
from harness.wire import once

import grpc  # after grpc_stubs, which settles how it forks

SERVICE = "test.library.v1.Library"
COMMANDS = gateways.ROOT / "contracts/commands"
BOOK = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 20},
        "copies": {"type": "integer", "minimum": 0, "maximum": 99, "multipleOf": 3},
        "tags": {"type": "array", "maxItems": 2, "items": {"enum": ["new", "used"]}},
        "lent": {"$ref": "#/$defs/lent", "not": {"const": "nobody"}},
    },
    "required": ["title"],
    "additionalProperties": False,
    "if": {"required": ["lent"]},
    "then": {"required": ["copies"]},
    "$defs": {"lent": {"type": "string"}},
}


def backend(peer: Peer) -> None:
    while request := peer.read_request():
        peer.send(respond(body=request.body))


@pytest.fixture(scope="module")
def service():
    with library.serving() as (service, address):
        yield service, address


@pytest.fixture(scope="module")
def gateway(shared_stage, service, tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "book.json").write_text(json.dumps(BOOK))
    recorder = shared_stage.backend(backend)
    config = gateways.settings(
        recorder.address, clusters={"calls": {"endpoints": [service[1]], "protocol": "http2"}},
        contracts={"descriptors": [library.descriptors(folder)], "command_schemas": str(COMMANDS)})
    inspect = {"stages": {"inspect": {"schema": str(folder / "book.json")}}}
    routes = [
        gateways.route("books", "/books", match={"method": ["POST", "PUT"]}, **inspect),
        gateways.route(
            "transcoded", "/v1/books", "calls", match={"method": "POST"}, transcode={"method": f"{SERVICE}/CreateBook", "body": "book"}, **inspect),
        {"name": "add", "match": {"method": "POST", "path": "/add"}, "target": {"command": "cart.add"},
         "stages": {"inspect": {"schema": "command"}}},
        {"name": "empty", "match": {"method": "POST", "path": "/sales/{saleId}/end"}, "target": {"command": "flash-sale.end"},
         "stages": {"inspect": {"schema": "command"}}},
        {"name": "any", "match": {"method": "POST", "path": "/any/{type}"}, "target": {"command": "{type}"},
         "stages": {"inspect": {"schema": "command"}}},
        {"name": "create", "match": {"grpc": f"{SERVICE}/CreateBook"}, "target": {"cluster": "calls"},
         "stages": {"inspect": {"message": True}}},
        {"name": "get", "match": {"grpc": f"{SERVICE}/GetBook"}, "target": {"cluster": "calls"},
         "stages": {"inspect": {"message": True, "unknown": "refuse", "name": "required"}}},
    ]
    gateway = shared_stage.gateway(config, routes)
    gateway.recorder = recorder
    return gateway


def post(gateway, path: str, body, fields: str = "Content-Type: application/json\r\n", method: str = "POST"):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return once(gateway.address, head.encode() + text)


def fields(reply) -> list[tuple[str, str]]:
    problem = json.loads(reply.body)
    assert reply.status == 400 and problem["code"] == "VALIDATION_ERROR" and problem["status"] == 400
    assert reply.field("content-type") == "application/problem+json"
    return [(entry["field"], entry["error"]) for entry in problem["fields"]]


@pytest.mark.parametrize("path", ["/books", "/v1/books"])
@pytest.mark.parametrize("body, wrong", [
    ({"title": ""}, [("/title", "is too short")]),
    ({}, [("/title", "is required")]),
    ([], [("", "must be of type object")]),
    ({"title": "a", "copies": 100}, [("/copies", "must be from 0 to 99"), ("/copies", "must be a multiple of 3")]),
    ({"title": "a", "copies": 1.5}, [("/copies", "must be of type integer")]),
    ({"title": 1, "tags": ["new", "old", "x"], "a/b~c": 1}, [
        ("/title", "must be of type string"), ("/tags/1", "must be one of the listed values"),
        ("/tags/2", "must be one of the listed values"), ("/tags", "has too many items"), ("/a~1b~0c", "unknown member")]),
    ({"title": "a", "lent": "x"}, [("/copies", "is required")]),
    ({"title": "a", "copies": 3, "lent": "nobody"}, [("/lent", "fits what it must not")]),
    (b'{"title":"a","title":"b"}', [("/title", "member name used twice")]),
    (b'{"title":"a"', [("", "the text ends too early")]),
    (b'{"title":"\xff"}', [("/title", "invalid UTF-8")]),
    (b"", [("", "a body is required")]),
    (b"[" * 80 + b"]" * 80, None),
    ({f"m{i}": 1 for i in range(40)}, None),
], ids=lambda value: str(value)[:24])
def test_every_violation_is_named(gateway, path, body, wrong):
    seen = len(gateway.recorder.requests)
    found = fields(post(gateway, path, body))
    if wrong is None:
        assert 1 <= len(found) <= 16
    else:
        assert found == wrong
    assert len(gateway.recorder.requests) == seen


@pytest.mark.parametrize("head", [
    "Content-Type: application/json\r\n", "Content-Type: Application/Problem+JSON ; charset=utf-8\r\n", "",
    "Content-Encoding: identity\r\nContent-Type: application/json\r\n"])
def test_what_fits_goes_on_as_it_came(gateway, head):
    body = b'{ "title" : "a", "copies":3.0, "tags": ["new"], "lent":"b" }'
    reply = post(gateway, "/books", body, head, "PUT")
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize("head", [
    "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: +json\r\n",
    "Content-Encoding: gzip\r\nContent-Type: application/json\r\n",
    "Content-Type: application/json\r\nContent-Type: text/plain\r\n"])
def test_what_says_that_it_is_no_json(gateway, head):
    reply = post(gateway, "/books", {"title": "a"}, head)
    assert reply.status == 415 and json.loads(reply.body)["code"] == "UNSUPPORTED"


def test_a_command_is_held_to_its_published_schema(gateway):
    item = {"productId": "p", "quantity": 1}
    assert post(gateway, "/add", {"userId": "u", "item": item}).status == 202
    # The decoder alone would take it.
    assert fields(post(gateway, "/add", {"user_id": "u", "item": item})) == [("/user_id", "unknown member"), ("/userId", "is required")]
    assert fields(post(gateway, "/any/cart.add", {"userId": "u"})) == [("/item", "is required")]
    assert post(gateway, "/any/cart.add", {"userId": "u", "item": item}).status == 202
    assert post(gateway, "/any/nothing", {}).status == 404
    # What the path says need not be said again: nothing at all will do.
    assert post(gateway, "/sales/s-1/end", b"").status in (404, 409)
    assert fields(post(gateway, "/sales/s-1/end", {"why": "x"})) == [("/why", "unknown member")]
    assert fields(post(gateway, "/any/cart.empty", b"")) == [("/userId", "is required")]


# MARK: messages

def field(number: int, kind: int, payload: bytes) -> bytes:
    return bytes([number << 3 | kind]) + payload


def text(number: int, value: bytes) -> bytes:
    return field(number, 2, bytes([len(value)]) + value)


def violations(error: grpc.RpcError) -> list[tuple[str, str]]:
    """Of the google.rpc.BadRequest among the details: field and description."""
    details = [parse(value) for number, value in parse(dict(error.trailing_metadata())["grpc-status-details-bin"]) if number == 3]
    request, = (parse(dict(detail)[2]) for detail in details if dict(detail)[1].endswith(b"/google.rpc.BadRequest"))
    return [tuple(dict(parse(violation)).get(number, b"").decode() for number in (1, 2)) for _, violation in request]


@pytest.mark.parametrize("message, where, error", [
    (b"\x0a", "shelf", "the message ends too early"),
    (text(1, b"\xff"), "shelf", "a string is not UTF-8"),
    (text(2, text(2, b"\xc0\x80")), "book.title", "a string is not UTF-8"),
    (text(2, text(5, text(1, b"a")[:-1])), "book.author.full_name", "the message ends too early"),
    (field(3, 0, b"\xff" * 11), "dry_run", "a number is longer than ten bytes, or a length than five"),
    (field(1, 0, b"\x01"), "shelf", "is not written as its type is"),
    (text(2, field(3, 5, b"1234")), "book.copies", "is not written as its type is"),
    (bytes([1 << 3 | 7]), "", "not a field's tag"),
    (bytes([0]), "", "not a field's tag"),
    (bytes([15 << 3 | 3]) * 70 + bytes([15 << 3 | 4]) * 70, "", "nested too deeply"),
    (bytes([15 << 3 | 4]), "", "a group ends that did not begin, or the other way round"),
], ids=lambda value: str(value)[:20])
def test_a_message_that_its_contract_does_not_know(gateway, service, message, where, error):
    created = len(service[0].created)
    with grpc.insecure_channel(gateway.address) as channel, pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary(f"/{SERVICE}/CreateBook")(message, timeout=5)
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(failed.value) == [(where, error)]
    assert len(service[0].created) == created


def test_unknown_fields_pass_unless_told_otherwise(gateway):
    book = library.pb.CreateBookRequest(shelf="s", book=library.pb.Book(title="ü", kind=7, tags=["a"])).SerializeToString()
    with grpc.insecure_channel(gateway.address) as channel:
        assert channel.unary_unary(f"/{SERVICE}/CreateBook")(book + text(15, b"?"), timeout=5)
        assert channel.unary_unary(f"/{SERVICE}/GetBook")(text(1, b"a"), timeout=5)
        for message, error in ((text(1, b"a") + text(15, b"?"), "has a field that the contract does not know"), (b"", "is required")):
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary(f"/{SERVICE}/GetBook")(message, timeout=5)
            assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert error.encode() in dict(failed.value.trailing_metadata())["grpc-status-details-bin"]


# MARK: mistakes

@pytest.mark.parametrize("schema, where", [
    ('{\n  "type": "object",\n  "definitions": {}\n}', "3:3: error: 'definitions' is of an older draft: use '$defs'"),
    ('{\n  "$ref": "money.json"\n}', "2:11: error: 'money.json' is not in this document, and others are not read: put that schema into its $defs, with its $id"),
    ('{\n  "format": "idn-email"\n}', "2:13: error: this format is not known, and what is not checked is not promised: use 'pattern', or one of date"),
    ('{\n  "tpye": "object"\n}', "2:3: error: unknown keyword 'tpye'"),
    ('{"type": "object"', "1:18: error: the text ends too early"),
    ("", "1:1: error: the text is empty"),
])
def test_a_schema_of_no_use_is_refused(stage, tmp_path, schema, where):
    file = tmp_path / "a.json"
    file.write_text(schema)
    route = gateways.route("all", "/a", stages={"inspect": {"schema": str(file)}})
    checked = stage.files(gateways.settings("127.0.0.1:1"), [route]).run("check")
    assert checked.returncode == 78 and f"{file}:{where}" in checked.stderr


def test_schemas_that_are_not_there_are_refused(stage, tmp_path):
    routes = [
        gateways.route("file", "/a", stages={"inspect": {"schema": "nowhere.json"}}),
        {"name": "command", "match": {"method": "POST", "path": "/b"}, "target": {"command": "cart.add"},
         "stages": {"inspect": {"schema": "command"}}},
    ]
    (tmp_path / "cart.ad.json").write_text("{}")
    config = gateways.settings("127.0.0.1:1", contracts={"command_schemas": str(tmp_path)})
    checked = stage.files(config, routes).run("check")
    assert checked.returncode == 78
    assert "'nowhere.json' cannot be read: No such file or directory" in checked.stderr
    assert "there is no schema of the command 'cart.add': see contracts.command_schemas" in checked.stderr
    assert "cart.ad.json: error: there is no command 'cart.ad' (did you mean 'cart.add'?)" in checked.stderr
