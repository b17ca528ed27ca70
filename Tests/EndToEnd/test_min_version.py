"""Versions of queries: not older than asked for, and not again what the client has."""

import json
import threading
import time

import pytest

from harness.gateway import CARTS, ROOT, open_routes, settings
from harness.grpc_stubs import compiled
from harness.wire import Wire, get, once, post

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks

# First: the other imports it.
shop, _ = compiled(ROOT / "contracts", "hipstershop")
pb, rpc = compiled(ROOT / "contracts", "gateway")


@pytest.fixture(scope="module")
def carts(shared_stage):
    return shared_stage.gateway(settings(workers=2), CARTS)


def add(gateway, user: str):
    body = json.dumps({"userId": user, "item": {"productId": "p", "quantity": 1}}).encode()
    return once(gateway.address, post("/api/cart/add", body, "Content-Type: application/json"))


def ask(gateway, path: str, *fields: str):
    began = time.monotonic()
    reply = once(gateway.address, get(f"/api/cart/{path}", *fields))
    return reply, time.monotonic() - began


def test_what_is_there_comes_at_once(carts):
    assert add(carts, "a").field("etag") == '"1"'
    for path, fields in (("a?min-version=1", ()), ("a?x=y&min-version=1&z", ()), ("a", ("Min-Version: 1",)), ("a?min-version=0", ()), ("a?min-versions=9", ())):
        reply, took = ask(carts, path, *fields)
        assert (reply.status, reply.field("etag")) == (200, '"1"') and took < 0.5, path


def test_a_version_that_comes_meanwhile(carts):
    add(carts, "b")
    later = threading.Timer(0.3, add, (carts, "b"))
    later.start()
    reply, took = ask(carts, "b?min-version=2")
    later.join()
    assert (reply.status, reply.field("etag"), json.loads(reply.body)["version"]) == (200, '"2"', 2) and 0.25 < took < 0.95


@pytest.mark.parametrize("path,fields", [("c?min-version=9", ()), ("c", ("Min-Version: 9",)), ("c?min-version=999999999999999999", ())])
def test_a_version_that_does_not_come(carts, path, fields):
    reply, took = ask(carts, path, *fields)
    document = json.loads(reply.body)
    assert (reply.status, document["code"], reply.field("retry-after")) == (503, "UPSTREAM_UNAVAILABLE", "1") and 0.9 < took < 1.6


@pytest.mark.parametrize("path,fields", [("a?min-version=", ()), ("a?min-version=-1", ()), ("a?min-version=x", ()), ("a", ("Min-Version: 1.0",)), ("a?min-version=" + "9" * 30, ())])
def test_versions_that_are_none(carts, path, fields):
    reply, _ = ask(carts, path, *fields)
    assert reply.status == 400 and [field["field"] for field in json.loads(reply.body)["fields"]] == ["/min-version"]


def test_a_client_that_leaves_while_it_waits(carts):
    for _ in range(20):
        with Wire(carts.address) as wire:
            wire.send(get("/api/cart/gone?min-version=5"))
            time.sleep(0.01)
    time.sleep(1.2)
    assert ask(carts, "gone")[0].status == 200


@pytest.mark.parametrize("tags,status", [
    ('"1"', 304), ('W/"1"', 304), ("*", 304), ('"0", "1"', 304), ('"a,b", "1"', 304), ('"2"', 200), ('"11"', 200), ("1", 200), ('""', 200), ('"1', 200), ('"x"1"', 200),
])
def test_if_none_match(carts, tags, status):
    user = "d"
    if ask(carts, user)[0].field("etag") == '"0"':
        add(carts, user)
    reply, _ = ask(carts, user, f"If-None-Match: {tags}")
    assert (reply.status, reply.field("etag")) == (status, '"1"')
    assert bool(reply.body) == (status == 200) and reply.field("content-length") != ("0" if status == 304 else None)


def test_a_call_says_it_in_its_metadata(stage, tmp_path):
    config = settings(
        contracts={"descriptors": str(ROOT / "contracts/descriptors.binpb")}, routes=["routes", *open_routes(tmp_path, "shop/gateway")])
    gateway = stage.gateway(config, CARTS)
    add(gateway, "e")
    with grpc.insecure_channel(gateway.address) as channel:
        carts = rpc.CartsStub(channel)
        assert carts.GetCart(shop.GetCartRequest(user_id="e"), metadata=[("min-version", "1")], timeout=5).version == 1
        with pytest.raises(grpc.RpcError) as late:
            carts.GetCart(shop.GetCartRequest(user_id="e"), metadata=[("min-version", "2")], timeout=5)
        with pytest.raises(grpc.RpcError) as wrong:
            carts.GetCart(shop.GetCartRequest(user_id="e"), metadata=[("min-version", "x")], timeout=5)
    assert (late.value.code(), wrong.value.code()) == (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT)
