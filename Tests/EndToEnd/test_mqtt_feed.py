"""What happens here, as messages: stock and orders on the topics of routes/iot.yaml, by the policies that are shipped."""

import json

import pytest

from harness import sockets
from harness.gateway import ROOT, listener, open_routes
from harness.mqtt import Client, Silent, unique
from harness.mqtt_packets import V3, V5
from harness.shop import Shop
from harness.tokens import Issuer
from harness.wire import get, once, post

# As config/skus.yaml has it.
MUG, MUG_SKU = "6E92ZMYYFZ", "MUG-1"
JAR, JAR_SKU = "9SIQT8TOJO", "JAR-1"


class Place(Shop):
    def __init__(self, folder, stage):
        self.issuer = Issuer(folder)
        skus = folder / "skus.yaml"
        skus.write_text((ROOT / "config/skus.yaml").read_text() + "MUG-2: " + MUG + "\n")
        super().__init__(
            folder, stage, checkout=100, beside=(listener("devices", f"127.0.0.1:{sockets.free_port()}", mqtt={}),),
            routes=[*open_routes(folder, "shop", "orders", "operations", "inventory"), str(ROOT / "routes/iot.yaml")],
            identity={"issuers": [self.issuer.settings]}, access={"policies": [str(ROOT / "config/policies/devices.yaml")]}, tables={"skus": str(skus)})

    def client(self, name: str, *roles: str, version: int = V5, **more) -> Client:
        client = Client(self.gateway.listeners["devices"], version)
        answer = client.connect(name, username=name, password=self.issuer.token(name, *roles).encode(), **more)
        assert answer.reason == 0, answer
        return client

    def adjust(self, product: str, delta: int) -> int:
        """The stock's version after it."""
        reply = once(self.gateway.address, post("/api/commands/inventory.adjust", json.dumps({"productId": product, "delta": delta, "reason": "count"}).encode(), "content-type: application/json"))
        assert reply.status == 202, reply.body
        return json.loads(reply.body)["version"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    with Place(tmp_path_factory.mktemp("feed"), shared_stage) as shop:
        yield shop


def until(client: Client, wanted, seconds: float = 10) -> list[tuple[str, dict]]:
    """Topics and bodies up to the one that is wanted."""
    found = []
    while not found or not wanted(*found[-1]):
        try:
            message = client.message(seconds)
        except Silent as silent:
            raise AssertionError(f"{silent} after {found}") from silent
        found.append((message.topic, json.loads(message.payload)))
    return found


@pytest.mark.parametrize("version", (V3, V5), ids=("311", "5"))
def test_stock_is_told_under_each_name_of_the_product(shop, version):
    with shop.client(unique("shelf"), "DEVICE", version=version) as client:
        client.subscribe("shop/inventory/+", qos=1)
        client.settled()
        versions = [shop.adjust(MUG, 5), shop.adjust(MUG, -2)]
        for sku in (MUG_SKU, "MUG-2"):
            with shop.client(unique("late"), "DEVICE", version=version) as late:
                late.subscribe(f"shop/inventory/{sku}", qos=1)
                found = until(late, lambda _, body: body["version"] == versions[-1])
                assert found[0][0] == f"shop/inventory/{sku}" and found[-1][1]["productId"] == MUG
        seen = until(client, lambda topic, body: topic == "shop/inventory/MUG-2" and body["version"] == versions[-1])
        for sku in (MUG_SKU, "MUG-2"):
            told = [body["version"] for topic, body in seen if topic == f"shop/inventory/{sku}"]
            assert told and told == sorted(told) and told[-1] == versions[-1]
    with shop.client(unique("later"), "DEVICE", version=version) as later:
        later.subscribe(f"shop/inventory/{MUG_SKU}", qos=1)
        kept = later.message()
        body = json.loads(kept.payload)
        assert kept.retain and body["version"] == versions[-1] and body["available"] == body["onHand"]
        if version == V5:
            assert kept.properties["content_type"] == "application/json"


def test_an_order_is_told_of_along_its_way(shop):
    with shop.client(unique("desk"), "STAFF") as staff:
        assert staff.subscribe("shop/orders/+/status", qos=1).reasons == [1]
        user = unique("ann")
        shop.add(user, "OLJCESPC7Z")
        order = shop.order(user).order_id
        seen = until(staff, lambda topic, body: topic == f"shop/orders/{order}/status" and body["state"] == "Confirmed")
        mine = [body for topic, body in seen if topic == f"shop/orders/{order}/status"]
        assert all(body["orderId"] == order and body["at"] for body in mine)
        versions = [body["version"] for body in mine]
        assert versions == sorted(versions) and len(mine) > 1
    with shop.client(unique("desk"), "STAFF") as late:
        late.subscribe(f"shop/orders/{order}/status", qos=1)
        kept = late.message()
        assert kept.retain and json.loads(kept.payload) == mine[-1]
        assert 0 < kept.properties["message_expiry"] <= 7 * 24 * 3600


def test_who_may_listen(shop):
    with shop.client(unique("desk"), "STAFF") as staff, shop.client(unique("ann")) as other:
        assert staff.subscribe("shop/orders/+/status", "shop/orders/7/status", "shop/orders/#", qos=1).reasons[:2] == [1, 1]
        assert other.subscribe("shop/orders/+/status", "shop/orders/7/status", "shop/inventory/+", "shop/#", qos=1).reasons[:3] == [0x8F, 0x8F, 1]


@pytest.mark.parametrize("version", (V3, V5), ids=("311", "5"))
def test_a_customer_hears_of_his_own_order(shop, version):
    user, other = unique("ann"), unique("bob")
    shop.add(user, "OLJCESPC7Z")
    order = shop.order(user).order_id
    no, unknown = (0x87, 0x8F) if version == V5 else (0x80, 0x80)
    with shop.client(user, version=version) as own, shop.client(other, version=version) as stranger:
        # Several at once: each is asked for by itself, and answered in its place.
        answer = own.subscribe("shop/orders/nobodys/status", f"shop/orders/{order}/status", "shop/orders/+/status", qos=1)
        assert answer.reasons == [unknown, 1, unknown], answer
        assert stranger.subscribe(f"shop/orders/{order}/status", qos=1).reasons == [no]
        kept = until(own, lambda _, body: body["state"] == "Confirmed")
        assert {topic for topic, _ in kept} == {f"shop/orders/{order}/status"}
        stranger.nothing(0.3)


def test_a_share_of_the_stock(shop):
    group = unique("group")
    with shop.client(unique("a"), "DEVICE") as one, shop.client(unique("b"), "DEVICE") as two:
        for client in (one, two):
            assert client.subscribe(f"$share/{group}/shop/inventory/{JAR_SKU}", qos=1).reasons == [1]
        count = 8
        last = 0
        for _ in range(count):
            last = shop.adjust(JAR, 1)
            # Each state by itself.
            sockets.wait_until(lambda: retained(shop, JAR_SKU) == last, 5, "the message")
        seen = [[json.loads(message.payload)["version"] for message in client.settled(0.3)] for client in (one, two)]
        assert sorted(seen[0] + seen[1]) == list(range(last - count + 1, last + 1)), seen
        assert seen[0] and seen[1], "one of them has nothing to do"


def retained(shop, sku: str) -> int:
    with shop.client(unique("look"), "DEVICE") as look:
        look.subscribe(f"shop/inventory/{sku}", qos=0)
        try:
            return json.loads(look.message(0.5).payload)["version"]
        except Silent:
            return 0


def test_nothing_is_missed_over_a_kill(shop):
    name, topic = unique("keeper"), f"shop/inventory/{JAR_SKU}"
    with shop.client(name, "DEVICE", clean=False, session_expiry=600) as client:
        client.subscribe(topic, qos=1)
        client.settled()
    for kill in range(3):
        last = [shop.adjust(JAR, 1) for _ in range(5 + kill)][-1]
        shop.gateway.kill()
        shop.gateway.start()
        with shop.client(name, "DEVICE", clean=False, session_expiry=600) as client:
            assert client.connack.session_present
            versions = [body["version"] for _, body in until(client, lambda _, body: body["version"] == last)]
            assert versions == sorted(versions)
