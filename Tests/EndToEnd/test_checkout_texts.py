"""What callers of PlaceOrder read when it fails: the same from the event core's checkout as from the legacy one."""

import grpc
import pytest

from harness.shop import Shop, card


@pytest.fixture(params=[0, 100], ids=["legacy", "event-core"], scope="module")
def shop(request, tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, checkout=request.param) as shop:
        yield shop


def refused(shop: Shop, user: str, **over) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        shop.order(user, "EUR", **over)
    return refused.value.code(), refused.value.details()


@pytest.mark.parametrize(("fault", "code", "text"), [
    ("CartService/GetCart=UNAVAILABLE:no carts", "INTERNAL",
     "cart failure: failed to get user cart during checkout: rpc error: code = Unavailable desc = no carts"),
    ("ProductCatalogService/GetProduct=INTERNAL", "INTERNAL", 'failed to prepare order: failed to get product #"OLJCESPC7Z"'),
    ("ProductCatalogService/GetProduct=NOT_FOUND", "INTERNAL", 'failed to prepare order: failed to get product #"OLJCESPC7Z"'),
    ("CurrencyService/Convert=UNAVAILABLE", "INTERNAL", 'failed to prepare order: failed to convert price of "OLJCESPC7Z" to EUR'),
    ("ShippingService/GetQuote=DEADLINE_EXCEEDED:no vans", "INTERNAL",
     "shipping quote failure: failed to get shipping quote: rpc error: code = DeadlineExceeded desc = no vans"),
    ("PaymentService/Charge=FAILED_PRECONDITION:no money", "INTERNAL",
     "failed to charge card: could not charge the card: rpc error: code = FailedPrecondition desc = no money"),
    ("ShippingService/ShipOrder=INTERNAL:no vans", "UNAVAILABLE",
     "shipping error: shipment failed: rpc error: code = Internal desc = no vans"),
    ("ShippingService/ShipOrder=UNAVAILABLE:no vans", "UNAVAILABLE",
     "shipping error: shipment failed: rpc error: code = Unavailable desc = no vans"),
])
def test_a_service_fails(shop: Shop, fault: str, code: str, text: str):
    user = fault
    shop.add(user, "OLJCESPC7Z", 2)
    shop.fails(fault)
    try:
        answer = refused(shop, user)
    finally:
        shop.fails()
    assert answer == (grpc.StatusCode[code], text)
    assert shop.holds(user) == [("OLJCESPC7Z", 2)]


@pytest.mark.parametrize(("given", "words"), [
    (card("4111111111111112"), "Credit card info is invalid"),
    (card("371449635398431"), "Sorry, we cannot process amex credit cards. Only VISA or MasterCard is accepted."),
    (card(year=2020), "Your credit card (ending 1111) expired on 1/2020"),
])
def test_a_card_is_refused(shop: Shop, given, words: str):
    shop.add("ann", "OLJCESPC7Z")
    code, text = refused(shop, "ann", credit_card=given)
    assert (code, text) == (
        grpc.StatusCode.INTERNAL, f"failed to charge card: could not charge the card: rpc error: code = Code(400) desc = {words}")


def test_an_unknown_product(shop: Shop):
    shop.add("tom", "OLJCESPC7Z")
    shop.add("tom", 'a "b"')
    assert refused(shop, "tom") == (grpc.StatusCode.INTERNAL, r'failed to prepare order: failed to get product #"a \"b\""')


def test_what_is_taken_all_the_same(shop: Shop):
    assert list(shop.order("nobody-yet", "EUR").items) == []
    assert list(shop.order("", "EUR").items) == []
    for currency in ("XYZ", ""):
        shop.add("eve", "OLJCESPC7Z")
        order = shop.order("eve", currency)
        assert order.items[0].HasField("cost") and order.items[0].cost.units == 0 and order.HasField("shipping_cost")
    shop.add("eve", "OLJCESPC7Z")
    assert shop.order("eve", email="").shipping_tracking_id
    shop.add("eve", "OLJCESPC7Z")
    shop.fails("EmailService/SendOrderConfirmation=UNAVAILABLE")
    try:
        assert shop.order("eve").shipping_tracking_id
    finally:
        shop.fails()
    assert shop.holds("eve") == []
