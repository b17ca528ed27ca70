"""`/openapi.json` and `nexus-gateway openapi`: valid by an independent validator, true to the routes; and `check`
refuses what would break the clients of what was published."""

import json
import pathlib
import shutil
import subprocess

import grpc_tools.protoc
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from harness import library
from harness.gateway import ROOT, binary, route, settings
from harness.wire import Reply, once

SERVICE = "test.library.v1.Library"
SCHEMA = {
    "type": "object", "properties": {"title": {"$ref": "#/$defs/title"}, "part": {"$ref": "#"}}, "required": ["title"],
    "$defs": {"title": {"type": "string"}},
}


def described(*arguments: str, folder: pathlib.Path = ROOT) -> dict:
    made = subprocess.run([binary(), "openapi", *arguments], capture_output=True, cwd=folder, timeout=30)
    assert made.returncode == 0, made.stderr.decode()
    return json.loads(made.stdout)


def valid(document: dict) -> dict:
    """By the OpenAPI 3.1 schema and its rules; every schema by the metaschema of JSON Schema 2020-12."""
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [operation["operationId"] for item in document["paths"].values() for operation in item.values() if isinstance(operation, dict)]
    assert len(operations) == len(set(operations))
    return document


@pytest.mark.parametrize("config", ["config/nexus.yaml", "config/shop.yaml"])
def test_the_shipped_surface_is_valid(config, tmp_path):
    for name in ("config", "contracts", "routes"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "certs").mkdir()
    # The development issuer's keys are made where they are missing.
    subprocess.run([binary(), "token", "--sub", "nobody"], check=True, capture_output=True, cwd=tmp_path, timeout=30)
    document = valid(described("--config", config, folder=tmp_path))
    assert "/health/live" in document["paths"] and "/openapi.json" in document["paths"]
    # What only operators reach is nobody's business.
    assert not {"/metrics", "/upstreams", "/revocations", "/sagas"} & set(document["paths"])


def test_the_commands_are_described_by_their_schemas():
    document = described("--config", "config/nexus.yaml")
    placed = document["paths"]["/api/v1/orders"]["post"]
    reference = placed["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    published = json.loads((ROOT / "contracts/commands/order.place.json").read_text())
    assert placed["requestBody"]["required"] and document["components"]["schemas"][reference]["properties"] == published["properties"]
    paid = document["paths"]["/api/v1/orders/{orderId}/pay"]["post"]
    assert [(p["name"], p["required"]) for p in paid["parameters"] if p["in"] in ("path", "header") and p["name"] in ("orderId", "Idempotency-Key")] == [
        ("orderId", True), ("Idempotency-Key", True)]
    assert paid["security"] == [{"bearer": []}] and {"401", "403"} <= set(paid["responses"])
    assert document["components"]["schemas"]["command.order.pay.orderId"]["required"] == ["creditCard"]
    # What the decoder takes by the path alone needs no body.
    assert not document["paths"]["/api/v1/orders/{orderId}/cancel"]["post"]["requestBody"]["required"]


def ask(address: str, fields: str = "") -> Reply:
    return once(address, f"GET /openapi.json HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n".encode())


@pytest.fixture(scope="module")
def gateway(shared_stage, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    (folder / "a body.json").write_text(json.dumps(SCHEMA))
    config = settings(
        "127.0.0.1:1", clusters={"calls": {"endpoints": ["127.0.0.1:2"], "protocol": "http2"}},
        contracts={"descriptors": [library.descriptors(folder)], "command_schemas": str(ROOT / "contracts/commands")},
        limits={"budgets": [{"name": "few", "requests": 1000, "per": "1s", "by": "address"}]})
    routes = [
        {"name": "openapi", "match": {"listener": ["public", "admin"], "method": "GET", "path": "/openapi.json"}, "target": {"operation": "openapi"}},
        {"name": "metrics", "match": {"listener": "admin", "method": "GET", "path": "/metrics"}, "target": {"operation": "metrics"}},
        route("files", "/files/{bucket}/{rest...}"),
        route("bodies", "/bodies", match={"method": "PUT"}, stages={"inspect": {"schema": str(folder / "a body.json")}, "identify": "required"}),
        route("other-host", "/bodies", match={"method": "PUT", "host": "b.example"}),
        route("guests", "/guests/{id}", match={"method": "GET"}, stages={"identify": "optional", "quota": ["few"]}),
        route("guests-by-name", "/guests/{name}", match={"method": "GET", "query": {"by": "name"}}),
        route("keyed", "/keyed", match={"method": ["POST", "PURGE"], "headers": {"x-kind": "a"}}, stages={"replay": "required"}),
        {"name": "add", "match": {"method": "POST", "path": "/add"}, "target": {"command": "cart.add"}},
        {"name": "cart", "match": {"method": "GET", "path": "/cart/{userId}"}, "target": {"query": "cart.get"}},
        {"name": "gone", "match": {"method": "GET", "path": "/gone"}, "target": {"fixed": {"status": 410, "body": "gone"}}},
        route("get", "/v1/books/{name}", "calls", match={"method": "GET"}, transcode={"method": f"{SERVICE}/GetBook"}),
        route("create", "/v1/shelves/{shelf}", "calls", match={"method": "POST"}, transcode={"method": f"{SERVICE}/CreateBook", "body": "book"}),
        route("search", "/v1/books", "calls", match={"method": "GET"}, transcode={"method": f"{SERVICE}/SearchBooks", "response_body": "books"}),
        {"name": "grpc", "match": {"grpc": f"{SERVICE}/*"}, "target": {"cluster": "calls"}},
    ]
    return shared_stage.gateway(config, routes)


def test_a_document_of_everything(gateway):
    reply = ask(gateway.address)
    assert reply.status == 200 and reply.field("content-type") == "application/json"
    document = valid(json.loads(reply.body))
    paths, schemas = document["paths"], document["components"]["schemas"]
    assert set(paths) == {
        "/openapi.json", "/files/{bucket}/{rest}", "/bodies", "/guests/{id}", "/keyed", "/add", "/cart/{userId}", "/gone",
        "/v1/books/{name}", "/v1/shelves/{shelf}", "/v1/books"}
    assert document["x-nexus-grpc"] == [f"{SERVICE}/*"]
    assert set(paths["/files/{bucket}/{rest}"]) == {"get", "put", "post", "delete", "patch"}
    # A file's references lead to where it stands now; another host takes anything.
    body = paths["/bodies"]["put"]
    assert schemas["body.a_body"]["properties"] == {
        "title": {"$ref": "#/components/schemas/body.a_body/$defs/title"}, "part": {"$ref": "#/components/schemas/body.a_body"}}
    assert set(body["requestBody"]["content"]) == {"application/json", "*/*"} and not body["requestBody"]["required"]
    assert body["x-nexus-routes"] == ["bodies", "other-host"] and body["security"] == [{}, {"bearer": []}]
    guests = paths["/guests/{id}"]["get"]
    assert guests["security"] == [{}, {"bearer": []}] and "RateLimit" in guests["responses"]["2XX"]["headers"] and "429" in guests["responses"]
    assert [(p["in"], p["name"], p["required"]) for p in guests["parameters"]] == [("path", "id", True), ("query", "by", False)]
    keyed = paths["/keyed"]["post"]
    assert [(p["name"], p["required"]) for p in keyed["parameters"]] == [("Idempotency-Key", True), ("x-kind", True)]
    assert paths["/keyed"]["x-nexus-methods"] == ["PURGE"] and {"409", "422"} <= set(keyed["responses"])
    assert "202" in paths["/add"]["post"]["responses"] and set(paths["/gone"]["get"]["responses"]) == {"410", "default"}
    assert {"200", "304", "404"} <= set(paths["/cart/{userId}"]["get"]["responses"])


def test_messages_are_described_as_their_json_is(gateway):
    document = json.loads(ask(gateway.address).body)
    book = document["components"]["schemas"][f"{SERVICE.rsplit('.', 1)[0]}.Book"]["properties"]
    assert book["copies"]["type"] == "string" and book["published"] == {"type": "string", "format": "date-time"}
    assert book["shelves"]["additionalProperties"]["format"] == "int32" and book["cover"]["contentEncoding"] == "base64"
    assert document["components"]["schemas"]["test.library.v1.Kind"]["enum"] == ["KIND_UNSPECIFIED", "NOVEL", "MANUAL"]
    create = document["paths"]["/v1/shelves/{shelf}"]["post"]
    assert create["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("test.library.v1.Book")
    assert [(p["in"], p["name"]) for p in create["parameters"]] == [("path", "shelf"), ("query", "dryRun")]
    search = document["paths"]["/v1/books"]["get"]
    assert search["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert {"text", "kinds", "author.fullName", "author.birthYear", "since", "minimumCopies"} == {p["name"] for p in search["parameters"]}
    # What a service answers, in JSON, fits what is said of it.
    schema = {**document, "$ref": "#/components/schemas/test.library.v1.Book"}
    Draft202012Validator(schema).validate({"name": "a", "copies": "9007199254740993", "kind": "NOVEL", "shelves": {"x": 1}, "price": 12.5})
    assert [error.json_path for error in Draft202012Validator(schema).iter_errors({"copies": 1})] == ["$.copies"]


def test_it_has_a_tag(gateway):
    first = ask(gateway.address)
    again = ask(gateway.address, f"If-None-Match: {first.field('etag')}\r\n")
    assert again.status == 304 and again.field("etag") == first.field("etag")
    assert ask(gateway.admin).body == first.body == gateway.run("openapi").stdout.encode().strip()


# MARK: what was published

def publish(files, *routes) -> pathlib.Path:
    files.write(routes=list(routes))
    published = files.folder / "published.json"
    assert files.run("openapi", "--output", str(published)).returncode == 0
    return published


ORDERS = {"name": "orders", "match": {"method": "POST", "path": "/api/v1/orders"}, "target": {"command": "cart.add"}}


def test_a_breaking_change_is_refused(stage, tmp_path):
    folder = tmp_path / "commands"
    shutil.copytree(ROOT / "contracts/commands", folder)
    contracts = {"command_schemas": str(folder), "published": "published.json"}
    files = stage.files(settings("127.0.0.1:1", contracts=contracts), [ORDERS])
    assert "'published.json' cannot be read" in files.run("check").stderr
    publish(files, ORDERS)
    assert files.run("check").returncode == 0
    # More is harmless.
    files.write(routes=[ORDERS, route("more", "/more")])
    assert files.run("check").returncode == 0
    schema = json.loads((folder / "cart.add.json").read_text())
    schema["properties"]["gift"] = {"type": "boolean"}
    (folder / "cart.add.json").write_text(json.dumps(schema))
    assert files.run("check").returncode == 0
    schema["required"].append("gift")
    schema["properties"]["userId"]["maxLength"] = 64
    (folder / "cart.add.json").write_text(json.dumps(schema))
    files.write(routes=[{**ORDERS, "stages": {"replay": "required"}}])
    checked = files.run("check")
    place, fix = "published.json#/paths/~1api~1v1~1orders/post: error: ", "; or publish a new version (nexus-gateway openapi --output published.json)"
    assert checked.returncode == 78 and checked.stderr.splitlines() == [
        f"{place}header parameter 'Idempotency-Key' became required; old clients do not send it: make it optional{fix}",
        f"{place}requestBody property 'gift' became required; old clients do not send it: make it optional{fix}",
        f"{place}requestBody property 'userId' 'maxLength' is narrower; old clients send what is beyond: take it back{fix}",
    ]
    # Who runs it anyway is told.
    running = files.start()
    assert f"{place.replace('error', 'warning')}requestBody property 'gift' became required" in running.said()
    running.kill()
    publish(files, {**ORDERS, "stages": {"replay": "required"}})
    assert files.run("check").returncode == 0


@pytest.mark.parametrize("text, error", [
    ("{", "published.json:1:2: error: the text ends too early"),
    ('{"swagger": "2.0"}', "'published.json' is no description in OpenAPI 3.1"),
])
def test_what_was_published_must_be_readable(stage, text, error):
    files = stage.files(settings("127.0.0.1:1", contracts={"published": "published.json"}), [route()])
    (files.folder / "published.json").write_text(text)
    checked = files.run("check")
    assert checked.returncode == 78 and error in checked.stderr


# MARK: messages that were published

PROTO = """syntax = "proto3";
package p;
service S {
  rpc One(A) returns (B);
  rpc Many(A) returns (stream B);
}
enum E { NONE = 0; SOME = 1; }
message A {
  string name = 1;
  int32 count = 2;
  repeated string tags = 3;
  E kind = 4;
  A next = 5;
  string left = 6;
}
message B { map<string, int32> sums = 1; }
message Unused { string gone = 1; }
"""


def compiled(folder: pathlib.Path, text: str, name: str) -> str:
    (folder / "p.proto").write_text(text)
    assert grpc_tools.protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={folder / name}", "p.proto"]) == 0
    return str(folder / name)


@pytest.mark.parametrize("old, new, expected", [
    ("", "", None),
    ("  rpc One(A) returns (B);\n", "  rpc Two(A) returns (B);\n  rpc One(A) returns (B);\n", None),
    ("string name = 1;", "string name = 1; string more = 7;", None),
    ("SOME = 1;", "SOME = 1; MORE = 2;", None),
    ("message Unused { string gone = 1; }", "", None),
    ("  rpc One(A) returns (B);\n", "", "p.S/One: error: method removed; old clients call it: keep it"),
    ("service S", "service T", "p.S/Many: error: method removed; old clients call it: keep it"),
    ("returns (stream B)", "returns (B)", "p.S/Many: error: streaming changed; old clients make another kind of call: add a new method"),
    ("One(A) returns (B)", "One(B) returns (B)", "p.S/One: error: request changed from p.A to p.B; old clients know the first: add a new method"),
    ("  string name = 1;\n", "", "p.A.name: error: field 1 removed; old clients send and read it: keep it, deprecated"),
    ("string name = 1;", "string name = 9;", "p.A.name: error: number changed from 1 to 9; old clients send the first: take it back"),
    ("int32 count = 2;", "int64 count = 2;", "p.A.count: error: type changed from int32 to int64; old clients send the first: add a new field"),
    ("repeated string tags", "string tags", "p.A.tags: error: cardinality changed; old clients send and read the other: add a new field"),
    ("string left = 6;", "string right = 6;", "p.A.left: error: number 6 is now 'right'; in JSON and in old clients it has the old name: use a new number"),
    ("string left = 6;", 'string left = 6 [json_name = "L"];', "p.A.left: error: name in JSON changed to 'L'; old clients write the first: take it back"),
    ("string left = 6;", "oneof x { string left = 6; }", "p.A.left: error: moved into a oneof"),
    ("SOME = 1;", "OTHER = 1;", "p.E.SOME: error: value 1 removed or renamed; old clients send it: keep it"),
    ("A next = 5;", "B next = 5;", "p.A.next: error: type changed from p.A to p.B; old clients send the first: add a new field"),
    ("map<string, int32> sums", "map<string, string> sums", "p.B.SumsEntry.value: error: type changed from int32 to string"),
], ids=lambda value: (value or "")[:20])
def test_what_breaks_who_speaks_protobuf(stage, tmp_path, old, new, expected):
    published = compiled(tmp_path, PROTO, "old.binpb")
    now = compiled(tmp_path, PROTO.replace(old, new, 1) if old else PROTO, "new.binpb")
    contracts = {"descriptors": [now], "published_descriptors": published}
    checked = stage.files(settings("127.0.0.1:1", contracts=contracts), [route()]).run("check")
    if expected is None:
        assert checked.returncode == 0, checked.stderr
    else:
        assert checked.returncode == 78 and f"{published}#{expected}" in checked.stderr, checked.stderr
