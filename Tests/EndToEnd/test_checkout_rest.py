"""Orders by REST over the event core: accepted, waited for, paid later, cancelled; and where the card is not."""

import json
import pathlib
import urllib.error
import urllib.request

import pytest

from harness import sockets
from harness.described import Description
from harness.shop import Shop

NUMBER = "4111111111111111"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def shop(folder, shared_stage):
    with Shop(folder, shared_stage, checkout=100) as shop:
        yield shop


def ask(shop: Shop, verb: str, path: str, body: dict | None = None, **fields: str):
    """Status, body and fields of the answer."""
    request = urllib.request.Request(
        f"http://{shop.gateway.listeners['public']}{path}", method=verb, data=json.dumps(body).encode() if body is not None else None,
        headers={"content-type": "application/json", **fields})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def card(number: str = NUMBER) -> dict:
    return {"creditCardNumber": number, "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}


def place(shop: Shop, user: str, number: str = NUMBER, **fields: str):
    shop.add(user, "OLJCESPC7Z")
    address = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "state": "", "country": "Portugal", "zipCode": 1100}
    order = {"userId": user, "userCurrency": "EUR", "address": address, "email": "ann@example.org", "creditCard": card(number)}
    return ask(shop, "POST", "/api/v1/orders", order, **fields)


def status(shop: Shop, order: str) -> str:
    return ask(shop, "GET", f"/api/v1/orders/{order}")[1]["status"]


def test_an_order_is_accepted_and_then_carried_out(shop):
    code, body, fields = place(shop, "ann")
    assert code == 202 and body["status"] == "PENDING" and body["version"] == 1 and len(body["eventIds"]) == 1
    assert body["sagaId"] == f"checkout-{body['orderId']}"
    assert fields["location"] == f"/api/v1/orders/{body['orderId']}" and fields["etag"] == '"1"'
    sockets.wait_until(lambda: status(shop, body["orderId"]) == "COMPLETED", 10, "the order to be through")


def test_who_prefers_to_wait_sees_the_end(shop):
    code, body, fields = place(shop, "bob", Prefer="wait=10")
    assert (code, body["status"], fields["preference-applied"]) == (200, "COMPLETED", "wait=10")
    code, body, _ = place(shop, "bob", "4111111111111112", Prefer="wait=10")
    assert (code, body["status"], body["reason"]) == (200, "FAILED", "Credit card info is invalid")


def test_a_payment_service_that_is_away_is_waited_for(shop):
    shop.fails("PaymentService/Charge=UNAVAILABLE:closed")
    try:
        code, body, _ = place(shop, "eve", Prefer="wait=2")
        assert code == 202 and status(shop, body["orderId"]) == "PENDING"
    finally:
        shop.fails()
    order = body["orderId"]
    # Whoever gives a card has the saga look again at once.
    code, body, _ = ask(shop, "POST", f"/api/v1/orders/{order}/pay", {"creditCard": card()}, Prefer="wait=15")
    assert code in (200, 202), body
    sockets.wait_until(lambda: status(shop, order) == "COMPLETED", 20, "the order to be paid")
    assert ask(shop, "POST", f"/api/v1/orders/{order}/pay", {"creditCard": card()})[0] == 409


def test_an_order_that_waits_can_be_cancelled(shop):
    shop.fails("PaymentService/Charge=UNAVAILABLE:closed")
    try:
        _, body, _ = place(shop, "tom")
        order = body["orderId"]
        code, body, _ = ask(shop, "POST", f"/api/v1/orders/{order}/cancel", {"reason": "too slow"})
        assert (code, body["state"], body["sagaId"]) == (202, "CancellationPending", f"cancel-{order}")
        sockets.wait_until(lambda: status(shop, order) == "FAILED", 20, "the order to be cancelled")
    finally:
        shop.fails()
    assert ask(shop, "GET", f"/api/v1/orders/{order}")[1]["state"] == "Cancelled"


def test_nothing_can_be_done_to_no_order(shop):
    assert ask(shop, "POST", "/api/v1/orders/nobodys/pay", {"creditCard": card()})[0] == 404
    assert ask(shop, "POST", "/api/v1/orders/nobodys/cancel", {"reason": "x"})[0] == 404


def test_the_card_is_in_no_file(shop, folder):
    place(shop, "zoe", Prefer="wait=10")
    files = [path for path in [*folder.rglob("*"), *pathlib.Path(shop.gateway.folder).rglob("*")] if path.is_file()]
    assert any(path.name.startswith("events.db") for path in files)
    for path in files:
        assert NUMBER.encode() not in path.read_bytes(), path


def test_the_answers_are_what_is_said_of_them(shop):
    """Of orders and sagas, as /openapi.json has it."""
    described = Description(json.loads(shop.gateway.run("openapi").stdout))

    def hold(method: str, path: str, answer) -> dict:
        code, body, fields = answer
        described.hold(method, path, code, fields, json.dumps(body).encode())
        return body

    placed = hold("POST", "/api/v1/orders", place(shop, "una"))
    ended = hold("POST", "/api/v1/orders", place(shop, "vic", prefer="wait=10"))
    assert "items" in ended
    hold("GET", "/api/v1/orders/{orderId}", ask(shop, "GET", f"/api/v1/orders/{placed['orderId']}"))
    hold("GET", "/api/sagas/{sagaId}/status", ask(shop, "GET", f"/api/sagas/{placed['sagaId']}/status"))
    hold("GET", "/api/v1/orders/{orderId}", ask(shop, "GET", "/api/v1/orders/none"))
    hold("POST", "/api/v1/orders", ask(shop, "POST", "/api/v1/orders", {}))
