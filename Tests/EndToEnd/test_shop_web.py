"""A page in a browser shops by gRPC-Web, whoever keeps the carts."""

import contextlib
import uuid

from harness.shop import Shop, pb

import pytest

from harness import grpc_web

OK = 0


@pytest.fixture(scope="module", params=[0, 100], ids=["legacy", "core"])
def shop(request, tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=request.param) as made:
        yield made


@pytest.fixture(params=[(text, http2) for text in (False, True) for http2 in (False, True)])
def page(request, shop):
    with contextlib.closing(grpc_web.Client(shop.gateway.address, *request.param)) as made:
        yield made


def test_a_cart_is_filled_read_and_emptied(shop, page):
    user = str(uuid.uuid4())

    def ask(method: str, message, kind):
        answer = page.call(f"/hipstershop.CartService/{method}", message.SerializeToString())
        assert answer.status == OK and len(answer.messages) == 1, answer
        return kind.FromString(answer.messages[0])

    for quantity in (2, 3):
        item = pb.CartItem(product_id="OLJCESPC7Z", quantity=quantity)
        assert ask("AddItem", pb.AddItemRequest(user_id=user, item=item), pb.Empty) == pb.Empty()
    cart = ask("GetCart", pb.GetCartRequest(user_id=user), pb.Cart)
    assert cart.user_id == user and [(each.product_id, each.quantity) for each in cart.items] == [("OLJCESPC7Z", 5)]
    assert shop.holds(user) == [("OLJCESPC7Z", 5)], "the same cart by gRPC"
    assert ask("EmptyCart", pb.EmptyCartRequest(user_id=user), pb.Empty) == pb.Empty()
    assert not ask("GetCart", pb.GetCartRequest(user_id=user), pb.Cart).items


def test_what_is_no_message_is_refused(page):
    answer = page.call("/hipstershop.CartService/AddItem", b"\xff\xff\xff\xff")
    assert answer.status != OK and answer.messages == []
