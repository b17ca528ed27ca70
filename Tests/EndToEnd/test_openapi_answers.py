"""What `/openapi.json` says of answers is what comes: statuses, media types, fields and bodies of the event core."""

import datetime

import httpx
import pytest

from harness.described import Description
from harness.gateway import ROOT, open_routes, settings

CART = {"userId": "ann", "item": {"productId": "mug", "quantity": 2}}


@pytest.fixture(scope="module")
def gateway(shared_stage, tmp_path_factory):
    routes = open_routes(tmp_path_factory.mktemp("routes"), "cart", "inventory", "products", "flash-sales")
    contracts = {"command_schemas": str(ROOT / "contracts/commands"), "event_schemas": str(ROOT / "contracts/events")}
    extra = [
        {"name": "openapi", "match": {"method": "GET", "path": "/openapi.json"}, "target": {"operation": "openapi"}},
        {"name": "strict", "match": {"method": "POST", "path": "/strict"}, "target": {"command": "cart.add"},
         "stages": {"inspect": {"schema": "command"}, "replay": "required", "quota": ["few"]}},
        {"name": "known", "match": {"method": "GET", "path": "/known/{userId}"}, "target": {"query": "cart.get"}, "stages": {"quota": ["one"]}},
    ]
    budgets = [{"name": "few", "requests": 1000, "per": "1s", "by": "address"}, {"name": "one", "requests": 1, "per": "1h", "by": "address"}]
    return shared_stage.gateway(settings(routes=["routes", *routes], contracts=contracts, limits={"budgets": budgets}), extra)


def soon(seconds: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.fixture(scope="module")
def ask(gateway):
    """Asks, and holds the answer to what is said of the path's answers."""
    description = Description(httpx.get(f"{gateway.url}/openapi.json", timeout=5).json())

    def ask(method: str, template: str, path: str, status: int, **over) -> httpx.Response:
        answer = httpx.request(method, f"{gateway.url}{path}", timeout=5, **over)
        assert answer.status_code == status, answer.text
        description.hold(method, template, status, answer.headers, answer.content)
        return answer

    return ask


def test_commands_and_queries(ask):
    added = ask("POST", "/strict", "/strict", 202, json=CART, headers={"idempotency-key": "k1"})
    again = ask("POST", "/strict", "/strict", 202, json=CART, headers={"idempotency-key": "k1"})
    assert again.headers["idempotent-replayed"] == "true" and again.json() == added.json() and "ratelimit" in again.headers
    found = ask("GET", "/api/cart/{userId}", "/api/cart/ann", 200)
    assert found.json()["items"] == [{"productId": "mug", "quantity": 2}]
    ask("GET", "/api/cart/{userId}", "/api/cart/ann", 304, headers={"if-none-match": found.headers["etag"]})


def test_refusals(ask):
    refused = ask("POST", "/strict", "/strict", 400, json={"userId": 1}, headers={"idempotency-key": "k2"})
    assert refused.json()["code"] == "VALIDATION_ERROR" and refused.json()["fields"]
    ask("POST", "/strict", "/strict", 400, json=CART)
    ask("POST", "/strict", "/strict", 415, content="a", headers={"idempotency-key": "k3", "content-type": "text/plain"})
    ask("POST", "/strict", "/strict", 422, json={**CART, "userId": "bob"}, headers={"idempotency-key": "k1"})
    ask("POST", "/strict", "/strict", 412, json=CART, headers={"idempotency-key": "k4", "if-match": '"77"'})
    ask("POST", "/strict", "/strict", 413, content=b" " * (2 << 20), headers={"idempotency-key": "k5", "content-type": "application/json"})
    ask("GET", "/api/v1/products/{productId}", "/api/v1/products/none", 404)
    ask("GET", "/api/v1/flash-sales/{saleId}", "/api/v1/flash-sales/none", 404)
    ask("GET", "/api/cart/{userId}", "/api/cart/ann?min-version=x", 400)
    ask("GET", "/known/{userId}", "/known/ann", 200)
    limited = ask("GET", "/known/{userId}", "/known/ann", 429)
    assert limited.json()["code"] == "RATE_LIMITED" and int(limited.headers["retry-after"]) > 0


def test_objects_are_what_is_said_of_them(ask, gateway):
    price = {"currencyCode": "USD", "amount": "8.99"}

    def tell(path: str, **body) -> None:
        told = httpx.post(f"http://{gateway.admin}{path}", json=body, timeout=5)
        assert told.status_code == 202, told.text

    tell("/api/v1/products", productId="mug", name="Mug", categories=["kitchen"], price=price)
    tell("/api/v1/flash-sales", saleId="s1", products=[{"productId": "mug", "price": price}], startsAt=soon(3600), endsAt=soon(7200))
    tell("/api/commands/inventory.adjust", productId="mug", delta=5, reason="delivery")
    ask("GET", "/api/v1/products/{productId}", "/api/v1/products/mug", 200)
    ask("GET", "/api/v1/flash-sales/{saleId}", "/api/v1/flash-sales/s1", 200)
    ask("GET", "/api/inventory/{productId}", "/api/inventory/mug", 200)


def test_the_document_itself(ask):
    first = ask("GET", "/openapi.json", "/openapi.json", 200)
    ask("GET", "/openapi.json", "/openapi.json", 304, headers={"if-none-match": first.headers["etag"]})
