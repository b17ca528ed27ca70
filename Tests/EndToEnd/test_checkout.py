"""Orders of the event core over the wire: accepted, carried out, refused, parked, undone; by REST and gRPC, against the
services of examples/shop."""

import json
import re
import time
import uuid

from harness.shop import Shop, card, pb

import grpc  # noqa: E402: after the harness, which settles how it forks
import httpx
import pytest
from harness import sockets

ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
REFUSED = {**CARD, "creditCardNumber": "4111111111111112"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=100, checkout=100) as made:
        yield made


@pytest.fixture
def user(shop) -> str:
    name = str(uuid.uuid4())
    shop.add(name, "OLJCESPC7Z", 2)
    return name


@pytest.fixture
def faults(shop):
    """Sets faults for every caller, and takes them out again."""
    yield shop.fails
    shop.fails()


def body(user: str, **over) -> dict:
    return {"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": CARD, **over}


def place(shop, user: str, prefer: str | None = None, path: str = "/api/v1/orders", **over) -> httpx.Response:
    return httpx.post(f"{shop.gateway.url}{path}", json=body(user, **over), headers={"Prefer": prefer} if prefer else {}, timeout=20)


def order(shop, identifier: str) -> dict:
    return httpx.get(f"{shop.gateway.url}/api/v1/orders/{identifier}", timeout=5).json()


def saga(shop, identifier: str) -> dict:
    return httpx.get(f"{shop.gateway.url}/api/sagas/{identifier}/status", timeout=5).json()


def operate(shop, *words: str):
    """A command of the operators."""
    return shop.gateway.run(*words, "--admin", shop.gateway.admin)


def until(shop, identifier: str, *states: str, seconds: float = 10) -> dict:
    """The order once it is in one of these (detailed) states."""
    sockets.wait_until(lambda: order(shop, identifier)["state"] in states, seconds, f"{identifier} to be {states}")
    return order(shop, identifier)


# Accepted


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/orders/place"])
def test_an_order_is_accepted_and_carried_out(shop, user, path):
    answer = place(shop, user, path=path)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    identifier = accepted["orderId"]
    assert uuid.UUID(identifier) and accepted["status"] == "PENDING" and accepted["version"] >= 1 and accepted["eventIds"]
    assert answer.headers["location"] == f"/api/v1/orders/{identifier}" and answer.headers["etag"] == f'"{accepted["version"]}"'
    placed = until(shop, identifier, "Confirmed")
    assert placed["status"] == "COMPLETED" and placed["total"] == {"currencyCode": "EUR", "units": "43", "nanos": 317116321}
    assert [(line["productId"], line["quantity"]) for line in placed["items"]] == [("OLJCESPC7Z", 2)]
    assert placed["card"] == {"lastFour": "1111"} and placed["email"] == "an***@example.org" and not placed["refundOwed"]
    assert [step["state"] for step in placed["timeline"]] == ["Created", "PaymentPending", "PaymentAuthorized", "Confirmed"]
    status = saga(shop, accepted["sagaId"])
    assert status["status"] == "COMPLETED" and status["orderId"] == identifier
    assert status["completedSteps"] == ["verify-cart", "process-payment", "schedule-shipment", "send-confirmation", "empty-cart"]
    assert shop.holds(user) == []
    said = shop.services.said()
    assert said.count(f"for {accepted['sagaId']}/process-payment") == 1 and said.count(f"for {accepted['sagaId']}/schedule-shipment") == 1
    assert f"mail: order {identifier} confirmed" in said


def test_a_client_that_prefers_to_wait_gets_the_end(shop, user):
    answer = place(shop, user, prefer="wait=10")
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.json()["status"] == "COMPLETED" and answer.json()["shippingTrackingId"]


def test_a_wait_that_is_too_short_gets_the_acceptance(shop, user, faults):
    faults("ShippingService/ShipOrder=1500ms")
    began = time.monotonic()
    answer = place(shop, user, prefer="wait=1")
    assert answer.status_code == 202 and 0.9 < time.monotonic() - began < 1.6
    until(shop, answer.json()["orderId"], "Confirmed")


def test_an_order_of_nothing_by_nobody(shop):
    answer = place(shop, "", prefer="wait=10", email="")
    assert answer.status_code == 200 and answer.json()["items"] == [] and answer.json()["status"] == "COMPLETED", answer.text


# Refused


@pytest.mark.parametrize(
    ("over", "field"), [
        ({"address": None}, "/address"), ({"creditCard": None}, "/creditCard"), ({"userId": 7}, "/userId"),
        # A body with a card in it: what it has that we do not know is not repeated.
        ({"4111111111111111": 1}, ""),
        ({"creditCard": {**CARD, "creditCardCvv": "x"}}, "/creditCard/creditCardCvv"),
        ({"creditCard": {**CARD, "creditCardNumber": "4" * 40}}, "/creditCard/creditCardNumber")])
def test_a_wrong_field_is_named(shop, user, over, field):
    answer = place(shop, user, **over)
    assert answer.status_code == 400 and field in [each["field"] for each in answer.json()["fields"]], answer.text
    assert "4111111111111111" not in answer.text and "44444" not in answer.text


def test_a_refused_card_is_a_failed_order(shop, user):
    """By REST never a 500 (LEGACY 5)."""
    answer = place(shop, user, prefer="wait=10", creditCard=REFUSED)
    assert answer.status_code == 200, answer.text
    failed = answer.json()
    assert failed["status"] == "FAILED" and "Credit card info is invalid" in failed["reason"] and not failed["refundOwed"]
    assert saga(shop, "checkout-" + failed["orderId"])["status"] == "COMPENSATED"
    assert shop.holds(user) == [("OLJCESPC7Z", 2)], "the cart is kept"


def test_an_unknown_product_is_told_before_anything_is_accepted(shop, user):
    shop.add(user, "nothing")
    answer = place(shop, user)
    assert answer.status_code == 409 and 'failed to prepare order: failed to get product #"nothing"' in answer.json()["detail"], answer.text


def test_an_order_nobody_placed(shop):
    for path in ("/api/v1/orders/none", "/api/orders/none", "/api/sagas/none/status"):
        assert httpx.get(shop.gateway.url + path, timeout=5).status_code == 404


# Services that fail


def test_a_payment_that_is_away_is_waited_for(shop, user, faults):
    """SPEC F-5: parked, and confirmed when the service is back."""
    faults("PaymentService/Charge=UNAVAILABLE:no bank")
    answer = place(shop, user)
    assert answer.status_code == 202
    identifier, saga_id = answer.json()["orderId"], answer.json()["sagaId"]
    sockets.wait_until(lambda: saga(shop, saga_id)["status"] == "PARKED", 40, "the saga to be parked")
    parked = order(shop, identifier)
    assert parked["state"] == "PaymentPending" and parked["status"] == "PENDING"
    listed = json.loads(operate(shop, "saga", "list", "--status", "PARKED", "--json").stdout)
    assert saga_id in [each["sagaId"] for each in listed["sagas"]], listed
    faults()
    # It may have tried again by itself, just now.
    retried = operate(shop, "saga", "retry", saga_id)
    assert retried.returncode == 0 or re.search("the saga is over|nothing of this saga waits", retried.stderr), retried
    assert until(shop, identifier, "Confirmed")["paymentTransactionId"]


def test_a_shipment_that_fails_leaves_a_task_for_the_refund(shop, user, faults):
    """The demo's payment cannot refund: people have to (SPEC T-3)."""
    faults("ShippingService/ShipOrder=INTERNAL:no vans")
    answer = place(shop, user)
    identifier, saga_id = answer.json()["orderId"], answer.json()["sagaId"]
    sockets.wait_until(lambda: saga(shop, saga_id)["status"] == "PARKED", 10, "the task")
    status = saga(shop, saga_id)
    assert [task["step"] for task in status["tasks"]] == ["process-payment"], status
    assert order(shop, identifier)["refundOwed"] is True
    assert operate(shop, "saga", "skip", saga_id).returncode == 0
    sockets.wait_until(lambda: saga(shop, saga_id)["status"] == "COMPENSATED", 10, "the end")
    failed = order(shop, identifier)
    assert failed["status"] == "FAILED" and "no vans" in failed["reason"]


def test_a_confirmation_that_fails_undoes_nothing(shop, user, faults):
    faults("EmailService/SendOrderConfirmation=UNAVAILABLE:no post")
    answer = place(shop, user, prefer="wait=20")
    assert answer.status_code == 200 and answer.json()["status"] == "COMPLETED", answer.text
    identifier = answer.json()["orderId"]
    faults()
    sockets.wait_until(lambda: f"mail: order {identifier} confirmed" in shop.services.said(), 40, "the letter, later")


def test_a_letter_that_can_never_be_sent_is_in_the_dead_letter_queue(shop, user, faults):
    faults("EmailService/SendOrderConfirmation=INVALID_ARGUMENT:no such address")
    identifier = place(shop, user, prefer="wait=20").json()["orderId"]

    def entries() -> list:
        return json.loads(operate(shop, "dlq", "list", "deferred-steps", "--json").stdout)["entries"]

    sockets.wait_until(lambda: any(identifier in json.dumps(each) for each in entries()), 10, "the dead letter")
    entry = next(each for each in entries() if identifier in json.dumps(each))
    shown = operate(shop, "dlq", "show", entry["entry"])
    assert shown.returncode == 0 and "no such address" in shown.stdout, shown
    faults()
    assert operate(shop, "dlq", "retry", entry["entry"]).returncode == 0
    sockets.wait_until(lambda: f"mail: order {identifier} confirmed" in shop.services.said(), 10, "the letter")
    sockets.wait_until(lambda: all(each["entry"] != entry["entry"] for each in entries()), 5, "the queue to be without it")


# Paying and cancelling


def test_cancelling_a_confirmed_order_leaves_a_task_for_the_refund(shop, user):
    identifier = place(shop, user, prefer="wait=10").json()["orderId"]
    answer = httpx.post(f"{shop.gateway.url}/api/v1/orders/{identifier}/cancel", json={"reason": "too late"}, timeout=5)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "CancellationPending"
    sockets.wait_until(lambda: saga(shop, f"cancel-{identifier}")["status"] == "PARKED", 10, "the tasks")
    assert operate(shop, "saga", "skip", f"cancel-{identifier}").returncode == 0
    until(shop, identifier, "Cancelled")


def test_what_cannot_be_cancelled_any_more(shop, user):
    identifier = place(shop, user, prefer="wait=10").json()["orderId"]
    for verb in ("process", "ship"):
        done = httpx.post(f"http://{shop.gateway.admin}/api/v1/orders/{identifier}/{verb}", timeout=5)
        assert done.status_code == 202, done.text
    answer = httpx.post(f"{shop.gateway.url}/api/v1/orders/{identifier}/cancel", json={"reason": "too late"}, timeout=5)
    assert answer.status_code == 409 and answer.json()["code"] == "ILLEGAL_STATE", answer.text
    assert order(shop, identifier)["state"] == "Shipped"


def test_a_paid_order_is_not_paid_again(shop, user):
    identifier = place(shop, user, prefer="wait=10").json()["orderId"]
    answer = httpx.post(f"{shop.gateway.url}/api/v1/orders/{identifier}/pay", json={"creditCard": CARD}, timeout=5)
    assert answer.status_code == 409, answer.text


# The façade


def refused(call, *arguments, **options) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **options)
    return raised.value.code().name, raised.value.details()


def test_the_facade_tells_a_refused_card_as_the_legacy_did(shop, user):
    code, text = refused(shop.order, user, credit_card=card("4111111111111112"))
    assert (code, text) == (
        "INTERNAL", "failed to charge card: could not charge the card: rpc error: code = Code(400) desc = Credit card info is invalid")


def test_the_facade_gives_up_at_its_deadline_and_the_order_goes_on(shop, user, faults):
    faults("ShippingService/ShipOrder=2500ms")
    request = pb.PlaceOrderRequest(
        user_id=user, user_currency="USD", email="ann@example.org", credit_card=card(),
        address=pb.Address(street_address="1", city="Lisbon", country="Portugal", zip_code=1))
    code, text = refused(shop.checkout.PlaceOrder, request, timeout=1)
    assert code == "DEADLINE_EXCEEDED"
    if found := re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", text or ""):
        until(shop, found[0], "Confirmed")


# Card data


def test_no_card_number_is_left_anywhere(shop):
    """In no file of the gateway, nor in what it said; by now there have been orders of every kind."""
    for path in shop.gateway.folder.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            for number in (b"4111111111111111", b"4111111111111112"):
                assert number not in held, path
    assert not any("41111111" in line for line in shop.gateway.stderr)
