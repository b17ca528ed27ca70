"""The first durable command: carts through HTTP, with three clients, over restarts."""

import http.client
import json
import subprocess
import threading

import httpx
import pytest

from harness import peers
from harness.gateway import CARTS, settings
from harness.wire import Wire, get, once, post

JSON = "Content-Type: application/json"


@pytest.fixture
def carts(stage):
    return stage.gateway(settings(workers=2), CARTS)


def command(gateway, verb: str, body: dict | str | bytes, *fields: str):
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return once(gateway.address, post(f"/api/cart/{verb}", raw, JSON, *fields))


def cart(gateway, user: str) -> dict:
    reply = once(gateway.address, get(f"/api/cart/{user}"))
    assert reply.status == 200, reply.raw[:300]
    return json.loads(reply.body)


def add(user: str, product: str = "OLJCESPC7Z", quantity: int = 1) -> dict:
    return {"userId": user, "item": {"productId": product, "quantity": quantity}}


def test_a_cart_lives(carts):
    reply = command(carts, "add", add("ann", "mug", 2))
    answer = json.loads(reply.body)
    assert reply.status == 202 and answer["version"] == 1 and len(answer["eventIds"]) == 1 and "ann" in answer["aggregateId"]
    command(carts, "add", add("ann", "mug", 1))
    command(carts, "add", add("ann", "hat", 5))
    assert command(carts, "update", {"userId": "ann", "productId": "hat", "quantity": 4}).status == 202
    assert command(carts, "remove", {"userId": "ann", "productId": "mug"}).status == 202
    assert cart(carts, "ann") == {"userId": "ann", "items": [{"productId": "hat", "quantity": 4}], "version": 5}
    assert command(carts, "empty", {"userId": "ann"}).status == 202
    assert cart(carts, "ann")["items"] == []


def test_an_unknown_cart_is_empty(carts):
    reply = once(carts.address, get("/api/cart/nobody"))
    assert reply.status == 200 and reply.field("etag") == '"0"'
    assert json.loads(reply.body) == {"userId": "nobody", "items": [], "version": 0}


def test_the_version_is_the_etag(carts):
    command(carts, "add", add("bob"))
    assert once(carts.address, get("/api/cart/bob")).field("etag") == '"1"'


def test_curl_speaks_it(carts):
    done = subprocess.run(
        [peers.tool("curl"), "-sS", "-i", "--max-time", "5", "--json", json.dumps(add("curl", "mug", 3)), f"{carts.url}/api/cart/add"],
        capture_output=True, text=True,
    )
    assert done.returncode == 0 and "202" in done.stdout.splitlines()[0], done.stderr + done.stdout
    assert cart(carts, "curl")["items"] == [{"productId": "mug", "quantity": 3}]


def test_http_client_and_httpx_speak_it(carts):
    plain = http.client.HTTPConnection(carts.address, timeout=5)
    for number in range(1, 4):
        plain.request("POST", "/api/cart/add", body=json.dumps(add("lib")), headers={"Content-Type": "application/json"})
        answer = plain.getresponse()
        assert answer.status == 202 and json.loads(answer.read())["version"] == number
    with httpx.Client(base_url=carts.url) as client:
        assert client.post("/api/cart/add", json=add("lib")).json()["version"] == 4
        assert client.get("/api/cart/lib").json()["version"] == 4


def test_the_gateway_answers_100_continue_for_a_command(carts):
    body = json.dumps(add("expect")).encode()
    with Wire(carts.address) as wire:
        wire.send(post("/api/cart/add", body, JSON, "Expect: 100-continue")[: -len(body)])
        while b"100 Continue" not in wire.buffer and wire._fill(3):
            pass
        assert wire.buffer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.send(body)
        assert wire.read().status == 202


def test_chunked_commands(carts):
    body = json.dumps(add("chunky")).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    reply = once(carts.address, b"POST /api/cart/add HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert reply.status == 202


@pytest.mark.parametrize(
    "verb, body, pointer",
    [
        ("add", {"item": {"productId": "mug", "quantity": 1}}, "/userId"),
        ("add", {"userId": "", "item": {"productId": "mug", "quantity": 1}}, "/userId"),
        ("add", {"userId": 7, "item": {"productId": "mug", "quantity": 1}}, "/userId"),
        ("add", {"userId": "x"}, "/item"),
        ("add", {"userId": "x", "item": {"quantity": 1}}, "/item/productId"),
        ("add", {"userId": "x", "item": {"productId": "mug"}}, "/item/quantity"),
        ("add", {"userId": "x", "item": {"productId": "mug", "quantity": 0}}, "/item/quantity"),
        ("add", {"userId": "x", "item": {"productId": "mug", "quantity": -1}}, "/item/quantity"),
        ("add", {"userId": "x", "item": {"productId": "mug", "quantity": 1.5}}, "/item/quantity"),
        ("add", {"userId": "x", "item": {"productId": "mug", "quantity": "1.5"}}, "/item/quantity"),
        ("add", {"userId": "x", "item": {"productId": "mug", "quantity": 10**30}}, "/item/quantity"),
        ("remove", {"userId": "x"}, "/productId"),
        ("update", {"userId": "x", "productId": "mug"}, "/quantity"),
        ("empty", {}, "/userId"),
    ],
)
def test_a_wrong_field_is_named(carts, verb, body, pointer):
    reply = command(carts, verb, body)
    problem = json.loads(reply.body)
    assert reply.status == 400 and reply.field("content-type") == "application/problem+json"
    assert problem["code"] == "VALIDATION_ERROR" and pointer in [each["field"] for each in problem["fields"]]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"{}x", b"{'userId':'x'}", b'{"userId":"x",}', b'{"userId":"x","userId":"y","item":{"productId":"m","quantity":1}}',
        b'{"userId":"\xff","item":{"productId":"m","quantity":1}}', b'{"userId":"\\ud800","item":{"productId":"m","quantity":1}}',
        b'{"userId":"x","item":{"productId":"m","quantity":01}}', b'{"userId":"x","item":{"productId":"m","quantity":NaN}}',
        b"[" * 100_000, b'{"a":' * 5000, b"\xef\xbb\xbf{}", b'{"userId":"a\x00b"}', b"\x00" * 100,
    ],
    ids=range(18),
)
def test_bad_json_is_400_and_nothing_is_written(carts, raw):
    assert command(carts, "add", raw).status in (400, 413)
    assert cart(carts, "x")["version"] == 0
    carts.assert_alive()


def test_wrong_methods_and_types(carts):
    assert once(carts.address, get("/api/cart/add", method="DELETE")).status == 405
    reply = once(carts.address, post("/api/cart/add", json.dumps(add("x")).encode(), "Content-Type: text/xml"))
    assert reply.status in (202, 400, 415)


def test_users_with_odd_names_are_their_own(carts):
    for user, path in (("a/b", "a%2Fb"), ("ü", "%C3%BC"), ("a b", "a%20b"), ("..", "%2e%2e"), ("'; DROP TABLE events; --", "';%20DROP%20TABLE%20events;%20--")):
        reply = command(carts, "add", add(user, "mug", 1))
        if reply.status == 202 and user != "..":
            seen = cart(carts, path)
            assert (seen["userId"], seen["version"]) == (user, 1)


def test_concurrent_commands_on_one_cart_are_all_applied(carts):
    threads = [threading.Thread(target=lambda: [command(carts, "add", add("busy")) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = cart(carts, "busy")
    assert seen["version"] == 200 and seen["items"] == [{"productId": "OLJCESPC7Z", "quantity": 200}]


def test_pipelined_commands_are_answered_in_order(carts):
    body = json.dumps(add("pipe")).encode()
    with Wire(carts.address) as wire:
        wire.send(post("/api/cart/add", body, JSON) * 50)
        assert [json.loads(wire.read().body)["version"] for _ in range(50)] == list(range(1, 51))


def test_carts_survive_a_restart(carts):
    for number in range(20):
        command(carts, "add", add(f"user{number % 4}", f"product{number}", number + 1))
    before = {user: cart(carts, user) for user in ("user0", "user1", "user2", "user3")}
    assert carts.stop() == 0
    carts.start()
    assert {user: cart(carts, user) for user in before} == before
    assert json.loads(command(carts, "add", add("user0")).body)["version"] == before["user0"]["version"] + 1
