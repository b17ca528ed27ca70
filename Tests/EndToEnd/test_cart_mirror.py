"""Carts of the event core, kept equal in the legacy cart service: over restarts of the gateway and absences of the
service."""

import json
import pathlib
import signal

import pytest
from harness import sockets
from harness.shop import Services, Shop, pb, rpc

import grpc  # noqa: E402: after the harness, which settles how it forks

MIRROR = {"legacy_cart_mirror": {"cluster": "cart"}}


class Legacy:
    """The legacy cart service, as those see it who go back to it."""

    def __init__(self, address: str):
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.carts = rpc.CartServiceStub(self.channel)

    def holds(self, user: str) -> list[tuple[str, int]]:
        cart = self.carts.GetCart(pb.GetCartRequest(user_id=user), timeout=5)
        return [(item.product_id, item.quantity) for item in cart.items]

    def comes_to_hold(self, user: str, items: list[tuple[str, int]], seconds: float = 10) -> None:
        sockets.wait_until(lambda: self.holds(user) == items, seconds, f"{user}'s legacy cart to be {items}")

    def __enter__(self) -> "Legacy":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Shop(tmp_path_factory.mktemp("shop"), shared_stage, weight=100, checkout=100, bus=MIRROR) as made:
        yield made


@pytest.fixture(scope="module")
def legacy(shop):
    with Legacy(shop.services.ports["cart"]) as made:
        yield made


def restarted(shop) -> None:
    """The process ends without a word, and another goes on."""
    shop.gateway.kill()
    shop.gateway.start()
    sockets.wait_until(lambda: sockets.connect(shop.gateway.address, 1).close() is None, 5, "the gateway")


def test_what_is_put_in_and_taken_out_is_there_too(shop, legacy):
    shop.add("ann", "OLJCESPC7Z", 2)
    shop.add("ann", "66VCHSJNUP")
    legacy.comes_to_hold("ann", [("OLJCESPC7Z", 2), ("66VCHSJNUP", 1)])
    shop.add("ann", "OLJCESPC7Z")
    legacy.comes_to_hold("ann", [("OLJCESPC7Z", 3), ("66VCHSJNUP", 1)])
    shop.cart.EmptyCart(pb.EmptyCartRequest(user_id="ann"), timeout=5)
    legacy.comes_to_hold("ann", [])


def test_an_ordered_cart_is_empty_there_too(shop, legacy):
    shop.add("bob", "OLJCESPC7Z")
    legacy.comes_to_hold("bob", [("OLJCESPC7Z", 1)])
    assert shop.order("bob").order_id
    legacy.comes_to_hold("bob", [])


def test_names_of_every_kind(shop, legacy):
    for user in ("Zoë/1 %41", "x" * 128, "..", "日本"):
        shop.add(user, "OLJCESPC7Z")
        legacy.comes_to_hold(user, [("OLJCESPC7Z", 1)])


def test_a_service_that_was_away_catches_up_and_so_does_a_gateway(shop, legacy):
    """The service fails, carts change, the gateway is killed, and in the end both are equal."""
    shop.add("eve", "OLJCESPC7Z")
    legacy.comes_to_hold("eve", [("OLJCESPC7Z", 1)])
    shop.fails(*(f"CartService/{method}=UNAVAILABLE:away" for method in ("GetCart", "AddItem", "EmptyCart")))
    try:
        shop.add("eve", "66VCHSJNUP", 4)
        shop.add("tom", "1YMWWN1N4O")
        restarted(shop)
        shop.add("eve", "OLJCESPC7Z", 2)
    finally:
        shop.fails()
    # The delay before the next attempt has grown meanwhile.
    legacy.comes_to_hold("eve", [("OLJCESPC7Z", 3), ("66VCHSJNUP", 4)], 30)
    legacy.comes_to_hold("tom", [("1YMWWN1N4O", 1)], 30)


def test_an_orderly_restart_repeats_nothing(shop, legacy):
    shop.add("kim", "OLJCESPC7Z")
    legacy.comes_to_hold("kim", [("OLJCESPC7Z", 1)])
    # Somebody writes to the service itself: nothing in the core has changed, so nobody looks.
    legacy.carts.AddItem(pb.AddItemRequest(user_id="kim", item=pb.CartItem(product_id="extra", quantity=1)), timeout=5)
    assert shop.gateway.stop() == 0
    shop.gateway.start()
    shop.add("lea", "OLJCESPC7Z")
    legacy.comes_to_hold("lea", [("OLJCESPC7Z", 1)])
    assert legacy.holds("kim") == [("OLJCESPC7Z", 1), ("extra", 1)]
    # The next change puts it right.
    shop.add("kim", "OLJCESPC7Z")
    legacy.comes_to_hold("kim", [("OLJCESPC7Z", 2)])


def test_a_service_that_begins_anew(tmp_path: pathlib.Path, stage):
    """Away, and back without what it held: the next change of a cart brings all of it."""
    port = sockets.free_port()

    def service(log: str) -> Services:
        return Services(tmp_path / log, "--base-port", str(port), "--only", "cart")

    first = service("first.log")
    try:
        with Shop(tmp_path, stage, weight=100, elsewhere={"cart": [f"127.0.0.1:{port}"]}, bus=MIRROR) as shop:
            with Legacy(f"127.0.0.1:{port}") as legacy:
                shop.add("ann", "OLJCESPC7Z", 2)
                legacy.comes_to_hold("ann", [("OLJCESPC7Z", 2)])
            first.kill()
            shop.add("ann", "66VCHSJNUP")
            second = service("second.log")
            try:
                with Legacy(f"127.0.0.1:{port}") as legacy:
                    legacy.comes_to_hold("ann", [("OLJCESPC7Z", 2), ("66VCHSJNUP", 1)], 30)
                listed = json.loads(shop.gateway.run("dlq", "list", "--json", "--admin", shop.gateway.admin).stdout)
                (queue,) = [each for each in listed["queues"] if each["queue"] == "legacy-cart-mirror"]
                assert (queue["depth"], queue["aggregates"]) == (0, 0), listed
                assert shop.gateway.stop() == 0
            finally:
                second.close()
    finally:
        if first.process.poll() is None:
            first.process.send_signal(signal.SIGKILL)
