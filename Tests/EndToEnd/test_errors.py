"""Every code that can be provoked, over HTTP/1.1, HTTP/2 and gRPC, is what contracts/errors.json says of it."""

import json
import subprocess
import time

import pytest

from harness import sockets
from harness.gateway import CARTS, ROOT, route, settings
from harness.grpc_wire import call, details, message, status
from harness.http2_ends import Client
from harness.http2_origin import Origin, Peer
from harness.recorder import Peer as Backend
from harness.recorder import respond
from harness.wire import Wire, get, once, post

CATALOGUE = json.loads((ROOT / "contracts/errors.json").read_text())["codes"]
# Of two with one name, the one that HTTP says.
BY_STATUS = {(code["name"], code["http"]): code for code in CATALOGUE}
GRPC = {name: number for number, name in enumerate((
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED"))}
LIMITED = {"stages": {"quota": ["none-left"]}}
KEYED = {"stages": {"quota": ["keyed"]}}


def play(peer: Backend) -> None:
    while True:
        if peer.read_request().target == "/slow":
            time.sleep(0.4)
        peer.send(respond())


def answer_calls(peer: Peer) -> None:
    while request := peer.request():
        if not request.field(":path").endswith("/Slow"):
            peer.start(request.stream, 200, ("content-type", "application/grpc"), ("grpc-status", "0"), end=True)


def service(name: str, cluster: str = "calls", **over) -> dict:
    return {"name": f"calls-{name.lower()}", "match": {"grpc": f"demo.{name}/*"}, "target": {"cluster": cluster}, **over}


@pytest.fixture(scope="module")
def gateway(shared_stage):
    with Origin(answer_calls) as calls:
        budgets = [
            {"name": "none-left", "requests": 1, "per": "1h"},
            {"name": "keyed", "requests": 1, "per": "1h", "by": {"header": "x-api-key"}, "missing": "refuse"},
        ]
        config = settings(shared_stage.backend(play).address, limits={"budgets": budgets})
        config["clusters"] |= {
            "calls": {"endpoints": [calls.address], "protocol": "http2"},
            "gone": {"endpoints": [f"127.0.0.1:{sockets.free_port()}"]},
            "gone-calls": {"endpoints": [f"127.0.0.1:{sockets.free_port()}"], "protocol": "http2"},
            "narrow": {"endpoints": [config["clusters"]["up"]["endpoints"][0]], "bulkhead": {"concurrent": 1, "wait": 0}},
        }
        config["contracts"]["descriptors"] = str(ROOT / "contracts/descriptors.binpb")
        carts = "nexus.gateway.v1.Carts"
        yield shared_stage.gateway(config, [
            *CARTS,
            route("create", "/products", target={"command": "product.create"}, match={"method": "POST"}),
            route("product", "/products/{productId}", target={"query": "product.get"}, match={"method": "GET"}),
            route("limited", "/limited", **LIMITED), route("keyed", "/keyed", **KEYED),
            route("gone", "/gone", "gone", retries=0), route("small", "/small", body_limit=4),
            route("slow", "/slow", timeouts={"first_byte": "100ms"}, retries=0),
            route("narrow", "/slow/narrow", "narrow", rewrite={"path": "/slow"}),
            service("Free"), service("Limited", **LIMITED), service("Keyed", **KEYED), service("Gone", "gone-calls", retries=0),
            service("Small", body_limit=4, stages={"collect": True}),
            {"name": "cart-call-add", "match": {"grpc": f"{carts}/AddItem"}, "target": {"command": "cart.add"}},
            {"name": "cart-call-remove", "match": {"grpc": f"{carts}/RemoveItem"}, "target": {"command": "cart.remove"}},
        ])


def product(name: str) -> bytes:
    return json.dumps({"productId": "mug", "name": name, "price": {"currencyCode": "USD", "units": 8, "nanos": 0}}).encode()


def cart(product: str = "A", quantity: int = 1) -> bytes:
    return json.dumps({"userId": "u", "item": {"productId": product, "quantity": quantity}}).encode()


def prepare(gateway) -> None:
    once(gateway.address, get("/limited"))
    once(gateway.address, post("/products", product("Mug"), "Content-Type: application/json"))


REST = [
    ("VALIDATION_ERROR", 400, "POST", "/api/cart/add", cart(quantity=0), ()),
    ("FORBIDDEN", 403, "GET", "/keyed", None, ()),
    ("NOT_FOUND", 404, "GET", "/products/none", None, ()),
    ("NO_ROUTE", 404, "GET", "/nowhere", None, ()),
    ("METHOD_NOT_ALLOWED", 405, "DELETE", "/api/cart/add", None, ()),
    ("VERSION_CONFLICT", 412, "POST", "/api/cart/empty", b'{"userId":"nobody"}', (("if-match", '"7"'),)),
    ("ILLEGAL_STATE", 409, "POST", "/products", product("Other"), ()),
    ("TOO_LARGE", 413, "POST", "/small", b"12345", ()),
    ("RATE_LIMITED", 429, "GET", "/limited", None, ()),
    ("UPSTREAM_UNAVAILABLE", 502, "GET", "/gone", None, ()),
    ("DEADLINE", 504, "GET", "/slow", None, ()),
]


@pytest.mark.parametrize("version", [1, 2])
def test_over_http(gateway, version):
    prepare(gateway)
    for name, expected, method, path, body, fields in REST:
        said = [*fields, *([("content-type", "application/json")] if body else [])]
        if version == 1:
            lines = [f"{key}: {value}" for key, value in said]
            reply = once(gateway.address, post(path, body, *lines, method=method) if body else get(path, *lines, method=method))
            field = reply.field
        else:
            with Client(gateway.address) as client:
                reply = client.ask(path, *said, method=method, **({"body": body} if body else {}))
            field = reply.field
        problem = json.loads(reply.body)
        assert (problem["code"], reply.status, problem["status"]) == (name, expected, expected), (path, reply.status, reply.body)
        assert field("content-type") == "application/problem+json"
        code = BY_STATUS.get((name, expected)) or next(code for code in CATALOGUE if code["name"] == name)
        assert expected == code["http"] or str(expected) in code["http_also"]
        if name in ("METHOD_NOT_ALLOWED", "RATE_LIMITED", "UPSTREAM_UNAVAILABLE", "DEADLINE"):
            assert all(field(each.lower()) for each in code["fields"].split(", ")), (name, reply)


def test_what_only_http_1_can_ask(gateway):
    reply = once(gateway.address, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
    assert (json.loads(reply.body)["code"], reply.status) == ("UNSUPPORTED", next(c["http"] for c in CATALOGUE if c["name"] == "UNSUPPORTED"))
    with Wire(gateway.address) as holder:
        holder.send(get("/slow/narrow"))
        time.sleep(0.1)
        full = once(gateway.address, get("/slow/narrow"))
        assert (json.loads(full.body)["code"], full.status) == ("UPSTREAM_UNAVAILABLE", 503)
        assert all(full.field(each.lower()) for each in BY_STATUS["UPSTREAM_UNAVAILABLE", 503]["fields"].split(", "))
        assert holder.read().status == 200


def test_over_grpc(gateway):
    add, remove = "/nexus.gateway.v1.Carts/AddItem", "/nexus.gateway.v1.Carts/RemoveItem"
    with Client(gateway.address) as client:
        call(client, "/demo.Limited/M")
        for name, path, body, fields in (
            ("VALIDATION_ERROR", add, message(b"\x0a\x01u"), ()), ("FORBIDDEN", "/demo.Keyed/M", message(b""), ()),
            ("NOT_FOUND", remove, message(b"\x0a\x01u\x12\x01A"), ()), ("NO_ROUTE", "/demo.Nobody/M", message(b""), ()),
            ("TOO_LARGE", "/demo.Small/M", message(b"12345"), ()), ("RATE_LIMITED", "/demo.Limited/M", message(b""), ()),
            ("UPSTREAM_UNAVAILABLE", "/demo.Gone/M", message(b""), ()), ("DEADLINE", "/demo.Free/Slow", message(b""), (("grpc-timeout", "50m"),)),
        ):
            answer = call(client, path, *fields, body=body)
            code = next(code for code in CATALOGUE if code["name"] == name)
            assert status(answer)[0] == GRPC[code["grpc"]], (name, status(answer))
            said = details(answer)
            assert (1, name.encode()) in said["ErrorInfo"], (name, said)
            if name in ("VALIDATION_ERROR", "RATE_LIMITED"):
                assert said[code["detail"]], name


def test_tables_and_documents_are_made_of_the_catalogue():
    done = subprocess.run([ROOT / "contracts/generate-errors", "--check"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
