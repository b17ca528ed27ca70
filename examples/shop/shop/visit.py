"""A customer: looks around, fills a cart, pays, and tries a card that is refused. Every service has the
same ADDRESS, as behind a gateway. Exit code 1 when something is not as it should be.

    run visit 127.0.0.1:8080
"""

import sys

import grpc

from .raw_call import Ended, unary
from .stubs import pb, rpc

wrong: list[str] = []


def say(what: str, how) -> None:
    print(f"{what:<16}{how}")


def expect(condition: bool, what: str) -> None:
    if not condition:
        wrong.append(what)
        say("NOT AS EXPECTED", what)


def price(money) -> str:
    return f"{money.currency_code} {money.units}.{money.nanos // 10_000_000:02}"


def order(card: str):
    return pb.PlaceOrderRequest(
        user_id="visitor", user_currency="EUR", email="visitor@example.org",
        address=pb.Address(street_address="1 Harbour Street", city="Lisbon", country="Portugal", zip_code=1100),
        credit_card=pb.CreditCardInfo(
            credit_card_number=card, credit_card_cvv=672, credit_card_expiration_year=2039, credit_card_expiration_month=1))


def visit(address: str) -> None:
    channel = grpc.insecure_channel(address)
    cart, catalogue = rpc.CartServiceStub(channel), rpc.ProductCatalogServiceStub(channel)
    currency, checkout = rpc.CurrencyServiceStub(channel), rpc.CheckoutServiceStub(channel)

    for product in catalogue.ListProducts(pb.Empty(), timeout=5).products[:4]:
        say("on the shelf", f"{product.id}  {product.name}, {price(product.price_usd)}")
    found = catalogue.SearchProducts(pb.SearchProductsRequest(query="GLASSES"), timeout=5).results
    say("search", ", ".join(each.name for each in found))
    expect([each.id for each in found] == ["OLJCESPC7Z"], "one product has glasses")

    codes = currency.GetSupportedCurrencies(pb.Empty(), timeout=5).currency_codes
    euros = currency.Convert(pb.CurrencyConversionRequest(**{"from": found[0].price_usd}, to_code="EUR"), timeout=5)
    say("currency", f"{len(codes)} of them; {price(found[0].price_usd)} is {price(euros)}")
    expect((euros.units, euros.nanos) == (17, 682441398), "19.99 dollars in euros")

    offered = rpc.RecommendationServiceStub(channel).ListRecommendations(
        pb.ListRecommendationsRequest(user_id="visitor", product_ids=["OLJCESPC7Z"]), timeout=5).product_ids
    say("recommended", " ".join(offered))
    expect(len(offered) == 5 and "OLJCESPC7Z" not in offered, "five others are recommended")
    ads = rpc.AdServiceStub(channel).GetAds(pb.AdRequest(context_keys=["accessories"]), timeout=5).ads
    say("ad", ads[0].text)

    cart.EmptyCart(pb.EmptyCartRequest(user_id="visitor"), timeout=5)
    for product, quantity in (("OLJCESPC7Z", 2), ("LS4PSXUNUM", 1), ("OLJCESPC7Z", 1)):
        cart.AddItem(pb.AddItemRequest(user_id="visitor", item=pb.CartItem(product_id=product, quantity=quantity)), timeout=5)
    held = [(item.product_id, item.quantity) for item in cart.GetCart(pb.GetCartRequest(user_id="visitor"), timeout=5).items]
    say("cart", held)
    expect(held == [("OLJCESPC7Z", 3), ("LS4PSXUNUM", 1)], "the cart merges by product")

    quote = rpc.ShippingServiceStub(channel).GetQuote(pb.GetQuoteRequest(items=[pb.CartItem(quantity=4)]), timeout=5)
    say("shipping", price(quote.cost_usd))

    try:
        checkout.PlaceOrder(order("4111111111111112"), timeout=10)
        expect(False, "a card whose digits do not add up is refused")
    except grpc.RpcError as error:
        say("refused", f"{error.code().name}: {error.details()}")
        expect("code = Code(400) desc = Credit card info is invalid" in error.details(), "the refusal's own number and text")
    placed = checkout.PlaceOrder(order("4111111111111111"), timeout=10).order
    say("order", f"{placed.order_id}, parcel {placed.shipping_tracking_id}, shipping {price(placed.shipping_cost)}")
    for line in placed.items:
        say("", f"{line.item.quantity} x {line.item.product_id} at {price(line.cost)}")
    expect(len(placed.items) == 2, "two lines are ordered")
    expect(not cart.GetCart(pb.GetCartRequest(user_id="visitor"), timeout=5).items, "the cart is empty afterwards")

    # The number itself, which grpcio would not show.
    charge = pb.ChargeRequest(credit_card=pb.CreditCardInfo(credit_card_number="378282246310005"))
    try:
        unary(address, "/hipstershop.PaymentService/Charge", charge.SerializeToString(), [], 5)
        expect(False, "a card of another kind is refused")
    except Ended as ended:
        say("status", f"{ended.number}: {ended.text}")
        expect(ended.number == 400, "the payment service's number arrives")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    visit(sys.argv[1])
    sys.exit(1 if wrong else 0)
