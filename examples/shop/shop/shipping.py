"""Shipping: one price for any parcel."""

import secrets
import string

import grpc

from .onward import caller
from .stubs import pb, rpc


def tracking_number() -> str:
    letters = "".join(secrets.choice(string.ascii_uppercase) for _ in range(2))
    return f"{letters}-{secrets.randbelow(10**5):05}-{secrets.randbelow(10**9):09}"


class Shipping(rpc.ShippingServiceServicer):
    def GetQuote(self, request, context):
        cost = pb.Money(currency_code="USD")
        if sum(item.quantity for item in request.items) != 0:
            cost.units, cost.nanos = 8, 990_000_000
        return pb.GetQuoteResponse(cost_usd=cost)

    def ShipOrder(self, request, context):
        if not request.HasField("address"):
            # The legacy service dies of this, and its caller sees the connection break. Ours lives on.
            context.abort(grpc.StatusCode.UNAVAILABLE, "error reading from server: EOF")
        print(f"shipping: a parcel{caller(context)}", flush=True)
        return pb.ShipOrderResponse(tracking_id=tracking_number())
