"""Orders with an idempotency key: one order, whichever way and however often it is placed, paid or cancelled."""

import concurrent.futures
import json
import uuid

from harness.shop import Shop, card, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets

CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "state": "", "country": "Portugal", "zipCode": 1100}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, checkout=100) as made:
        routes = []
        for path in ("/api/v1/orders", "/api/orders/place"):
            routes.append({"name": "place" + path.replace("/", "-"), "match": {"method": "POST", "path": path}, "target": {"command": "order.place"}})
        routes.append({"name": "facade", "match": {"grpc": "hipstershop.CheckoutService/PlaceOrder"}, "target": {"command": "order.place"}})
        for verb in ("pay", "cancel"):
            routes.append({"name": verb, "match": {"method": "POST", "path": f"/api/v1/orders/{{orderId}}/{verb}"}, "target": {"command": f"order.{verb}"}})
        for each in routes:
            each["stages"] = {"replay": "optional"}
        routes += [
            {"name": "order", "match": {"method": "GET", "path": "/api/v1/orders/{orderId}"}, "target": {"query": "order.get"}},
            {"name": "saga", "match": {"method": "GET", "path": "/api/sagas/{sagaId}/status"}, "target": {"query": "saga.get"}}]
        routes += [
            {"name": name.lower(), "match": {"grpc": f"hipstershop.{name}/*"}, "target": {"cluster": cluster}}
            for name, cluster in (("CartService", "cart"), ("ProductCatalogService", "catalogue"), ("CurrencyService", "currency"),
                                  ("ShippingService", "shipping"), ("PaymentService", "payment"), ("EmailService", "email"))]
        config = json.loads(made.gateway.config_path.read_text())
        made.gateway.reload(config | {"routes": "routes"}, routes)
        assert "reloaded" in "".join(made.gateway.stderr[-5:]), made.gateway.said()
        yield made


@pytest.fixture
def user(shop) -> str:
    name = str(uuid.uuid4())
    shop.add(name, "OLJCESPC7Z", 2)
    return name


def post(shop, path: str, key: str | None, body: dict, **fields: str) -> httpx.Response:
    headers = fields if key is None else {"Idempotency-Key": key, **fields}
    return httpx.post(f"{shop.gateway.url}{path}", json=body, headers=headers, timeout=20)


def place(shop, user: str, key: str | None, path: str = "/api/v1/orders", number: str = CARD["creditCardNumber"], **fields: str) -> httpx.Response:
    body = {"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": CARD | {"creditCardNumber": number}}
    return post(shop, path, key, body, **fields)


def order(shop, identifier: str) -> dict:
    return httpx.get(f"{shop.gateway.url}/api/v1/orders/{identifier}", timeout=5).json()


def charged(shop, user: str) -> int:
    """Orders that the core has of the customer: events of its kind in the store are read, not asked for."""
    import sqlite3
    with sqlite3.connect(f"file:{shop.gateway.folder}/data/events.db?mode=ro", uri=True) as store:
        return store.execute("SELECT count(*) FROM log WHERE event_type = 'OrderPlaced' AND user_id = ?", (user,)).fetchone()[0]


def test_one_order_whichever_way(shop, user):
    """50 at once by REST under both names and by the façade over gRPC, which waits for the end."""
    request = pb.PlaceOrderRequest(
        user_id=user, user_currency="EUR", email="ann@example.org", credit_card=card(),
        address=pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100))

    def by(i: int) -> str:
        if i % 3 == 2:
            return shop.checkout.PlaceOrder(request, timeout=20, metadata=[("idempotency-key", user)]).order.order_id
        answer = place(shop, user, user, ("/api/v1/orders", "/api/orders/place")[i % 3])
        assert answer.status_code == 202, answer.text
        return answer.json()["orderId"]

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        assert len(set(pool.map(by, range(50)))) == 1
    assert charged(shop, user) == 1


def test_the_first_acceptance_is_given_again(shop, user):
    first = place(shop, user, user)
    assert first.status_code == 202 and "idempotent-replayed" not in first.headers
    identifier = first.json()["orderId"]
    sockets.wait_until(lambda: order(shop, identifier)["status"] == "COMPLETED", 10, "the order to be through")
    # The cart is empty by now, and the order far beyond.
    again = place(shop, user, user)
    assert again.status_code == 202 and again.json() == first.json() and again.headers["idempotent-replayed"] == "true"
    assert [again.headers[each] for each in ("location", "etag")] == [first.headers[each] for each in ("location", "etag")]
    waited = place(shop, user, user, Prefer="wait=10")
    assert waited.status_code == 200 and waited.json()["orderId"] == identifier and waited.headers["idempotent-replayed"] == "true"
    assert charged(shop, user) == 1


def test_another_card_is_another_request(shop, user):
    assert place(shop, user, user).status_code == 202
    other = place(shop, user, user, number="5555555555554444")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert charged(shop, user) == 1


def test_a_refused_order_may_be_tried_again(shop, user):
    shop.fails("CurrencyService/Convert=UNAVAILABLE")
    try:
        assert place(shop, user, user).status_code >= 500
    finally:
        shop.fails()
    assert place(shop, user, user).status_code == 202 and charged(shop, user) == 1


def test_cancelling_twice_is_cancelling_once(shop, user):
    shop.fails("PaymentService/Charge=UNAVAILABLE")
    try:
        identifier = place(shop, user, None).json()["orderId"]
        path, key = f"/api/v1/orders/{identifier}/cancel", "cancel-" + user
        first = post(shop, path, key, {"reason": "too slow"})
        assert first.status_code == 202, first.text
        again = post(shop, path, key, {"reason": "too slow"})
        assert again.json() == first.json() and again.headers["idempotent-replayed"] == "true"
        assert post(shop, path, key, {"reason": "another"}).status_code == 422
        assert post(shop, path, "other-" + user, {"reason": "too slow"}).headers.get("idempotent-replayed") is None
    finally:
        shop.fails()


def test_paying_twice_is_paying_once(shop, user):
    shop.fails("PaymentService/Charge=UNAVAILABLE")
    identifier = place(shop, user, None).json()["orderId"]
    path, key = f"/api/v1/orders/{identifier}/pay", "pay-" + user
    first = post(shop, path, key, {"creditCard": CARD})
    shop.fails()
    assert first.status_code == 202, first.text
    sockets.wait_until(lambda: order(shop, identifier)["status"] == "COMPLETED", 15, "the order to be paid")
    again = post(shop, path, key, {"creditCard": CARD})
    assert (again.status_code, again.json()) == (202, first.json()) and again.headers["idempotent-replayed"] == "true"
    assert post(shop, path, "new-" + user, {"creditCard": CARD}).status_code == 409
