"""The shop's own calls with an idempotency key, on either side of its flags, by the shipped routes: carried out once."""

import concurrent.futures
import uuid

from harness.shop import Shop, card, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest

PLACE = "/hipstershop.CheckoutService/PlaceOrder"


@pytest.fixture(scope="module", params=[0, 100], ids=["legacy", "core"])
def shop(request, tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=request.param, checkout=request.param) as made:
        yield made


@pytest.fixture
def user(shop) -> str:
    return str(uuid.uuid4())


def wanted(user: str) -> pb.PlaceOrderRequest:
    address = pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100)
    return pb.PlaceOrderRequest(user_id=user, user_currency="EUR", email="ann@example.org", credit_card=card(), address=address)


def test_one_order_and_one_charge(shop, user):
    """By gRPC and by the Connect protocol, twenty at once."""
    shop.add(user, "OLJCESPC7Z", 2)
    before = shop.services.said().count("payment: charged")

    def by(i: int) -> str:
        if i % 2 == 0:
            return shop.checkout.PlaceOrder(wanted(user), timeout=20, metadata=[("idempotency-key", user)]).order.order_id
        body = {"userId": user, "userCurrency": "EUR", "email": "ann@example.org",
                "address": {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100},
                "creditCard": {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}}
        answer = httpx.post(f"{shop.gateway.url}{PLACE}", json=body, headers={"idempotency-key": user}, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["order"]["orderId"]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(by, range(20)))) == 1
    assert shop.services.said().count("payment: charged") == before + 1


def test_additions_are_carried_out_once(shop, user):
    item = pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=2))
    for key, total in (("a", 2), ("a", 2), ("b", 4), ("a", 4)):
        shop.cart.AddItem(item, timeout=5, metadata=[("idempotency-key", f"{user}-{key}")])
        assert shop.holds(user) == [("OLJCESPC7Z", total)]
    with pytest.raises(grpc.RpcError) as refused:
        other = pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=3))
        shop.cart.AddItem(other, timeout=5, metadata=[("idempotency-key", f"{user}-a")])
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    # Without a key it is another one each time, as ever.
    shop.cart.AddItem(item, timeout=5)
    shop.cart.AddItem(item, timeout=5)
    assert shop.holds(user) == [("OLJCESPC7Z", 8)]


def test_a_cart_is_emptied_once(shop, user):
    shop.add(user, "OLJCESPC7Z")
    for _ in range(2):
        shop.cart.EmptyCart(pb.EmptyCartRequest(user_id=user), timeout=5, metadata=[("idempotency-key", user)])
        assert shop.holds(user) == []
    shop.add(user, "OLJCESPC7Z")
    shop.cart.EmptyCart(pb.EmptyCartRequest(user_id=user), timeout=5, metadata=[("idempotency-key", user)])
    assert shop.holds(user) == [("OLJCESPC7Z", 1)], "the first call's repetition, and nothing else"
