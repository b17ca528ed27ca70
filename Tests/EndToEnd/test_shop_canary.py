"""Carts on either side of their flag: who is where, in every protocol, and what callers of the event core hear when
its store fails."""

import concurrent.futures
import gzip
import json
import zlib

from harness.shop import Shop, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import gateway as gateways
from harness import sockets
from harness.http2 import request_fields
from harness.http2_ends import Client


@pytest.fixture(scope="module")
def half(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=50) as made:
        yield made


def side(shop, user: str) -> str:
    """Where an addition by REST went: the core says a version, the legacy service nothing."""
    answer = httpx.post(f"{shop.gateway.url}/api/cart/add", json={"userId": user, "item": {"productId": "OLJCESPC7Z", "quantity": 1}}, timeout=5)
    assert answer.status_code in (200, 202), answer.text
    return "core" if "version" in answer.json() else "legacy"


def test_a_user_is_on_one_side_in_every_protocol(half):
    users = [f"canary-{number}" for number in range(120)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sides = dict(zip(users, pool.map(lambda user: side(half, user), users)))
    assert 35 < sum(where == "core" for where in sides.values()) < 85
    for user in users:
        half.cart.AddItem(pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=2)), timeout=5)
        # By gRPC, by REST and by Connect: all of them see both additions.
        assert half.cart.GetCart(pb.GetCartRequest(user_id=user), timeout=5).items[0].quantity == 3, user
        rest = httpx.get(f"{half.gateway.url}/api/cart/{user}", timeout=5).json()
        assert rest["items"] == [{"productId": "OLJCESPC7Z", "quantity": 3}]
        assert ("version" in rest) == (sides[user] == "core")
        connect = httpx.post(f"{half.gateway.url}/hipstershop.CartService/GetCart", json={"userId": user}, timeout=5)
        assert connect.status_code == 200 and connect.json() == {"userId": user, "items": rest["items"]}
        assert side(half, user) == sides[user]


def test_the_shares_are_the_same_for_the_same_user_after_a_reload(half):
    before = [side(half, f"again-{number}") for number in range(30)]
    half.gateway.reload()
    assert [side(half, f"again-{number}") for number in range(30)] == before


def test_a_weight_is_one_for_the_whole_flag(half, stage):
    """Without a flag file, and with one, which alone has the weight."""
    plain = (gateways.ROOT / "routes/shop/cart.yaml").read_text()
    text = plain.replace("steer: {", "steer: { weight: 0,").replace("weight: 0,", "weight: 30,", 1)
    config = json.loads(half.gateway.config_path.read_text()) | {"routes": "routes"}
    done = stage.files(config | {"flags": "off"}, text).run("check")
    assert done.returncode == 78 and "has another weight here than in route 'shop-cart-add'" in done.stderr
    done = stage.files(config, text).run("check")
    assert done.returncode == 78 and f"the weight of 'use-event-sourced-cart' is at {half.flags}:1:" in done.stderr


def weigh(shop, flag: str, weight: int) -> None:
    """In force when this returns."""
    answer = httpx.post(f"http://{shop.gateway.admin}/flags/use-event-sourced-{flag}/set", json={"weight": weight}, timeout=5)
    assert answer.status_code == 200, answer.text


def place(shop, user: str) -> httpx.Response:
    body = {"userId": user, "userCurrency": "EUR", "email": "ann@example.org",
            "address": {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100},
            "creditCard": {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}}
    return httpx.post(f"{shop.gateway.url}/api/orders/place", json=body, timeout=20)


def test_an_order_stays_where_it_was_placed(half):
    """SPEC R-5, R-3: after the roll-back the core's order is carried out there, and may be read and cancelled; new ones are the
    legacy service's."""
    weigh(half, "checkout", 100)
    half.add("places", "OLJCESPC7Z")
    placed = place(half, "places")
    weigh(half, "checkout", 0)
    assert placed.status_code == 202, placed.text
    order = f"{half.gateway.url}/api/v1/orders/{placed.json()['orderId']}"
    sockets.wait_until(lambda: httpx.get(order, timeout=5).json()["state"] == "Confirmed", 15, "the order to be confirmed")
    half.add("places", "OLJCESPC7Z")
    legacy = place(half, "places")
    assert legacy.status_code == 200 and legacy.json()["order"]["orderId"], legacy.text
    assert httpx.get(f"{half.gateway.url}/api/v1/orders/{legacy.json()['order']['orderId']}", timeout=5).status_code == 404
    cancelled = httpx.post(order + "/cancel", json={"reason": "changed my mind"}, timeout=5)
    assert cancelled.status_code == 202 and httpx.get(order, timeout=5).json()["state"].startswith("Cancel"), cancelled.text
    httpx.post(f"http://{half.gateway.admin}/flags/use-event-sourced-checkout/clear", timeout=5)


def test_a_store_that_is_full_is_a_failed_precondition(tmp_path_factory, stage):
    """As from the service before; REST says what it always says."""
    contracts = {"descriptors": str(gateways.ROOT / "contracts/descriptors.binpb")}
    config = gateways.settings(
        "127.0.0.1:1", clusters={"cart": {"endpoints": ["127.0.0.1:1"], "protocol": "http2"}}, contracts=contracts,
        store={"max_bytes": "1MiB"})
    text = (gateways.ROOT / "routes/shop/cart.yaml").read_text().replace("steer: {", "steer: { weight: 100,")
    gateway = stage.gateway(config, text)
    from harness.grpc_stubs import compiled

    _, rpc = compiled(gateways.ROOT / "contracts", "hipstershop")
    with grpc.insecure_channel(gateway.address) as channel:
        cart = rpc.CartServiceStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            for number in range(20_000):
                cart.AddItem(pb.AddItemRequest(user_id=f"user {number % 50}" + "x" * 90, item=pb.CartItem(product_id="P" * 100 + str(number % 400), quantity=1)), timeout=10)
        assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION, raised.value
    answer = httpx.post(f"{gateway.url}/api/cart/add", json={"userId": "u", "item": {"productId": "p", "quantity": 1}}, timeout=5)
    assert answer.status_code == 503


def call(address: str, body: bytes, *fields: tuple[str, str]) -> tuple[str, bytes]:
    """`(grpc-status, body)` of a GetCart with these bytes."""
    with Client(address) as raw:
        head = request_fields("/hipstershop.CartService/GetCart", ("content-type", "application/grpc"), ("te", "trailers"), *fields, method="POST")
        stream = raw.settle().open(head, False, "POST")
        raw.send_body(stream, body)
        raw.finish(stream)
    return dict([*stream.head, *stream.trailers])[b"grpc-status"].decode(), bytes(stream.body)


def framed(message: bytes, flag: int = 1) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def test_compressed_messages_go_where_plain_ones_do(half):
    for number in range(20):
        user = f"z-{number}"
        side(half, user)
        plain = pb.GetCartRequest(user_id=user).SerializeToString()
        expected = call(half.gateway.address, framed(plain, 0))
        assert expected[0] == "0" and len(expected[1]) > 5
        assert call(half.gateway.address, framed(gzip.compress(plain)), ("grpc-encoding", "gzip")) == expected
        assert call(half.gateway.address, framed(zlib.compress(plain)), ("grpc-encoding", "deflate")) == expected


@pytest.mark.parametrize("body, fields, status", [
    (framed(gzip.compress(b"x", mtime=0)), (), "13"), (framed(gzip.compress(b"x", mtime=0)), (("grpc-encoding", "br"),), "12"),
    (framed(b"no gzip at all"), (("grpc-encoding", "gzip"),), "13"), (framed(gzip.compress(b"\0" * (5 << 20), mtime=0)), (("grpc-encoding", "gzip"),), "8")])
def test_what_cannot_be_inflated_is_refused(half, body, fields, status):
    assert call(half.gateway.address, body, *fields)[0] == status
