"""Checkout: a cart becomes an order, in a fixed order of calls, with the texts clients know.

Where the legacy never answers (a negative quantity makes it add for ever), this one waits until the
caller's deadline, at most `HANG` seconds, and says DEADLINE_EXCEEDED.
"""

import json
import time
import uuid

import grpc

from . import money
from .faults import passed_on
from .onward import Onward, remaining
from .raw_call import Ended, unary
from .status import describe, described
from .stubs import pb, rpc

HANG = 10.0


class Failed(Exception):
    """What the caller is told."""

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.INTERNAL):
        super().__init__(text)
        self.code = code


class Checkout(rpc.CheckoutServiceServicer):
    def __init__(self, others: dict[str, Onward], payment: str):
        """`others` by name; `payment` is an address."""
        self._others = others
        self._payment = payment

    def PlaceOrder(self, request, context):
        try:
            return pb.PlaceOrderResponse(order=self._place(request, context))
        except Failed as failed:
            context.abort(failed.code, str(failed))

    def _place(self, request, context):
        order = pb.OrderResult(order_id=str(uuid.uuid4()))
        items = self._cart(request, context)
        order.items.extend(self._priced(items, request.user_currency, context))
        order.shipping_cost.CopyFrom(self._shipping_cost(request, items, context))
        total = order.shipping_cost
        for line in order.items:
            total = money.total(total, line.cost, line.item.quantity)
        self._charge(total, request.credit_card, context)
        try:
            shipped = self._call(context, "shipping", "ShipOrder", pb.ShipOrderRequest(address=_given(request, "address"), items=items))
        except grpc.RpcError as error:
            raise Failed(f"shipping error: shipment failed: {describe(error)}", grpc.StatusCode.UNAVAILABLE) from None
        order.shipping_tracking_id = shipped.tracking_id
        if request.HasField("address"):
            order.shipping_address.CopyFrom(request.address)
        self._afterwards(context, "cart", "EmptyCart", pb.EmptyCartRequest(user_id=request.user_id))
        self._afterwards(context, "email", "SendOrderConfirmation", pb.SendOrderConfirmationRequest(email=request.email, order=order))
        return order

    def _call(self, context, service: str, method: str, request):
        return self._others[service].call(context, method, request)

    def _cart(self, request, context) -> list:
        try:
            items = list(self._call(context, "cart", "GetCart", pb.GetCartRequest(user_id=request.user_id)).items)
        except grpc.RpcError as error:
            raise Failed(f"cart failure: failed to get user cart during checkout: {describe(error)}") from None
        if any(item.quantity < 0 for item in items):
            left = remaining(context)
            time.sleep(HANG if left is None else min(HANG, left))
            raise Failed("context deadline exceeded", grpc.StatusCode.DEADLINE_EXCEEDED)
        return items

    def _priced(self, items: list, currency: str, context):
        for item in items:
            quoted = json.dumps(item.product_id, ensure_ascii=False)
            try:
                product = self._call(context, "catalogue", "GetProduct", pb.GetProductRequest(id=item.product_id))
            except grpc.RpcError:
                raise Failed(f"failed to prepare order: failed to get product #{quoted}") from None
            try:
                cost = self._converted(product.price_usd, currency, context)
            except grpc.RpcError:
                raise Failed(f"failed to prepare order: failed to convert price of {quoted} to {currency}") from None
            yield pb.OrderItem(item=item, cost=cost)

    def _converted(self, amount, currency: str, context):
        return self._call(context, "currency", "Convert", pb.CurrencyConversionRequest(**{"from": amount}, to_code=currency))

    def _shipping_cost(self, request, items: list, context):
        try:
            quote = self._call(context, "shipping", "GetQuote", pb.GetQuoteRequest(address=_given(request, "address"), items=items))
        except grpc.RpcError as error:
            raise Failed(f"shipping quote failure: failed to get shipping quote: {describe(error)}") from None
        try:
            return self._converted(quote.cost_usd, request.user_currency, context)
        except grpc.RpcError as error:
            raise Failed(f"failed to convert shipping cost to currency: failed to convert currency: {describe(error)}") from None

    def _charge(self, total, card, context) -> None:
        charge = pb.ChargeRequest(amount=total, credit_card=card).SerializeToString()
        try:
            unary(self._payment, "/hipstershop.PaymentService/Charge", charge, passed_on(context), remaining(context))
        except Ended as ended:
            raise Failed(
                f"failed to charge card: could not charge the card: {described(ended.number, ended.text)}") from None

    def _afterwards(self, context, service: str, method: str, request) -> None:
        """What no longer changes the answer."""
        try:
            self._call(context, service, method, request)
        except grpc.RpcError as error:
            print(f"checkout: {method}: {describe(error)}", flush=True)


def _given(request, field: str):
    return getattr(request, field) if request.HasField(field) else None
