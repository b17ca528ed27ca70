"""Idempotency keys where the core answers on one side of a flag and a cluster on the other, in all of its protocols: whoever
comes again gets the first outcome, on whichever side he is by then."""

import concurrent.futures
import json
import threading
import time
import uuid

from harness.grpc_stubs import compiled
from harness import gateway as gateways

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets
from harness.grpc_web import BINARY, TEXT, Reader, request_body

pb, rpc = compiled(gateways.ROOT / "contracts", "hipstershop")
METHOD = "/hipstershop.CartService/AddItem"


class Carts(rpc.CartServiceServicer):
    """Counts what it is asked, by the key; the product says how it answers."""

    seen: dict[str, int] = {}
    lock = threading.Lock()

    def AddItem(self, request, context):
        key = dict(context.invocation_metadata()).get("idempotency-key", "")
        with self.lock:
            self.seen[key] = count = self.seen.get(key, 0) + 1
        product = request.item.product_id
        if product == "slow":
            time.sleep(0.5)
        context.set_trailing_metadata((("x-count", str(count)), ("set-cookie", "a=b")))
        if product == "refused":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not this one")
        if product == "declined" and count == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "come again")
        return pb.Empty()


@pytest.fixture(scope="module")
def carts():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
    rpc.add_CartServiceServicer_to_server(Carts(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def side(name: str, match: dict, field: str, **more) -> dict:
    return {"name": name, "match": match, "flag": "side", "target": {"command": "cart.add"}, "fallback": {"cluster": "carts"},
            "stages": {"replay": "optional", "steer": {"by": {"field": field}}}, **more}


@pytest.fixture(scope="module")
def gateway(shared_stage, tmp_path_factory, carts):
    file = tmp_path_factory.mktemp("flags") / "flags.yaml"
    file.write_text('{"flags": [{"name": "side", "weight": 0}]}')
    routes = [
        side("call", {"grpc": METHOD[1:]}, "user_id"),
        side("rest", {"method": "POST", "path": "/add"}, "userId", transcode={"method": METHOD[1:]}),
        {"name": "cluster", "match": {"method": "POST", "path": "/cluster"}, "target": {"cluster": "carts"}, "transcode": {"method": METHOD[1:]},
         "stages": {"replay": "required"}},
        {"name": "flag", "match": {"listener": "admin", "method": "POST", "path": "/flags/{flag}/{action}"}, "target": {"operation": "flags"}},
        {"name": "get", "match": {"method": "GET", "path": "/api/cart/{userId}"}, "target": {"query": "cart.get"}},
    ] + gateways.OPERATIONS
    config = gateways.settings(
        clusters={"carts": {"endpoints": [carts], "protocol": "http2"}}, workers=2, flags=str(file),
        contracts={"descriptors": str(gateways.ROOT / "contracts/descriptors.binpb")})
    return shared_stage.gateway(config, routes)


@pytest.fixture(scope="module")
def stub(gateway):
    with grpc.insecure_channel(gateway.address) as channel:
        yield rpc.CartServiceStub(channel)


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def put(gateway, weight: int) -> None:
    answer = httpx.post(f"http://{gateway.admin}/flags/side/set", json={"weight": weight}, timeout=5)
    assert answer.status_code == 200, answer.text


def message(user: str, product: str, quantity: int = 1):
    return pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id=product, quantity=quantity))


def by_grpc(gateway, stub, key, user, product, quantity=1):
    try:
        _, call = stub.AddItem.with_call(message(user, product, quantity), metadata=(("idempotency-key", key),), timeout=10)
    except grpc.RpcError as error:
        call = error
    # An answer without messages has one head, which is its trailers.
    return call.code().value[0], dict((*call.initial_metadata(), *call.trailing_metadata())).get("idempotent-replayed") == "true"


def by_web(type: str):
    def ask(gateway, stub, key, user, product, quantity=1):
        body = request_body([message(user, product, quantity).SerializeToString()], type == TEXT)
        heard = httpx.post(gateway.url + METHOD, content=body, headers={"content-type": type, "accept": type, "idempotency-key": key}, timeout=10)
        said = heard.headers.get("grpc-status")
        if said is None:
            reader = Reader(type == TEXT)
            reader.feed(heard.content)
            said = dict(reader.trailers)["grpc-status"]
        return int(said), heard.headers.get("idempotent-replayed") == "true"
    return ask


def by_json(path: str):
    def ask(gateway, stub, key, user, product, quantity=1):
        body = {"userId": user, "item": {"productId": product, "quantity": quantity}}
        heard = httpx.post(gateway.url + path, json=body, headers={"idempotency-key": key}, timeout=10)
        status = {200: 0, 202: 0, 409: 9, 422: 3, 503: 14, 400: 9}.get(heard.status_code, heard.status_code)
        return status, heard.headers.get("idempotent-replayed") == "true"
    return ask


WAYS = {"grpc": by_grpc, "web": by_web(BINARY), "text": by_web(TEXT), "connect": by_json(METHOD), "rest": by_json("/add")}


def version(gateway, user: str) -> int:
    return httpx.get(f"{gateway.url}/api/cart/{user}", timeout=5).json()["version"]


@pytest.mark.parametrize("weight", [0, 100])
@pytest.mark.parametrize("first", WAYS)
def test_moved_to_the_other_side(gateway, stub, key, first, weight):
    """Carried out on one side, asked for again on both, by all protocols."""
    put(gateway, weight)
    user = "u-" + key
    assert WAYS[first](gateway, stub, key, user, "mug") == (0, False)
    for now in (weight, 100 - weight):
        put(gateway, now)
        for name, way in WAYS.items():
            assert way(gateway, stub, key, user, "mug") == (0, True), (name, now)
        assert WAYS["grpc"](gateway, stub, key, user, "mug", 2)[0] != 0, "another request"
    assert (Carts.seen.get(key, 0), version(gateway, user)) == ((1, 0) if weight == 0 else (0, 1))


@pytest.mark.parametrize("moves", [False, True])
def test_many_at_once_by_all_protocols_are_one(gateway, stub, key, moves):
    put(gateway, 0)
    user = "u-" + key
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        heard = [pool.submit(way, gateway, stub, key, user, "slow") for way in WAYS.values() for _ in range(2)]
        if moves:
            sockets.wait_until(lambda: key in Carts.seen, 5, "the first to be on its way")
            put(gateway, 100)
            heard += [pool.submit(way, gateway, stub, key, user, "slow") for way in WAYS.values() for _ in range(2)]
        heard = [each.result() for each in heard]
    assert {status for status, _ in heard} == {0} and sum(not again for _, again in heard) == 1
    assert Carts.seen[key] == 1 and version(gateway, user) == 0


@pytest.mark.parametrize("way", WAYS)
def test_statuses_are_kept_and_what_is_declined_is_not(gateway, stub, key, way):
    put(gateway, 0)
    first = WAYS[way](gateway, stub, key, "u", "refused")
    assert first[0] not in (0, 14) and not first[1]
    for again in WAYS.values():
        status, replayed = again(gateway, stub, key, "u", "refused")
        assert status not in (0, 14) and replayed
    assert Carts.seen[key] == 1
    assert WAYS[way](gateway, stub, "d" + key, "u", "declined") == (14, False)
    assert WAYS[way](gateway, stub, "d" + key, "u", "declined") == (0, False) and Carts.seen["d" + key] == 2


def test_trailers_are_given_again_without_cookies(gateway, stub, key):
    put(gateway, 0)
    heard = []
    for _ in range(2):
        _, call = stub.AddItem.with_call(message("u", "mug"), metadata=(("idempotency-key", key),), timeout=10)
        heard.append(dict(call.trailing_metadata()))
    assert heard[0].get("x-count") == heard[1].get("x-count") == "1" and "set-cookie" in heard[0] and "set-cookie" not in heard[1]


def test_in_front_of_a_cluster_alone(gateway, stub, key):
    ask = by_json("/cluster")
    assert ask(gateway, stub, key, "u", "mug") == (0, False)
    assert ask(gateway, stub, key, "u", "mug") == (0, True) and Carts.seen[key] == 1


def test_what_is_no_message_leaves_the_key_free(gateway, key):
    put(gateway, 0)

    def ask(body: dict):
        return httpx.post(f"{gateway.url}/cluster", json=body, headers={"idempotency-key": key}, timeout=5)

    assert ask({"userId": 7}).status_code == 400
    sockets.wait_until(lambda: ask({"userId": "u", "item": {"productId": "mug", "quantity": 1}}).status_code == 200, 3, "the key to be free")
    assert Carts.seen[key] == 1
