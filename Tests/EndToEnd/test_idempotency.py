"""Requests with an idempotency key, over REST and gRPC: carried out once, answered as often as they come (SPEC 4)."""

import concurrent.futures
import json
import sqlite3
import subprocess
import time
import uuid

from harness.grpc_stubs import compiled
from harness.wire import Wire, get, once, post

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks
import httpx
import pytest
from harness import gateway as gateways
from harness import sockets

# First: the other imports it.
shop, _ = compiled(gateways.ROOT / "contracts", "hipstershop")
pb, rpc = compiled(gateways.ROOT / "contracts", "gateway")

JSON = "Content-Type: application/json"


def routes(**replay) -> list:
    """Carts by REST and by gRPC, with the stage."""
    plain = [{**each, "stages": {"replay": "optional"}} if "command" in each["target"] else each for each in gateways.CARTS]
    calls = [
        {"name": f"carts-{verb}", "match": {"grpc": f"nexus.gateway.v1.Carts/{method}"}, "target": {"command": f"cart.{verb}"}, "stages": {"replay": "optional"}}
        for method, verb in (("AddItem", "add"), ("EmptyCart", "empty"))]
    special = [
        {"name": "required", "match": {"method": "POST", "path": "/required"}, "target": {"command": "cart.add"}, "stages": {"replay": "required"}},
        {"name": "rejecting", "match": {"method": "POST", "path": "/rejecting"}, "target": {"command": "cart.add"},
         "stages": {"replay": {"key": "required", "on_duplicate": "reject"}}},
        {"name": "any", "match": {"method": "POST", "path": "/commands/{type}"}, "target": {"command": "{type}"}, "stages": {"replay": "optional"}},
    ]
    return plain + calls + special


def configuration(tmp_path_factory, **over) -> dict:
    contracts = tmp_path_factory.mktemp("contracts") / "all.binpb"
    subprocess.run([gateways.ROOT / "contracts/compile", contracts], check=True, stdin=subprocess.DEVNULL)
    address = f"127.0.0.1:{sockets.free_port()}"
    return gateways.settings(workers=2, contracts={"descriptors": str(contracts)}, listeners=[gateways.listener(address=address)], **over)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, shared_stage):
    return shared_stage.gateway(configuration(tmp_path_factory), routes())


@pytest.fixture
def user() -> str:
    return str(uuid.uuid4())


def added(user: str, product: str = "mug", quantity: int = 1) -> bytes:
    return json.dumps({"userId": user, "item": {"productId": product, "quantity": quantity}}).encode()


def add(gateway, user: str, key: str | None, path: str = "/api/cart/add", body: bytes | None = None, **what):
    fields = [] if key is None else [f"Idempotency-Key: {key}"]
    return once(gateway.address, post(path, body or added(user, **what), JSON, *fields))


def version(gateway, user: str) -> int:
    return json.loads(once(gateway.address, get(f"/api/cart/{user}")).body)["version"]


def code(reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["code"]


def test_the_first_answer_is_given_again(gateway, user):
    first = add(gateway, user, "a")
    assert first.status == 202 and first.field("idempotent-replayed") is None
    again = add(gateway, user, '"a"')
    assert again.status == 202 and again.body == first.body and again.field("idempotent-replayed") == "true"
    assert again.field("etag") == first.field("etag") == '"1"' and again.field("content-type") == first.field("content-type")
    other = json.dumps({"item": {"quantity": "1", "product_id": "mug"}, "user_id": user}, indent=3).encode()
    assert add(gateway, user, "a", body=other).body == first.body, "white space, order and spelling make no difference"
    assert json.loads(add(gateway, user, "b").body)["version"] == 2
    assert add(gateway, user, None).field("idempotent-replayed") is None and version(gateway, user) == 3
    assert add(gateway, user, "a").body == first.body and version(gateway, user) == 3


def test_another_request_with_the_key_is_refused(gateway, user):
    key = str(uuid.uuid4())
    assert add(gateway, user, key).status == 202
    assert code(add(gateway, user, key, quantity=2)) == (422, "IDEMPOTENCY_KEY_REUSED")
    # Another operation has keys of its own.
    assert once(gateway.address, post("/api/cart/empty", json.dumps({"userId": user}).encode(), JSON, f"Idempotency-Key: {key}")).status == 202
    with_version = post("/api/cart/add", added(user), JSON, f"Idempotency-Key: {key}", 'If-Match: "7"')
    assert code(once(gateway.address, with_version)) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_refusal_is_decided_anew(gateway, user):
    key = str(uuid.uuid4())
    late = post("/api/cart/add", added(user), JSON, f"Idempotency-Key: {key}", 'If-Match: "7"')
    assert once(gateway.address, late).status == 412
    assert once(gateway.address, late).field("idempotent-replayed") is None
    assert add(gateway, user, key).status == 202


@pytest.mark.parametrize("field", ["", '""', '"', "a b", "ä", "k" * 256, '"a', '"a";b=1', "a\tb"])
def test_malformed_keys(gateway, user, field):
    assert code(add(gateway, user, field)) == (400, "VALIDATION_ERROR")
    assert version(gateway, user) == 0


def test_two_keys_are_none(gateway, user):
    both = post("/api/cart/add", added(user), JSON, "Idempotency-Key: a", "Idempotency-Key: a")
    assert code(once(gateway.address, both)) == (400, "VALIDATION_ERROR")


def test_keys_of_any_length(gateway, user):
    assert add(gateway, user, "k" * 255 ).status == 202
    assert add(gateway, user, '"' + "k" * 255 + '"').field("idempotent-replayed") == "true"


def test_required(gateway, user):
    assert code(add(gateway, user, None, "/required")) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    first = add(gateway, user, "r-" + user, "/required")
    assert first.status == 202
    # The operation is the command, wherever it is asked for.
    assert add(gateway, user, "r-" + user).body == first.body
    assert add(gateway, user, "r-" + user, "/commands/cart.add").body == first.body
    assert version(gateway, user) == 1


def test_on_duplicate_reject(gateway, user):
    assert add(gateway, user, user, "/rejecting").status == 202
    again = add(gateway, user, user, "/rejecting")
    assert code(again) == (409, "ILLEGAL_STATE") and user in json.loads(again.body)["detail"]


def test_the_same_by_grpc(gateway, user):
    request = pb.AddCartItemRequest(user_id=user, item=shop.CartItem(product_id="mug", quantity=1))
    first = add(gateway, user, f'"{user}"')
    with grpc.insecure_channel(gateway.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        carts = rpc.CartsStub(channel)
        answer, call = carts.AddItem.with_call(request, timeout=5, metadata=[("idempotency-key", user)])
        assert dict(call.initial_metadata())["idempotent-replayed"] == "true"
        assert [answer.aggregate_id, answer.version, list(answer.event_ids)] == [*json.loads(first.body).values()]
        request.item.quantity = 2
        for metadata, status in (([("idempotency-key", user)], "FAILED_PRECONDITION"), ([("idempotency-key", "a b")], "INVALID_ARGUMENT")):
            with pytest.raises(grpc.RpcError) as raised:
                carts.AddItem(request, timeout=5, metadata=metadata)
            assert raised.value.code().name == status
    assert version(gateway, user) == 1


def test_a_storm_of_duplicates_is_one_append(gateway, user):
    """250 at once: HTTP/1.1, HTTP/2 and gRPC, quoted and bare, over connections of their own and a shared one (gRPC's:
    httpx numbers the streams of one connection wrong when many threads begin at once)."""
    request = pb.AddCartItemRequest(user_id=user, item=shop.CartItem(product_id="mug", quantity=1))
    key = "storm-" + user

    def by_http1(i: int) -> tuple:
        with Wire(gateway.address, timeout=20) as wire:
            reply = wire.ask(post("/api/cart/add", added(user), JSON, f"Idempotency-Key: {key}" if i % 2 else f'Idempotency-Key: "{key}"'))
        answer = json.loads(reply.body)
        return reply.status, answer["version"], tuple(answer["eventIds"]), reply.field("idempotent-replayed")

    with (concurrent.futures.ThreadPoolExecutor(100) as pool,
          grpc.insecure_channel(gateway.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel):
        carts = rpc.CartsStub(channel)

        def by_http2(_: int) -> tuple:
            with httpx.Client(http1=False, http2=True, base_url=gateway.url, timeout=20) as client:
                reply = client.post("/api/cart/add", content=added(user), headers={"content-type": "application/json", "idempotency-key": key})
            answer = reply.json()
            return reply.status_code, answer["version"], tuple(answer["eventIds"]), reply.headers.get("idempotent-replayed")

        def by_grpc(_: int) -> tuple:
            answer, call = carts.AddItem.with_call(request, timeout=20, metadata=[("idempotency-key", key)])
            return 202, answer.version, tuple(answer.event_ids), dict(call.initial_metadata()).get("idempotent-replayed")

        ways = [by_http1, by_http2, by_grpc]
        heard = list(pool.map(lambda i: ways[i % 3](i), range(250)))
    assert {each[:3] for each in heard} == {(202, 1, heard[0][2])} and len(heard[0][2]) == 1
    assert sorted(str(each[3]) for each in heard) == ["None"] + ["true"] * 249
    assert version(gateway, user) == 1


def test_it_outlives_the_process(gateway, user):
    first = add(gateway, user, user)
    gateway.kill()
    key = gateway.folder / "data/events.db.idempotency-key"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_size == 16
    gateway.start()
    again = add(gateway, user, user)
    assert again.body == first.body and again.field("idempotent-replayed") == "true"
    assert code(add(gateway, user, user, quantity=5)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert version(gateway, user) == 1


def test_windows_and_bounds(tmp_path_factory, stage, user):
    gateway = stage.gateway(configuration(tmp_path_factory, idempotency={"window": "1s", "records": 3}), routes())
    assert add(gateway, user, "1").status == 202
    for key in ("2", "3"):
        assert add(gateway, user, key).status == 202
    full = add(gateway, user, "4")
    assert code(full) == (503, "UPSTREAM_UNAVAILABLE") and int(full.field("retry-after")) > 0
    assert add(gateway, user, "1").field("idempotent-replayed") == "true", "what is known is known in a full store"
    assert add(gateway, user, None).status == 202
    time.sleep(1.1)
    again = add(gateway, user, "1")
    assert again.status == 202 and again.field("idempotent-replayed") is None
    assert version(gateway, user) == 5
    assert gateway.stop() == 0
    with sqlite3.connect(f"file:{gateway.folder}/data/events.db?mode=ro", uri=True) as store:
        assert store.execute("SELECT first, last FROM repetition_groups").fetchall() == [(4, 4)], "what is past goes"
