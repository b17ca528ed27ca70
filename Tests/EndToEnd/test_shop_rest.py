"""The shop in JSON: each REST route is a call of one of the shop's gRPC services, and says what that says."""

import json
import uuid

from harness.shop import Shop, card, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from google.protobuf import json_format


@pytest.fixture(scope="module", params=[0, 100], ids=["legacy", "core"])
def shop(request, tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=request.param) as made:
        yield made


@pytest.fixture
def user() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def rest(shop):
    with httpx.Client(base_url=shop.gateway.url, timeout=10) as client:
        yield client


def as_json(message) -> dict:
    return json.loads(json_format.MessageToJson(message))


def problem(answer: httpx.Response, status: int) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.json()


def order(user: str, number: str = "4111111111111111", currency: str = "EUR") -> dict:
    return {
        "userId": user, "userCurrency": currency, "email": "ann@example.org",
        "address": {"streetAddress": "1 Harbour Street", "city": "Lisbon", "state": "", "country": "Portugal", "zipCode": 1100},
        "creditCard": {"creditCardNumber": number, "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}}


def test_products(shop, rest):
    answer = rest.get("/api/products")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    assert answer.json() == as_json(shop.catalogue.ListProducts(pb.Empty(), timeout=5))
    first = next(each for each in answer.json()["products"] if each["id"] == "OLJCESPC7Z")
    assert first["priceUsd"] == {"currencyCode": "USD", "units": "19", "nanos": 990000000}
    assert rest.get("/api/products/OLJCESPC7Z").json() == first


def test_search(rest):
    assert [each["id"] for each in rest.get("/api/products", params={"query": "GLASSES"}).json()["results"]] == ["OLJCESPC7Z"]
    assert rest.get("/api/products?query=no+such+thing").json() == {}


def test_an_unknown_product(rest):
    assert problem(rest.get("/api/products/nothing"), 404)["detail"] == "no product with ID nothing"


def test_conversion(rest):
    for units, code in (("19", "toCode"), (19, "to_code")):
        answer = rest.post("/api/currency/convert", json={"from": {"currencyCode": "USD", "units": units, "nanos": 990000000}, code: "EUR"})
        assert answer.json() == {"currencyCode": "EUR", "units": "17", "nanos": 682441398}


@pytest.mark.parametrize(
    "wrong", [
        {"from": {"units": "1.5"}}, {"from": {"units": 1.5}}, {"from": {"nanos": 2147483648}}, {"from": {"units": "9223372036854775808"}},
        {"from": {"unit": 1}}, {"from": 1}, {"toCode": 1}, [], "x", {"from": {"units": True}}])
def test_wrong_values_are_named(rest, wrong):
    assert problem(rest.post("/api/currency/convert", json=wrong), 400)["code"] == "VALIDATION_ERROR"


def test_recommendations(shop, rest):
    everything = [each.id for each in shop.catalogue.ListProducts(pb.Empty(), timeout=5).products]
    answer = rest.get("/api/recommendations", params={"userId": "u", "productIds": everything[3:]})
    assert sorted(answer.json()["productIds"]) == sorted(everything[:3])


def test_the_cart_is_the_same_by_either_protocol(shop, rest, user):
    for item in ({"productId": "OLJCESPC7Z", "quantity": 2}, {"product_id": "66VCHSJNUP", "quantity": "1"}, {"productId": "OLJCESPC7Z", "quantity": 1}):
        answer = rest.post("/api/cart/add", json={"userId": user, "item": item})
        assert answer.status_code in (200, 202), answer.text
    assert shop.holds(user) == [("OLJCESPC7Z", 3), ("66VCHSJNUP", 1)]
    shop.add(user, "66VCHSJNUP", 4)
    items = [{"productId": "OLJCESPC7Z", "quantity": 3}, {"productId": "66VCHSJNUP", "quantity": 5}]
    assert rest.get(f"/api/cart/{user}").json()["items"] == items
    assert rest.post("/api/cart/empty", json={"userId": user}).status_code in (200, 202)
    assert shop.holds(user) == [] and rest.get(f"/api/cart/{user}").json().get("items", []) == []


def test_an_order(shop, rest, user):
    shop.add(user, "OLJCESPC7Z", 2)
    answer = rest.post("/api/orders/place", json=order(user))
    assert answer.status_code == 200, answer.text
    placed = answer.json()["order"]
    assert uuid.UUID(placed["orderId"]) and placed["shippingTrackingId"]
    assert placed["shippingCost"]["currencyCode"] == "EUR" and placed["shippingAddress"]["zipCode"] == 1100 and "state" not in placed["shippingAddress"]
    cost = {"currencyCode": "EUR", "units": "17", "nanos": 682441398}
    assert placed["items"] == [{"item": {"productId": "OLJCESPC7Z", "quantity": 2}, "cost": cost}]
    assert shop.holds(user) == []


def test_a_refused_card(shop, rest, user):
    shop.add(user, "OLJCESPC7Z")
    refusal = problem(rest.post("/api/orders/place", json=order(user, "4111111111111112")), 500)
    assert refusal["detail"] == "failed to charge card: could not charge the card: rpc error: code = Code(400) desc = Credit card info is invalid"
    with pytest.raises(grpc.RpcError) as raised:
        shop.order(user, credit_card=card("4111111111111112"))
    assert raised.value.details() == refusal["detail"] and shop.holds(user) == [("OLJCESPC7Z", 1)]
