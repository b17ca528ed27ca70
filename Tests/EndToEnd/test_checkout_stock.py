"""Checkout that reserves stock before it takes money (config/sagas/checkout-with-inventory.yaml), over the wire."""

import concurrent.futures
import contextlib
import json
import sqlite3
import uuid

from harness.shop import Shop

import httpx
import pytest
from harness import sockets
from harness.gateway import ROOT, open_routes, settings

ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
CARD = {"creditCardNumber": "4111111111111111", "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
REFUSED = {**CARD, "creditCardNumber": "4111111111111112"}
SUNGLASSES, MUG, WATCH, FAN = "OLJCESPC7Z", "6E92ZMYYFZ", "1YMWWN1N4O", "2ZYFJ3GM2N"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, shared_stage):
    folder = tmp_path_factory.mktemp("shop")
    with Shop(folder, shared_stage, weight=100, checkout=100, saga="checkout-with-inventory") as made:
        yield made


@pytest.fixture
def faults(shop):
    yield shop.fails
    shop.fails()


def deliver(shop, product: str, pieces: int) -> None:
    done = httpx.post(f"http://{shop.gateway.admin}/api/commands/inventory.adjust", json={"productId": product, "delta": pieces, "reason": "delivery"}, timeout=5)
    assert done.status_code == 202, done.text


def stock(shop, product: str) -> tuple[int, int, int]:
    """On hand, reserved, available."""
    answer = httpx.get(f"{shop.gateway.url}/api/inventory/{product}", timeout=5)
    if answer.status_code == 404:
        return 0, 0, 0
    body = answer.json()
    return body["onHand"], body["reserved"], body["available"]


def has(shop, product: str, pieces: int) -> None:
    """So many are there, and none of them promised, within moments: the sale follows the confirmation."""
    sockets.wait_until(lambda: stock(shop, product) == (pieces, 0, pieces), 10, f"{product} to be {pieces}, not {stock(shop, product)}")


@pytest.fixture
def there(shop):
    """Sets how many pieces of the products there are."""

    def give(**pieces: int) -> None:
        for name, count in pieces.items():
            product = globals()[name]
            on_hand, reserved, _ = stock(shop, product)
            assert reserved == 0
            if count != on_hand:
                deliver(shop, product, count - on_hand)

    return give


def place(shop, *lines: tuple[str, int], prefer: str = "wait=20", card: dict = CARD) -> httpx.Response:
    user = str(uuid.uuid4())
    for product, quantity in lines:
        added = httpx.post(f"{shop.gateway.url}/api/cart/add", json={"userId": user, "item": {"productId": product, "quantity": quantity}}, timeout=10)
        assert added.status_code == 202, added.text
    order = {"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": card}
    return httpx.post(f"{shop.gateway.url}/api/v1/orders", json=order, headers={"Prefer": prefer} if prefer else {}, timeout=30)


EVENTS = """SELECT kinds.text, events.payload FROM events JOIN streams USING (stream) JOIN names AS kinds ON kinds.name = events.type
WHERE streams.id = ? ORDER BY events.position"""


# Of orders of one product.
COUNT = """SELECT count(*) FROM events JOIN names AS kinds ON kinds.name = events.type WHERE kinds.text = ? AND stream IN (
SELECT stream FROM events JOIN names AS kinds ON kinds.name = events.type WHERE kinds.text = 'OrderPlaced'
AND json_extract(payload, '$.items[0].productId') = ?)"""


def events(shop, aggregate: str) -> list[tuple[str, dict]]:
    """What the log says of an aggregate."""
    with sqlite3.connect(f"file:{shop.gateway.folder}/data/events.db?mode=ro", uri=True) as database:
        rows = database.execute(EVENTS, (aggregate,)).fetchall()
    return [(kind, json.loads(payload)) for kind, payload in rows]


def types(shop, order: str) -> list[str]:
    return [kind for kind, _ in events(shop, order)]


def charges(shop, order: str) -> int:
    return shop.services.said().count(f"for checkout-{order}/process-payment")


def status(shop, saga: str) -> dict:
    return httpx.get(f"{shop.gateway.url}/api/sagas/{saga}/status", timeout=5).json()


def parked(shop, saga: str) -> dict:
    sockets.wait_until(lambda: status(shop, saga).get("status") == "PARKED", 15, f"{saga} to wait for people")
    return status(shop, saga)


def state(shop, order: str) -> str:
    return httpx.get(f"{shop.gateway.url}/api/v1/orders/{order}", timeout=5).json()["state"]


def skip(shop, saga: str) -> None:
    """People have seen to its task."""
    told = shop.gateway.run("saga", "skip", saga, "--admin", shop.gateway.admin)
    assert told.returncode == 0, told.stderr


# Enough


def test_what_is_sold_is_gone_for_good(shop, there):
    there(SUNGLASSES=5)
    answer = place(shop, (SUNGLASSES, 2))
    assert answer.status_code == 200 and answer.json()["status"] == "COMPLETED", answer.text
    order = answer.json()["orderId"]
    has(shop, SUNGLASSES, 3)
    sold = {"reservationId": order, "orderId": order, "quantity": 2}
    assert [kind for kind, payload in events(shop, SUNGLASSES) if payload.get("orderId") == order] == ["InventoryReserved", "StockTaken"]
    assert events(shop, SUNGLASSES)[-1] == ("StockTaken", {**sold, "applied": 2})
    assert types(shop, order)[-2:] == ["OrderConfirmed", "OrderStockTaken"]


def test_after_a_restart_it_is_sold_once_all_the_same(shop, there):
    there(SUNGLASSES=5)
    order = place(shop, (SUNGLASSES, 2)).json()["orderId"]
    has(shop, SUNGLASSES, 3)
    # The consumers' memory is lost: all that ever happened is told again.
    assert shop.gateway.stop() == 0
    memory = list(shop.gateway.folder.glob("data/events.db.consumers*"))
    assert memory
    for path in memory:
        path.unlink()
    shop.gateway.start()
    sockets.wait_until(lambda: stock(shop, SUNGLASSES)[0] == 3, 10, "the gateway to be there")
    again = place(shop, (SUNGLASSES, 1)).json()["orderId"]
    has(shop, SUNGLASSES, 2)
    assert types(shop, order).count("OrderStockTaken") == 1 and types(shop, again).count("OrderStockTaken") == 1


def test_a_kill_among_many_orders_loses_no_sale_and_makes_none_twice(shop, there):
    """kill -9 while orders are on their way; what was confirmed is counted off, once, what waits for its card again is held."""
    there(FAN=500)

    def customer(_) -> None:
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            place(shop, (FAN, 1), prefer="")

    def counted(kind: str) -> int:
        with sqlite3.connect(f"file:{shop.gateway.folder}/data/events.db?mode=ro", uri=True) as database:
            return database.execute(COUNT, (kind, FAN)).fetchone()[0]

    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(8) as customers:
            sold = stock(shop, FAN)[0]
            asked = [customers.submit(customer, each) for each in range(60)]
            sockets.wait_until(lambda: stock(shop, FAN)[0] <= sold - 5, 20, "some to be sold")
            shop.gateway.kill()
            concurrent.futures.wait(asked)
        shop.gateway.start()

        def is_settled() -> bool:
            reserved, taken, confirmed = (counted(kind) for kind in ("OrderStockReserved", "OrderStockTaken", "OrderConfirmed"))
            return taken == confirmed and stock(shop, FAN) == (500 - taken, reserved - taken, 500 - reserved)

        sockets.wait_until(is_settled, 30, "the sales to be counted off")
    assert counted("OrderStockTaken") >= 15
    of_each = [payload["orderId"] for kind, payload in events(shop, FAN) if kind == "StockTaken"]
    assert len(of_each) == len(set(of_each)) == 500 - stock(shop, FAN)[0]


def test_several_products_are_sold_together(shop, there):
    there(SUNGLASSES=5, MUG=4)
    assert place(shop, (SUNGLASSES, 1), (MUG, 4)).json()["status"] == "COMPLETED"
    has(shop, SUNGLASSES, 4)
    has(shop, MUG, 0)


# Not enough


def test_too_little_is_a_failed_order_that_says_of_what(shop, there):
    there(SUNGLASSES=1)
    failed = place(shop, (SUNGLASSES, 2)).json()
    assert failed["status"] == "FAILED" and SUNGLASSES in failed["reason"] and "not enough" in failed["reason"], failed
    order = failed["orderId"]
    assert "InventoryUnavailable" in types(shop, order) and "PaymentRequested" not in types(shop, order)
    assert charges(shop, order) == 0 and not failed["refundOwed"]
    has(shop, SUNGLASSES, 1)


def test_of_several_products_all_or_none(shop, there):
    there(SUNGLASSES=5, MUG=1)
    failed = place(shop, (SUNGLASSES, 1), (MUG, 2)).json()
    assert failed["status"] == "FAILED" and MUG in failed["reason"] and SUNGLASSES not in failed["reason"], failed
    assert charges(shop, failed["orderId"]) == 0
    has(shop, SUNGLASSES, 5)
    has(shop, MUG, 1)
    assert not any(payload.get("orderId") == failed["orderId"] for _, payload in events(shop, SUNGLASSES))


def test_a_product_that_nobody_has_counted(shop):
    failed = place(shop, (WATCH, 1)).json()
    assert failed["status"] == "FAILED" and WATCH in failed["reason"], failed
    assert charges(shop, failed["orderId"]) == 0


def test_the_last_pieces_are_sold_once(shop, there):
    """50 at once for 20."""
    there(SUNGLASSES=20)
    with concurrent.futures.ThreadPoolExecutor(50) as customers:
        answers = list(customers.map(lambda _: place(shop, (SUNGLASSES, 1)), range(50)))
    ends = [answer.json() for answer in answers]
    sockets.wait_until(lambda: all(state(shop, end["orderId"]) in ("Confirmed", "Failed") for end in ends), 60, "every order to end")
    confirmed = [end["orderId"] for end in ends if state(shop, end["orderId"]) == "Confirmed"]
    failed = [end["orderId"] for end in ends if end["orderId"] not in confirmed]
    assert len(confirmed) == 20
    assert [charges(shop, order) for order in confirmed] == [1] * 20 and not any(charges(shop, order) for order in failed)
    has(shop, SUNGLASSES, 0)


# Undone


def test_a_refused_card_lets_the_stock_go(shop, there):
    there(SUNGLASSES=5)
    failed = place(shop, (SUNGLASSES, 2), card=REFUSED).json()
    assert failed["status"] == "FAILED" and "Credit card info is invalid" in failed["reason"]
    order = failed["orderId"]
    assert [kind for kind in types(shop, order) if "Stock" in kind] == ["OrderStockReserved", "OrderStockReleased"]
    has(shop, SUNGLASSES, 5)


def test_a_shipment_that_fails_lets_the_stock_go_and_leaves_a_refund(shop, there, faults):
    there(SUNGLASSES=5)
    faults("ShippingService/ShipOrder=INTERNAL:no vans")
    order = place(shop, (SUNGLASSES, 2), prefer="").json()["orderId"]
    saga = f"checkout-{order}"
    assert [task["step"] for task in parked(shop, saga)["tasks"]] == ["process-payment"]
    has(shop, SUNGLASSES, 5)
    skip(shop, saga)
    sockets.wait_until(lambda: state(shop, order) == "Failed", 10, "the order to have failed")
    has(shop, SUNGLASSES, 5)


def test_what_was_sold_comes_back_when_the_order_is_cancelled(shop, there):
    there(SUNGLASSES=5, MUG=2)
    order = place(shop, (SUNGLASSES, 2), (MUG, 1)).json()["orderId"]
    has(shop, SUNGLASSES, 3)
    has(shop, MUG, 1)
    asked = httpx.post(f"{shop.gateway.url}/api/v1/orders/{order}/cancel", json={"reason": "too late"}, timeout=5)
    assert asked.status_code == 202, asked.text
    assert [task["step"] for task in parked(shop, f"cancel-{order}")["tasks"]] == ["refund-payment"]
    has(shop, SUNGLASSES, 5)
    has(shop, MUG, 2)
    skip(shop, f"cancel-{order}")
    sockets.wait_until(lambda: state(shop, order) == "Cancelled", 10, "the order to be cancelled")
    assert [kind for kind in types(shop, order) if "Stock" in kind] == ["OrderStockReserved", "OrderStockTaken", "OrderStockReleased"]
    assert [kind for kind, payload in events(shop, MUG) if payload.get("orderId") == order] == ["InventoryReserved", "StockTaken", "StockReturned"]
    has(shop, SUNGLASSES, 5)


def test_an_order_that_waits_for_its_payment_holds_its_stock_until_it_is_cancelled(shop, there, faults):
    there(SUNGLASSES=5)
    faults("PaymentService/Charge=UNAVAILABLE:no bank")
    order = place(shop, (SUNGLASSES, 2), prefer="").json()["orderId"]
    sockets.wait_until(lambda: stock(shop, SUNGLASSES) == (5, 2, 3), 10, "the reservation")
    asked = httpx.post(f"{shop.gateway.url}/api/v1/orders/{order}/cancel", json={"reason": "too slow"}, timeout=5)
    assert asked.status_code == 202, asked.text
    sockets.wait_until(lambda: state(shop, order) == "Cancelled", 40, "the order to be cancelled")
    has(shop, SUNGLASSES, 5)


# Below zero


def test_stock_falls_below_zero_only_where_the_configuration_allows_it(stage, tmp_path):
    """What has happened stays so: the events say what was applied, and a replay asks no configuration."""
    routes = open_routes(tmp_path, "inventory", "operations")

    def configured(**over) -> dict:
        return settings(routes=routes, contracts={"event_schemas": str(ROOT / "contracts/events")}, **over)

    gateway = stage.gateway(configured(inventory={"below_zero": True}), [])

    def report(delta: int) -> tuple[int, int]:
        """On hand and available afterwards."""
        body = {"productId": "mug", "delta": delta, "reason": "count"}
        assert httpx.post(f"http://{gateway.admin}/api/commands/inventory.adjust", json=body, timeout=5).status_code == 202
        seen = httpx.get(f"{gateway.url}/api/inventory/mug", timeout=5).json()
        return seen["onHand"], seen["available"]

    assert report(2) == (2, 2)
    assert report(-5) == (-3, 0)
    assert gateway.stop() == 0
    gateway.write(configured())
    gateway.start()
    assert report(-1) == (-3, 0)
    assert report(5) == (2, 2)
    assert report(-5) == (0, 0)
