"""Carts, in memory. Nothing is checked: what a client adds is in the cart."""

import threading

from .stubs import pb, rpc


def wrapped(number: int) -> int:
    """As 32 bits hold it."""
    return (number + 2**31) % 2**32 - 2**31


class Cart(rpc.CartServiceServicer):
    def __init__(self):
        self._lock = threading.Lock()
        # user -> product -> quantity; a product keeps the place at which it first came.
        self._carts: dict[str, dict[str, int]] = {}

    def AddItem(self, request, context):
        with self._lock:
            cart = self._carts.setdefault(request.user_id, {})
            cart[request.item.product_id] = wrapped(cart.get(request.item.product_id, 0) + request.item.quantity)
        return pb.Empty()

    def GetCart(self, request, context):
        with self._lock:
            cart = self._carts.get(request.user_id)
            if cart is None:
                return pb.Cart()
            items = [pb.CartItem(product_id=product, quantity=quantity) for product, quantity in cart.items()]
            return pb.Cart(user_id=request.user_id, items=items)

    def EmptyCart(self, request, context):
        with self._lock:
            self._carts.pop(request.user_id, None)
        return pb.Empty()
