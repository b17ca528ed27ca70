"""kill -9 in the midst of checkouts and cancellations: at the boundaries of their steps, and at any moment under load.

The short form goes through the boundaries where money, parcels and the transactions around them are; the long one
through all that there are."""

import collections
import json
import os
import pathlib
import re
import sqlite3
import threading
import time
import uuid

from harness.gateway import ROOT
from harness.shop import Shop

import httpx
import pytest
from harness import sockets

LONG = os.environ.get("NEXUS_LONG") == "1"
NUMBER = "4111111111111111"
CARD = {"creditCardNumber": NUMBER, "creditCardCvv": 672, "creditCardExpirationYear": 2039, "creditCardExpirationMonth": 1}
ADDRESS = {"streetAddress": "1 Harbour Street", "city": "Lisbon", "country": "Portugal", "zipCode": 1100}
PRODUCT = "OLJCESPC7Z"
PLACES = ("before-intent", "after-intent", "before-call", "after-call", "before-result", "after-result")
# Steps whose call is noted before it is made; the others have no boundary there.
NOTED = {"process-payment", "schedule-shipment", "refund-payment", "undo-process-payment", "undo-schedule-shipment"}
ENDS = {"COMPLETED", "COMPENSATED"}


class Site:
    """One shop; its gateway dies and comes back. `definition` is how it checks out."""

    def __init__(self, shop: Shop):
        self.shop, self.gateway = shop, shop.gateway
        self.acknowledged: list[str] = []
        config = json.loads(self.gateway.config_path.read_text())
        config["routes"].append(str(ROOT / "routes/inventory.yaml"))
        self.config = config
        self.client = httpx.Client(timeout=20)

    def start(self, definition: str, point: str | None = None) -> None:
        if self.gateway.running:
            self.gateway.kill()
        self.config["checkout"]["saga"] = definition
        self.gateway.write(self.config)
        self.gateway._environment = {"NEXUS_FAIL_POINT": point} if point else {}
        self.gateway.start()

    def stock(self, number: int) -> None:
        answer = self.client.post(
            f"http://{self.gateway.admin}/api/commands/inventory.adjust", json={"productId": PRODUCT, "delta": number, "reason": "delivery"})
        assert answer.status_code == 202, answer.text

    def place(self) -> str | None:
        """The order's id; None when the process died before it said so."""
        user = str(uuid.uuid4())
        try:
            item = {"userId": user, "item": {"productId": PRODUCT, "quantity": 1}}
            assert self.client.post(f"{self.gateway.url}/api/cart/add", json=item).status_code == 202
            body = {"userId": user, "userCurrency": "EUR", "address": ADDRESS, "email": "ann@example.org", "creditCard": CARD}
            answer = self.client.post(f"{self.gateway.url}/api/v1/orders", json=body)
        except httpx.TransportError:
            return None
        assert answer.status_code == 202, answer.text
        self.acknowledged.append(answer.json()["orderId"])
        return self.acknowledged[-1]

    def tell(self, order: str, what: str, **body) -> int:
        """0 when the process died of it."""
        try:
            return self.client.post(f"{self.gateway.url}/api/v1/orders/{order}/{what}", json=body).status_code
        except httpx.TransportError:
            return 0

    def order(self, order: str) -> dict:
        answer = self.client.get(f"{self.gateway.url}/api/v1/orders/{order}")
        assert answer.status_code == 200, f"{order}: {answer.text}"
        return answer.json()

    def saga(self, saga: str) -> dict:
        answer = self.client.get(f"http://{self.gateway.admin}/sagas/{saga}")
        assert answer.status_code == 200, f"{saga}: {answer.text}"
        return answer.json()

    def rested(self, saga: str, seconds: float = 10) -> dict:
        """The saga once it is over, or waits."""
        sockets.wait_until(lambda: self.saga(saga)["status"] != "IN_PROGRESS", seconds, f"{saga} to rest")
        return self.saga(saga)

    def open_tasks(self, saga: dict) -> list[dict]:
        return [task for task in saga["tasks"] if "resolvedAt" not in task]

    def by_hand(self, saga: str) -> str:
        """Where the saga stands, after people have done whatever it asks for."""
        for task in self.open_tasks(self.saga(saga)):
            self.gateway.run("saga", "skip", saga, "--step", task["step"], "--note", f"by hand: {task['step']}", "--admin", self.gateway.admin)
        return self.saga(saga)["status"]

    def orders(self) -> collections.Counter:
        """Times that each order was placed, by the log."""
        return self.events("OrderPlaced")

    def events(self, kind: str) -> collections.Counter:
        with sqlite3.connect(f"file:{self.gateway.folder}/data/events.db?mode=ro", uri=True) as store:
            return collections.Counter(row[0] for row in store.execute(
                "SELECT s.id FROM events e JOIN streams s USING (stream) JOIN names n ON n.name = e.type WHERE n.text = ?", (kind,)))

    def done(self, what: str) -> collections.Counter:
        """Times that the services did something, by the key of the call."""
        # Two lines that are written at the same time may stand in one.
        return collections.Counter(re.findall(rf"{what}[A-Z0-9 ]* for ([a-z]+-[0-9a-f-]{{36}}/(?:process-payment|schedule-shipment))", self.shop.services.said()))

    def assert_sound(self) -> None:
        """What holds whatever happened."""
        for what in ("payment: charged", "shipping: a parcel"):
            assert (most := self.done(what).most_common(1)) == [] or most[0][1] == 1, f"{what}: {most}"
        placed = self.orders()
        assert set(placed.values()) <= {1}
        assert not (lost := set(self.acknowledged) - placed.keys()), f"acknowledged, and gone: {lost}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def site(folder, shared_stage):
    with Shop(folder, shared_stage, weight=100, checkout=100) as shop:
        made = Site(shop)
        made.start("checkout-with-inventory")
        made.stock(1_000_000)
        yield made


def points(steps: list[str], short: list[str]) -> list[str]:
    """`step/place`: all of `steps` with the ends, or, in the short form, `short`."""
    if not LONG:
        return short
    every = [f"{step}/{place}" for step in steps for place in PLACES if step in NOTED or not place.endswith("intent")]
    return every + ["end/before-result", "end/after-result"]


def cases(definition: str, steps: list[str], short: list[str]) -> list[tuple[str, str]]:
    return [(definition, point) for point in points(steps, short)]


FORWARD = ["verify-cart", "process-payment", "schedule-shipment", "send-confirmation", "empty-cart"]
MONEY = ["process-payment/after-intent", "process-payment/after-call", "process-payment/after-result"]


def settle(site: Site, order: str) -> dict:
    """The order's checkout at its end, with a card where it lacks one."""
    saga = site.rested(f"checkout-{order}")
    if saga["status"] == "PARKED" and not site.open_tasks(saga):
        assert "card" in saga["reason"], saga
        assert site.tell(order, "pay", creditCard=CARD) == 202
        sockets.wait_until(lambda: site.saga(f"checkout-{order}")["status"] in ENDS, 10, f"{order} to go on with its card")
        saga = site.saga(f"checkout-{order}")
        assert saga["status"] == "COMPLETED", saga
    return saga


def dies(site: Site, definition: str, point: str, act, count: int = 1) -> None:
    """Starts the gateway with a fail point, has it die there, and starts it again."""
    saga = definition if not point.startswith("cancel-order/") else "cancel-order"
    name = point if point.startswith("cancel-order/") else f"{saga}/{point}"
    site.start(definition, f"{name}:{count}")
    act()
    sockets.wait_until(lambda: not site.gateway.running, 10, f"the gateway to die at {name}")
    site.start(definition)


@pytest.mark.parametrize(
    ("definition", "point"),
    cases("checkout", FORWARD, [*MONEY, "schedule-shipment/after-call", "empty-cart/after-result", "end/after-result"])
    + cases("checkout-with-inventory", ["reserve-inventory", *FORWARD], ["reserve-inventory/after-call", "process-payment/before-result"]))
def test_a_checkout_survives(site, definition, point):
    orders: list[str | None] = []
    before = set(site.orders())
    dies(site, definition, point, lambda: orders.append(site.place()))
    # Also what was not acknowledged may be there; then it must be whole.
    placed = set(site.orders()) - before
    assert len(placed) <= 1 and set(filter(None, orders)) <= placed
    for order in placed:
        saga = settle(site, order)
        assert saga["status"] == "COMPLETED" or site.open_tasks(saga), saga
        if saga["status"] == "COMPLETED":
            assert site.order(order)["state"] == "Confirmed"
            assert site.done("payment: charged")[f"checkout-{order}/process-payment"] == 1
        else:
            assert site.order(order)["state"] not in ("Confirmed", "Failed")
    site.assert_sound()


BACK = ["undo-process-payment"]


@pytest.mark.parametrize(
    ("definition", "point"),
    cases("checkout", BACK, ["schedule-shipment/after-result", "undo-process-payment/after-call", "hand-over/after-result"])
    + cases("checkout-with-inventory", [*BACK, "undo-reserve-inventory"], ["undo-reserve-inventory/after-call"]))
def test_the_way_back_survives(site, definition, point):
    """The parcel is refused, and what has been done so far is undone."""
    if point.startswith("end/"):
        # The shop has no call for a refund: a person's word is what ends the saga.
        point = point.replace("end/", "hand-over/")
    before = set(site.orders())
    site.shop.fails("ShippingService/ShipOrder=INVALID_ARGUMENT:no such street")
    try:
        dies(site, definition, point, site.place)
        placed = set(site.orders()) - before
        assert len(placed) == 1
        for order in placed:
            # Whoever lost his card was not charged either.
            saga = site.rested(f"checkout-{order}")
            assert saga["status"] == "PARKED" and [task["step"] for task in site.open_tasks(saga)] == ["process-payment"], saga
            sockets.wait_until(lambda: site.order(order)["state"] == "Failed", 5, "the customer to know")
            assert site.gateway.run("saga", "skip", f"checkout-{order}", "--admin", site.gateway.admin).returncode == 0
            assert site.rested(f"checkout-{order}")["status"] == "COMPENSATED"
            assert site.done("payment: charged")[f"checkout-{order}/process-payment"] == 1
            if definition == "checkout-with-inventory":
                assert site.events("InventoryReserved")[PRODUCT] > 0 and not reserved_for(site, order)
    finally:
        site.shop.fails()
    site.assert_sound()


def reserved_for(site: Site, order: str) -> bool:
    return site.events("OrderStockReserved")[order] > site.events("OrderStockReleased")[order]


CANCEL = ["refund-payment", "release-inventory"]


@pytest.mark.parametrize(
    ("definition", "point"),
    cases("checkout-with-inventory", CANCEL, ["refund-payment/after-intent", "release-inventory/after-call", "end/before-result"]))
def test_a_cancellation_survives(site, definition, point):
    site.start(definition)
    order = site.place()
    assert order and settle(site, order)["status"] == "COMPLETED"

    def cancel() -> None:
        assert site.tell(order, "cancel", reason="changed my mind") in (0, 202)
        if point.startswith("end/"):
            site.rested(f"cancel-{order}")
            site.gateway.run("saga", "skip", f"cancel-{order}", "--admin", site.gateway.admin)

    dies(site, definition, f"cancel-order/{point}", cancel)
    saga = site.rested(f"cancel-{order}")
    if saga["status"] == "PARKED":
        assert [task["step"] for task in site.open_tasks(saga)] == ["refund-payment"], saga
        assert site.gateway.run("saga", "skip", f"cancel-{order}", "--admin", site.gateway.admin).returncode == 0
        saga = site.rested(f"cancel-{order}")
    assert saga["status"] == "COMPLETED" and site.order(order)["state"] == "Cancelled"
    assert not reserved_for(site, order)
    site.assert_sound()


@pytest.mark.parametrize("point", points(["undo-schedule-shipment"], ["undo-schedule-shipment/after-intent"]))
def test_a_checkout_that_is_stopped_survives(site, point):
    """A cancellation comes while the letter is written: the parcel is under way already."""
    before = set(site.orders())
    site.shop.fails("EmailService/SendOrderConfirmation=1500ms")
    try:
        def act() -> None:
            order = site.place()
            sockets.wait_until(lambda: site.done("shipping: a parcel")[f"checkout-{order}/schedule-shipment"], 5, "the parcel")
            site.tell(order, "cancel", reason="changed my mind")
            if not point.startswith("end/"):
                return
            # Both were done by hand.
            sockets.wait_until(lambda: len(site.open_tasks(site.saga(f"checkout-{order}"))) == 2, 10, "both tasks")
            for step in ("schedule-shipment", "process-payment"):
                site.gateway.run("saga", "skip", f"checkout-{order}", "--step", step, "--admin", site.gateway.admin)

        dies(site, "checkout", point, act)
        (order,) = set(site.orders()) - before
        for saga, end in ((f"checkout-{order}", "COMPENSATED"), (f"cancel-{order}", "COMPLETED")):
            # One task may lead to the next.
            sockets.wait_until(lambda: site.by_hand(saga) == end, 20, f"{saga} to end")
        sockets.wait_until(lambda: site.order(order)["state"] == "Cancelled", 5, "the order to be cancelled")
    finally:
        site.shop.fails()
    site.assert_sound()


def test_killed_at_any_moment_under_load(site):
    for round_number in range(20 if LONG else 3):
        site.start("checkout-with-inventory" if round_number % 2 else "checkout")
        end = threading.Event()

        def customer() -> None:
            while not end.is_set() and site.place():
                pass

        customers = [threading.Thread(target=customer, daemon=True) for _ in range(8)]
        for each in customers:
            each.start()
        time.sleep(0.7 + 0.13 * (round_number % 5))
        site.gateway.kill()
        end.set()
        for each in customers:
            each.join(20)
    site.start("checkout")
    placed = site.orders()
    assert len(placed) > 30, f"too little load to prove anything: {len(placed)}"

    def restless() -> list[str]:
        open_ = httpx.get(f"http://{site.gateway.admin}/sagas?limit=1000&status=IN_PROGRESS").json()["sagas"]
        return [each["sagaId"] for each in open_]

    sockets.wait_until(lambda: not restless(), 60, "all sagas to rest")
    charged = site.done("payment: charged")
    for order in placed:
        saga = settle(site, order)
        key = f"checkout-{order}/process-payment"
        if saga["status"] == "COMPLETED":
            assert charged[key] or site.done("payment: charged")[key], order
        assert saga["status"] in ENDS or site.open_tasks(saga), saga
    site.assert_sound()


def test_the_card_is_in_no_file(site, folder):
    files = [path for path in [*folder.rglob("*"), *pathlib.Path(site.gateway.folder).rglob("*")] if path.is_file()]
    assert any(path.name.startswith("events.db") for path in files)
    for path in files:
        assert NUMBER.encode() not in path.read_bytes(), path
    assert NUMBER not in site.gateway.said()
