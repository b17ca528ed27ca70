"""Products and flash sales over the wire: the shipped routes, kept by operators, read by everybody."""

import datetime
import uuid

import httpx
import pytest

from harness import sockets
from harness.gateway import ROOT, open_routes, settings

DOLLARS = {"currencyCode": "USD", "amount": "8.99"}


@pytest.fixture(scope="module")
def gateway(shared_stage, tmp_path_factory):
    routes = open_routes(tmp_path_factory.mktemp("routes"), "products", "flash-sales")
    contracts = {"event_schemas": str(ROOT / "contracts/events")}
    return shared_stage.gateway(settings(routes=routes, contracts=contracts), [])


@pytest.fixture
def product(gateway) -> str:
    name = f"mug-{uuid.uuid4()}"
    created = tell(gateway, "products", productId=name, name="Mug", categories=["kitchen"], price=DOLLARS)
    assert created.status_code == 202 and created.json()["version"] == 1, created.text
    return name


def tell(gateway, path: str, **body) -> httpx.Response:
    return httpx.post(f"http://{gateway.admin}/api/v1/{path}", json=body, timeout=5)


def ask(gateway, path: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}/api/v1/{path}", timeout=5)


def fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400 and answer.json()["code"] == "VALIDATION_ERROR", answer.text
    return [each["field"] for each in answer.json()["fields"]]


def soon(seconds: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


# Products


def test_a_product_is_created_changed_and_read(gateway, product):
    seen = ask(gateway, f"products/{product}")
    assert seen.status_code == 200 and seen.headers["etag"] == '"1"'
    body = seen.json()
    assert (body["productId"], body["name"], body["description"], body["categories"]) == (product, "Mug", "", ["kitchen"])
    assert body["price"] == {"currencyCode": "USD", "units": "8", "nanos": 990000000}
    assert tell(gateway, f"products/{product}", name="Large mug", description="A litre").json()["version"] == 2
    body = ask(gateway, f"products/{product}").json()
    assert (body["name"], body["description"], body["categories"], body["version"]) == ("Large mug", "A litre", ["kitchen"], 2)


def test_the_prices_there_were_are_kept(gateway, product):
    for amount in ("9.5", "10", "10"):
        assert tell(gateway, f"products/{product}/price", price={"currencyCode": "USD", "amount": amount}).status_code == 202
    body = ask(gateway, f"products/{product}").json()
    prices = [(each["price"]["units"], each["price"]["nanos"]) for each in body["priceHistory"]]
    assert prices == [("8", 990000000), ("9", 500000000), ("10", 0)] and body["price"]["units"] == "10"
    times = [each["from"] for each in body["priceHistory"]]
    assert times == sorted(times) and times[0] == body["createdAt"] and times[-1] == body["updatedAt"]
    assert body["version"] == 3, "the same price again is no change"


def test_creating_it_again(gateway, product):
    again = tell(gateway, "products", productId=product, name="Mug", categories=["kitchen"], price={"currencyCode": "USD", "units": 8, "nanos": 990000000})
    assert again.status_code == 202 and again.json()["version"] == 1 and again.json()["eventIds"] == []
    other = tell(gateway, "products", productId=product, name="Cup", categories=["kitchen"], price=DOLLARS)
    assert other.status_code == 409 and other.json()["code"] == "ILLEGAL_STATE" and fields_of(other) == ["/productId"], other.text
    assert ask(gateway, f"products/{product}").json()["name"] == "Mug"


def fields_of(answer: httpx.Response) -> list[str]:
    return [each["field"] for each in answer.json().get("fields", [])]


def test_a_product_that_is_not_there(gateway):
    assert ask(gateway, "products/none").status_code == 404
    assert tell(gateway, "products/none", name="x").status_code == 404
    assert tell(gateway, "products/none/price", price=DOLLARS).status_code == 404


@pytest.mark.parametrize(
    ("over", "field"), [
        ({"name": ""}, "/name"), ({"name": 7}, "/name"), ({"name": "x" * 513}, "/name"), ({"categories": ["ok", ""]}, "/categories/1"),
        ({"categories": ["c"] * 65}, "/categories"), ({"productId": "a\nb"}, "/productId"), ({"price": None}, "/price"),
        ({"price": {"currencyCode": "USD", "amount": "-1"}}, "/price"), ({"price": {"currencyCode": "USD", "amount": "1.0000000001"}}, "/price/amount"),
        ({"price": {"currencyCode": "USD", "amount": "1", "units": 1}}, "/price"), ({"colour": "red"}, "/colour")])
def test_a_wrong_field_of_a_product_is_named(gateway, over, field):
    answer = tell(gateway, "products", **{"productId": "wrong", "name": "Mug", "price": DOLLARS, **over})
    assert any(each.startswith(field) for each in fields(answer)), answer.text
    assert ask(gateway, "products/wrong").status_code == 404


# Flash sales


def sale(*products: str, **times) -> dict:
    return {"saleId": f"sale-{uuid.uuid4()}", "products": [{"productId": each, "price": {"currencyCode": "USD", "amount": "4.99"}} for each in products], **times}


def read(gateway, given: dict) -> dict:
    answer = ask(gateway, f"flash-sales/{given['saleId']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_sale_begins_at_once_and_is_ended(gateway):
    given = sale("mug", "pot", endsAt=soon(3600))
    assert tell(gateway, "flash-sales", **given).status_code == 202
    seen = read(gateway, given)
    assert seen["status"] == "ACTIVE" and [each["productId"] for each in seen["products"]] == ["mug", "pot"]
    assert seen["products"][0]["price"] == {"currencyCode": "USD", "units": "4", "nanos": 990000000}
    assert tell(gateway, f"flash-sales/{given['saleId']}/products/pot/price", price={"currencyCode": "USD", "amount": 3}).status_code == 202
    assert [each["price"]["units"] for each in read(gateway, given)["products"]] == ["4", "3"]
    ended = tell(gateway, f"flash-sales/{given['saleId']}/end")
    assert ended.status_code == 202, ended.text
    seen = read(gateway, given)
    assert seen["status"] == "ENDED" and seen["endedAt"] < seen["endsAt"]
    assert tell(gateway, f"flash-sales/{given['saleId']}/products/pot/price", price=DOLLARS).status_code == 409
    assert tell(gateway, f"flash-sales/{given['saleId']}/end").json()["eventIds"] == []


def test_a_sale_begins_and_ends_by_itself(gateway):
    given = sale("mug", startsAt=soon(4), endsAt=soon(6))
    assert tell(gateway, "flash-sales", **given).status_code == 202
    assert read(gateway, given)["status"] == "SCHEDULED"
    sockets.wait_until(lambda: read(gateway, given)["status"] == "ACTIVE", 15, "the sale to begin")
    sockets.wait_until(lambda: read(gateway, given)["status"] == "ENDED", 15, "the sale to end")
    assert read(gateway, given)["version"] == 1, "without an event"


def test_another_sale_under_the_same_id(gateway):
    given = sale("mug", endsAt=soon(3600))
    assert tell(gateway, "flash-sales", **given).status_code == 202
    assert tell(gateway, "flash-sales", **given).json()["eventIds"] == []
    assert tell(gateway, "flash-sales", **{**given, "endsAt": soon(7200)}).status_code == 409


def test_a_sale_that_is_not_there(gateway):
    assert ask(gateway, "flash-sales/none").status_code == 404
    assert tell(gateway, "flash-sales/none/end").status_code == 404
    given = sale("mug", endsAt=soon(3600))
    tell(gateway, "flash-sales", **given)
    answer = tell(gateway, f"flash-sales/{given['saleId']}/products/pot/price", price=DOLLARS)
    assert answer.status_code == 404 and fields_of(answer) == ["/productId"]


@pytest.mark.parametrize(
    ("over", "field"), [
        ({"endsAt": None}, "/endsAt"), ({"endsAt": "tomorrow"}, "/endsAt"), ({"endsAt": "2020-01-01T00:00:00Z"}, "/endsAt"), ({"products": []}, "/products"),
        ({"products": None}, "/products"), ({"products": [{"productId": "mug", "price": {"currencyCode": "USD", "amount": "x"}}]}, "/products/0/price/amount"),
        ({"products": [{"productId": "", "price": DOLLARS}]}, "/products/0/productId"), ({"products": [{"productId": "mug", "price": DOLLARS}] * 2}, "/products"),
        ({"products": [{"productId": f"p{i}", "price": DOLLARS} for i in range(201)]}, "/products"), ({"startsAt": "2099-01-01T00:00:00Z"}, "/startsAt")])
def test_a_wrong_field_of_a_sale_is_named(gateway, over, field):
    answer = tell(gateway, "flash-sales", **{**sale("mug", endsAt=soon(3600)), **over})
    assert any(each.startswith(field) for each in fields(answer)), answer.text
