"""`nexus.gateway.v1.Carts`: the event core's commands and queries as gRPC, through grpcio."""

import concurrent.futures

from harness.grpc_stubs import compiled

import grpc  # noqa: E402: after grpc_stubs, which settles how it forks
import pytest
from harness import gateway as gateways

# First: the other imports it.
shop, _ = compiled(gateways.ROOT / "contracts", "hipstershop")
pb, rpc = compiled(gateways.ROOT / "contracts", "gateway")


@pytest.fixture
def running(stage, tmp_path):
    config = gateways.settings(
        contracts={"descriptors": str(gateways.ROOT / "contracts/descriptors.binpb")},
        routes=["routes", *gateways.open_routes(tmp_path, "shop/gateway")])
    return stage.gateway(config, [])


@pytest.fixture
def carts(running):
    with grpc.insecure_channel(running.address) as channel:
        yield rpc.CartsStub(channel)


def item(product: str, quantity: int):
    return shop.CartItem(product_id=product, quantity=quantity)


def refused(call, request) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=5)
    return raised.value.code().name


def test_commands_say_what_became_of_them(carts):
    first = carts.AddItem(pb.AddCartItemRequest(user_id="u", item=item("A", 2)), timeout=5)
    assert first.aggregate_id == "u" and first.version == 1 and len(first.event_ids) == 1
    assert carts.AddItem(pb.AddCartItemRequest(user_id="u", item=item("B", 1)), timeout=5).version == 2
    assert carts.UpdateItem(pb.UpdateCartItemRequest(user_id="u", product_id="A", quantity=7), timeout=5).version == 3
    cart = carts.GetCart(pb.GetCartRequest(user_id="u"), timeout=5)
    assert cart == pb.Cart(user_id="u", items=[item("A", 7), item("B", 1)], version=3)
    assert carts.RemoveItem(pb.RemoveCartItemRequest(user_id="u", product_id="A"), timeout=5).version == 4
    assert carts.UpdateItem(pb.UpdateCartItemRequest(user_id="u", product_id="B", quantity=0), timeout=5).version == 5
    # Nothing to do is nothing done.
    empty = carts.EmptyCart(pb.EmptyCartRequest(user_id="u"), timeout=5)
    assert empty.version == 5 and not empty.event_ids


def test_refusals(carts):
    assert refused(carts.AddItem, pb.AddCartItemRequest(user_id="u", item=item("A", 0))) == "INVALID_ARGUMENT"
    assert refused(carts.AddItem, pb.AddCartItemRequest(user_id="u")) == "INVALID_ARGUMENT"
    assert refused(carts.AddItem, pb.AddCartItemRequest(item=item("A", 1))) == "INVALID_ARGUMENT"
    assert refused(carts.RemoveItem, pb.RemoveCartItemRequest(user_id="u", product_id="A")) == "NOT_FOUND"
    assert carts.GetCart(pb.GetCartRequest(user_id="nobody"), timeout=5) == pb.Cart()


def test_what_was_answered_survives_the_process(running, carts):
    def add(number: int) -> bool:
        try:
            carts.AddItem(pb.AddCartItemRequest(user_id=f"user {number % 7}", item=item("A", 1)), timeout=5)
            return True
        except grpc.RpcError:
            return False

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(add, number) for number in range(600)]
        for future in futures[:150]:
            future.result()
        running.kill()
        added = [future.result() for future in futures]
    running.start()
    with grpc.insecure_channel(running.address) as channel:
        after = rpc.CartsStub(channel)
        for user in range(7):
            acknowledged = sum(added[user::7])
            held = sum(each.quantity for each in after.GetCart(pb.GetCartRequest(user_id=f"user {user}"), timeout=5).items)
            # More may be there than was acknowledged: its answer was on the way.
            assert acknowledged <= held <= 86, user
    assert 150 <= sum(added) < 600
