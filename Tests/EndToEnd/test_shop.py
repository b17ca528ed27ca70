"""The shop behind the gateway: every *_SERVICE_ADDR, also those of its own services, is the gateway's one
listener, and nothing differs from what its clients know."""

import concurrent.futures
import re
import time
import uuid

from harness.shop import SERVICES, Services, Shop, card, pb, rpc

import grpc  # noqa: E402: after the harness, which settles how it forks
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import sockets
from harness.http2 import request_fields
from harness.http2_ends import Client

INVALID = "Credit card info is invalid"
CHARGE = "failed to charge card: could not charge the card: rpc error: code = Code(400) desc = "


@pytest.fixture(scope="module", params=[(0, 0), (100, 0), (0, 100), (100, 100)], ids=["legacy", "carts", "orders", "core"])
def shop(request, tmp_path_factory, shared_stage):
    """On every side of both flags: whose carts and whose orders they are makes no difference to anybody."""
    carts, orders = request.param
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=carts, checkout=orders) as made:
        yield made


@pytest.fixture
def user() -> str:
    return str(uuid.uuid4())


def money(code: str, units: int, nanos: int = 0):
    return pb.Money(currency_code=code, units=units, nanos=nanos)


def refused(call, *arguments, **options) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **options)
    return raised.value.code().name, raised.value.details()


# Cart


def test_the_cart_merges_by_product(shop, user):
    expected: dict[str, int] = {}
    for product, quantity in (("OLJCESPC7Z", 2), ("66VCHSJNUP", 1), ("OLJCESPC7Z", 3), ("no such product", 4), ("66VCHSJNUP", 10)):
        shop.add(user, product, quantity)
        expected[product] = expected.get(product, 0) + quantity
        assert shop.holds(user) == list(expected.items()), "what was written is read"
    assert shop.cart.GetCart(pb.GetCartRequest(user_id=user), timeout=5).user_id == user


def test_a_cart_of_nobody_is_empty_and_has_no_user(shop, user):
    assert shop.cart.GetCart(pb.GetCartRequest(user_id=user), timeout=5) == pb.Cart()


def test_emptying_twice_is_no_error(shop, user):
    shop.add(user, "OLJCESPC7Z")
    for _ in range(2):
        assert shop.cart.EmptyCart(pb.EmptyCartRequest(user_id=user), timeout=5) == pb.Empty()
        assert shop.holds(user) == []


def test_two_hundred_additions_at_once_on_one_connection_sum_up(shop, user):
    ask = pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=1))
    calls = [shop.cart.AddItem.future(ask, timeout=20) for _ in range(200)]
    assert all(call.result() == pb.Empty() for call in calls)
    assert shop.holds(user) == [("OLJCESPC7Z", 200)]


# Catalogue, currency, shipping, recommendations, ads


def test_browsing(shop):
    products = shop.catalogue.ListProducts(pb.Empty(), timeout=5).products
    assert len(products) >= 9 and all(re.fullmatch(r"[A-Z0-9]{10}", each.id) and each.name and each.categories for each in products)
    for product in products:
        assert shop.catalogue.GetProduct(pb.GetProductRequest(id=product.id), timeout=5) == product
    prices = {(each.price_usd.units, each.price_usd.nanos) for each in products}
    assert {(19, 990000000), (18, 490000000)} <= prices


def test_an_unknown_product_is_not_found(shop):
    assert refused(shop.catalogue.GetProduct, pb.GetProductRequest(id="nothing"), timeout=5) == ("NOT_FOUND", "no product with ID nothing")


def test_search_looks_into_names_and_descriptions(shop):
    search = lambda text: [each.id for each in shop.catalogue.SearchProducts(pb.SearchProductsRequest(query=text), timeout=5).results]  # noqa: E731
    assert search("sunGLASSES") == ["OLJCESPC7Z"] and search("TORTOISE") == ["OLJCESPC7Z"] and search("no such thing") == []


@pytest.mark.parametrize(
    ("amount", "code", "expected"), [
        (money("USD", 19, 990000000), "EUR", (17, 682441398)), (money("USD", 18, 490000000), "JPY", (2067, 347191568)),
        (money("EUR", 5), "EUR", (5, 0)), (money("USD", 19, 990000000), "XTS", (0, 0)), (money("USD", 19, 990000000), "", (0, 0))])
def test_conversion(shop, amount, code, expected):
    answer = shop.currency.Convert(pb.CurrencyConversionRequest(**{"from": amount}, to_code=code), timeout=5)
    assert answer == money(code, *expected)


def test_currencies(shop):
    assert {"EUR", "USD", "JPY", "GBP", "CAD", "TRY"} <= set(shop.currency.GetSupportedCurrencies(pb.Empty(), timeout=5).currency_codes)


def test_quotes(shop):
    quote = lambda *quantities: shop.shipping.GetQuote(  # noqa: E731
        pb.GetQuoteRequest(items=[pb.CartItem(product_id="x", quantity=each) for each in quantities]), timeout=5)
    assert quote(1).cost_usd == quote(7, 3).cost_usd == quote(-1).cost_usd == money("USD", 8, 990000000)
    # No cost is said, not left out.
    assert quote().HasField("cost_usd") and (quote().cost_usd.units, quote(2, -2).cost_usd.units) == (0, 0)


def test_recommendations_leave_out_what_was_given(shop):
    everything = {each.id for each in shop.catalogue.ListProducts(pb.Empty(), timeout=5).products}
    recommend = lambda ids: shop.recommendation.ListRecommendations(  # noqa: E731
        pb.ListRecommendationsRequest(user_id="u", product_ids=ids), timeout=5).product_ids
    assert len(set(recommend([]))) == 5 and set(recommend([])) <= everything
    given = sorted(everything)[3:]
    assert sorted(recommend(given)) == sorted(everything - set(given))


@pytest.mark.parametrize("keys", [[], ["clothing"], ["no such category"]])
def test_there_is_always_an_ad(shop, keys):
    ads = shop.ad.GetAds(pb.AdRequest(context_keys=keys), timeout=5).ads
    assert ads and all(each.redirect_url and each.text for each in ads)


def test_slow_ads_are_given_up_after_their_deadline(shop):
    """As the web front asks: 100 ms, and the page goes on without."""
    slow = [("shop-fault", "AdService/GetAds=600ms")]
    assert refused(shop.ad.GetAds, pb.AdRequest(), timeout=0.1, metadata=slow)[0] == "DEADLINE_EXCEEDED"


def test_hundreds_of_ads_given_up_cost_nobody_else_anything(shop, user):
    """All users of a front end share its connection: resets must not end it."""
    slow = [("shop-fault", "AdService/GetAds=300ms")]
    for number in range(5):
        given_up = [shop.ad.GetAds.future(pb.AdRequest(), timeout=0.1, metadata=slow) for _ in range(120)]
        shop.add(user, "OLJCESPC7Z")
        assert shop.holds(user) == [("OLJCESPC7Z", number + 1)]
        assert {call.code() for call in given_up} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert shop.ad.GetAds(pb.AdRequest(), timeout=10).ads


def test_mail(shop):
    assert shop.email.SendOrderConfirmation(pb.SendOrderConfirmationRequest(email="ann@example.org"), timeout=5) == pb.Empty()


# Payment


@pytest.mark.parametrize(
    ("number", "year", "month", "text"), [
        ("4111111111111112", 2039, 1, INVALID), ("", 2039, 1, INVALID), ("41111111111111", 2039, 1, INVALID), ("2223003122003222", 2039, 1, INVALID),
        ("378282246310005", 2039, 1, "Sorry, we cannot process amex credit cards. Only VISA or MasterCard is accepted."),
        ("4111-1111-1111-1111", 2020, 3, "Your credit card (ending 1111) expired on 3/2020")])
def test_refused_cards(shop, user, number, year, month, text):
    """The number 400 is in no enumeration and yet arrives: grpcio shows UNKNOWN for it, the wire says 400."""
    charge = pb.ChargeRequest(amount=money("USD", 1), credit_card=card(number, year, month))
    assert refused(shop.payment.Charge, charge, timeout=5) == ("UNKNOWN", text)
    with Client(shop.gateway.address) as raw:
        stream = raw.settle().open(request_fields(
            "/hipstershop.PaymentService/Charge", ("content-type", "application/grpc"), ("te", "trailers"), method="POST"), False, "POST")
        encoded = charge.SerializeToString()
        raw.send_body(stream, b"\0" + len(encoded).to_bytes(4, "big") + encoded)
        raw.finish(stream)
    assert stream.status == 200 and dict([*stream.head, *stream.trailers])[b"grpc-status"] == b"400"
    shop.add(user, "OLJCESPC7Z")
    assert refused(shop.order, user, credit_card=card(number, year, month)) == ("INTERNAL", CHARGE + text)
    assert shop.holds(user) == [("OLJCESPC7Z", 1)], "the cart is kept"


@pytest.mark.parametrize("number", ["4111111111111111", "4432-8015-6152-0454", "5555555555554444", "5105 1051 0510 5100"])
def test_accepted_cards(shop, number):
    assert uuid.UUID(shop.payment.Charge(pb.ChargeRequest(amount=money("USD", 1), credit_card=card(number)), timeout=5).transaction_id)


# Checkout


def test_checkout(shop, user):
    shop.add(user, "OLJCESPC7Z", 2)
    shop.add(user, "LS4PSXUNUM", 1)
    order = shop.order(user, "EUR")
    assert uuid.UUID(order.order_id) and order.shipping_tracking_id and order.shipping_address.city == "Lisbon"
    assert [(line.item.product_id, line.item.quantity) for line in order.items] == [("OLJCESPC7Z", 2), ("LS4PSXUNUM", 1)]
    assert order.items[0].cost == money("EUR", 17, 682441398)
    assert {order.shipping_cost.currency_code, *(line.cost.currency_code for line in order.items)} == {"EUR"}
    assert order.shipping_cost.units == 7
    assert shop.holds(user) == [], "the cart is empty at once"
    sockets.wait_until(lambda: f"mail: order {order.order_id} confirmed" in shop.services.said(), 5, "the confirmation")


def test_an_order_of_nothing(shop, user):
    order = shop.order(user, email="")
    assert not order.items and order.HasField("shipping_cost") and order.shipping_cost == money("USD", 0)
    assert shop.order("").order_id != order.order_id


@pytest.mark.parametrize("currency", ["XTS", ""])
def test_an_unknown_currency_costs_nothing(shop, user, currency):
    shop.add(user, "OLJCESPC7Z")
    order = shop.order(user, currency)
    assert order.items[0].HasField("cost") and order.items[0].cost == order.shipping_cost == money(currency, 0)


def test_an_unknown_product_stops_the_checkout(shop, user):
    shop.add(user, "OLJCESPC7Z")
    shop.add(user, "nothing")
    assert refused(shop.order, user) == ("INTERNAL", 'failed to prepare order: failed to get product #"nothing"')
    assert shop.holds(user) == [("OLJCESPC7Z", 1), ("nothing", 1)]


@pytest.mark.parametrize(
    ("fault", "code", "text"), [
        ("ProductCatalogService/GetProduct=INTERNAL:x", "INTERNAL", 'failed to prepare order: failed to get product #"OLJCESPC7Z"'),
        ("CurrencyService/Convert=INTERNAL:x", "INTERNAL", 'failed to prepare order: failed to convert price of "OLJCESPC7Z" to USD'),
        ("ShippingService/GetQuote=UNAVAILABLE:no vans", "INTERNAL",
         "shipping quote failure: failed to get shipping quote: rpc error: code = Unavailable desc = no vans"),
        ("ShippingService/ShipOrder=INTERNAL:no vans", "UNAVAILABLE",
         "shipping error: shipment failed: rpc error: code = Internal desc = no vans")])
def test_a_failing_service_is_told_in_its_words(shop, user, fault, code, text):
    shop.add(user, "OLJCESPC7Z")
    assert refused(shop.order, user, faults=(fault,)) == (code, text)
    assert shop.holds(user) == [("OLJCESPC7Z", 1)]


def test_a_payment_service_that_is_away(shop, user):
    """The legacy gives up; the event core keeps the order, and says which one it is (SPEC T-6)."""
    shop.add(user, "OLJCESPC7Z")
    fault = ("PaymentService/Charge=UNAVAILABLE:no bank",)
    if shop.is_core:
        code, text = refused(shop.order, user, faults=fault, timeout=1.5)
        assert code == "DEADLINE_EXCEEDED" and re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", text), text
    else:
        assert refused(shop.order, user, faults=fault) == (
            "INTERNAL", "failed to charge card: could not charge the card: rpc error: code = Unavailable desc = no bank")
    assert shop.holds(user) == [("OLJCESPC7Z", 1)]


def test_a_failing_cart(shop, user, request):
    fault = "CartService/GetCart=FAILED_PRECONDITION:store"
    shop.add(user, "OLJCESPC7Z")
    if request.node.callspec.params["shop"][0] == 100:
        assert shop.order(user, faults=(fault,)).order_id, "the legacy cart is not asked"
    else:
        text = "cart failure: failed to get user cart during checkout: rpc error: code = FailedPrecondition desc = store"
        assert refused(shop.order, user, faults=(fault,)) == ("INTERNAL", text)


def test_a_shipping_cost_that_cannot_be_converted(shop, user):
    assert refused(shop.order, user, faults=("CurrencyService/Convert=INTERNAL:x",)) == (
        "INTERNAL", "failed to convert shipping cost to currency: failed to convert currency: rpc error: code = Internal desc = x")


def test_what_comes_after_the_shipment_does_not_fail_the_order(shop, user):
    shop.add(user, "OLJCESPC7Z")
    order = shop.order(user, faults=("CartService/EmptyCart=INTERNAL", "EmailService/SendOrderConfirmation=UNAVAILABLE"))
    assert order.shipping_tracking_id and len(order.items) == 1


def test_customers_at_the_same_time_get_their_own_orders(shop):
    def visit(number: int) -> tuple:
        name = f"customer {number} {uuid.uuid4()}"
        for product, quantity in (("OLJCESPC7Z", number + 1), ("LS4PSXUNUM", 1)):
            shop.add(name, product, quantity)
        order = shop.order(name, ("EUR", "JPY", "USD")[number % 3])
        assert shop.holds(name) == []
        return order.order_id, [line.item.quantity for line in order.items], order.items[0].cost.currency_code

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        orders = list(pool.map(visit, range(60)))
    assert [(quantities, currency) for _, quantities, currency in orders] == [
        ([number + 1, 1], ("EUR", "JPY", "USD")[number % 3]) for number in range(60)]
    assert len({identifier for identifier, _, _ in orders}) == 60


def test_a_missing_address_is_refused_before_anything_is_charged(shop, user):
    """The legacy shipping service ended with it, after the charge."""
    shop.add(user, "OLJCESPC7Z")
    charged = shop.services.said().count("payment: charged")
    assert refused(shop.checkout.PlaceOrder, pb.PlaceOrderRequest(user_id=user, user_currency="USD", credit_card=card()), timeout=5)[0] == "INVALID_ARGUMENT"
    assert shop.services.said().count("payment: charged") == charged and shop.holds(user) == [("OLJCESPC7Z", 1)]
    assert shop.order(user).items[0].item.quantity == 1
    assert shop.services.said().count("payment: charged") == charged + 1


def test_a_negative_quantity_is_refused(shop, user):
    """The legacy cart took it, and the legacy checkout added for ever."""
    assert refused(shop.add, user, "OLJCESPC7Z", -1)[0] == "INVALID_ARGUMENT"
    assert shop.holds(user) == []


def test_the_stand_ins_survive_what_broke_the_legacy(tmp_path, user):
    """Asked directly: they refuse nothing that it does not refuse, and yet answer."""
    services = Services(tmp_path / "shop.log", "--base-port", "0")
    channels = [grpc.insecure_channel(services.ports[name]) for name in ("cart", "checkout")]
    cart, checkout = rpc.CartServiceStub(channels[0]), rpc.CheckoutServiceStub(channels[1])
    try:
        add = lambda quantity: cart.AddItem(  # noqa: E731
            pb.AddItemRequest(user_id=user, item=pb.CartItem(product_id="OLJCESPC7Z", quantity=quantity)), timeout=5)
        add(-1)
        ask = pb.PlaceOrderRequest(user_id=user, user_currency="USD", credit_card=card())
        assert refused(checkout.PlaceOrder, ask, timeout=0.5)[0] == "DEADLINE_EXCEEDED"
        add(2)
        code, text = refused(checkout.PlaceOrder, ask, timeout=5)
        assert code == "UNAVAILABLE" and text.startswith("shipping error: shipment failed: rpc error: code = Unavailable desc = ")
        ask.address.city = "Lisbon"
        assert checkout.PlaceOrder(ask, timeout=5).order.items[0].item.quantity == 1
    finally:
        for channel in channels:
            channel.close()
        services.close()


# The services themselves


def test_each_service_says_that_it_is_well(shop):
    for name, address in shop.services.ports.items():
        with grpc.insecure_channel(address) as channel:
            for service in ("", f"hipstershop.{SERVICES[name][0]}"):
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_services_that_are_away(tmp_path, stage, user):
    """Their callers get UNAVAILABLE from the gateway, and the checkout passes that on in its words."""
    with Shop(tmp_path, stage, elsewhere={name: [sockets.closed_address()] for name in ("cart", "recommendation")}) as shop:
        assert refused(shop.recommendation.ListRecommendations, pb.ListRecommendationsRequest(), timeout=5)[0] == "UNAVAILABLE"
        code, text = refused(shop.order, user)
        assert code == "INTERNAL" and text.startswith("cart failure: failed to get user cart during checkout: rpc error: code = Unavailable desc = ")


def test_payment_that_is_away(tmp_path, stage, user):
    with Shop(tmp_path, stage, elsewhere={"payment": [sockets.closed_address()]}) as shop:
        shop.add(user, "OLJCESPC7Z")
        code, text = refused(shop.order, user)
        assert code == "INTERNAL" and text.startswith("failed to charge card: could not charge the card: rpc error: code = Unavailable desc = ")
        assert shop.holds(user) == [("OLJCESPC7Z", 1)]


def test_a_service_that_dies_and_comes_back(tmp_path, stage, user):
    port = sockets.free_port()
    start = lambda: Services(tmp_path / "cart.log", "--only", "cart", "--base-port", str(port))  # noqa: E731
    carts = start()
    try:
        with Shop(tmp_path, stage, elsewhere={"cart": [carts.ports["cart"]]}) as shop:
            shop.add(user, "OLJCESPC7Z", 3)
            waiting = shop.cart.GetCart.future(
                pb.GetCartRequest(user_id=user), timeout=10, metadata=[("shop-fault", "CartService/GetCart=5000ms")])
            sockets.wait_until(lambda: not waiting.done(), 1, "the call to be under way")
            time.sleep(0.3)
            began = time.monotonic()
            carts.kill()
            assert refused(waiting.result)[0] == "UNAVAILABLE" and time.monotonic() - began < 2
            assert refused(shop.holds, user)[0] == "UNAVAILABLE"
            carts = start()
            assert shop.holds(user) == [], "a new service, the same connection of the client"
            shop.add(user, "OLJCESPC7Z")
            assert len(shop.order(user).items) == 1
    finally:
        carts.close()
