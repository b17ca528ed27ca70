"""kill -9 while stock is reserved and released: what was promised stays promised, and only that."""

import datetime
import json
import os
import threading
import time

from harness.gateway import open_routes, settings
from harness.wire import Wire, get, once, post

ROUNDS = 30 if os.environ.get("NEXUS_LONG") == "1" else 3
CLIENTS = 8
PRODUCTS = 3
JSON = "Content-Type: application/json"


class Client(threading.Thread):
    """Reserves one piece at a time and releases every third again, until the gateway is gone."""

    def __init__(self, address: str, name: str):
        super().__init__(daemon=True)
        self.address, self.label = address, name
        self.held: set[tuple[str, str]] = set()  # product, reservation
        self.undecided: set[tuple[str, str]] = set()
        self.refused: list[bytes] = []

    def _ask(self, wire: Wire, verb: str, product: str, reservation: str) -> None:
        self.undecided.add((product, reservation))
        body = json.dumps({"productId": product, "reservationId": reservation} | ({"quantity": 1} if verb == "reserve" else {}))
        reply = wire.ask(post(f"/api/commands/inventory.{verb}", body.encode(), JSON))
        if reply.status != 202:
            if reply.status:
                self.refused.append(reply.raw)
            raise ConnectionError("no answer, or not the one there should be")
        self.undecided.discard((product, reservation))

    def run(self) -> None:
        number = 0
        try:
            with Wire(self.address, timeout=5) as wire:
                while True:
                    product, reservation = f"product{number % PRODUCTS}", f"{self.label}-{number}"
                    self._ask(wire, "reserve", product, reservation)
                    self.held.add((product, reservation))
                    if number % 3 == 0:
                        self._ask(wire, "release", product, reservation)
                        self.held.discard((product, reservation))
                    number += 1
        except OSError:
            return


def test_no_acknowledged_reservation_is_lost_or_doubled(stage, tmp_path):
    gateway = stage.gateway(settings(workers=2, routes=open_routes(tmp_path, "inventory")), [])

    def command(verb: str, **body):
        return once(gateway.admin if verb == "adjust" else gateway.address, post(f"/api/commands/inventory.{verb}", json.dumps(body).encode(), JSON))

    for product in range(PRODUCTS):
        assert command("adjust", productId=f"product{product}", delta=1_000_000, reason="delivery").status == 202
    held: set[tuple[str, str]] = set()
    undecided: set[tuple[str, str]] = set()
    for round_number in range(ROUNDS):
        clients = [Client(gateway.address, f"r{round_number}-c{number}") for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(0.15 + 0.07 * (round_number % 5))
        gateway.kill()
        for client in clients:
            client.join(10)
            assert not client.refused, client.refused[0][:300]
            held |= client.held - client.undecided
            undecided |= client.undecided
        gateway.start()
        for product in range(PRODUCTS):
            now = json.loads(once(gateway.address, get(f"/api/inventory/product{product}")).body)
            sure = sum(name == f"product{product}" for name, _ in held)
            open_ = sum(name == f"product{product}" for name, _ in undecided)
            assert now["onHand"] == 1_000_000 and now["available"] == now["onHand"] - now["reserved"]
            assert sure <= now["reserved"] <= sure + open_, f"round {round_number}: {now}, {sure} sure, {open_} open"
    assert len(held) > 20 * ROUNDS, f"too little load to prove anything: {len(held)}"
    # Each by its name: the same again changes nothing, and releasing it once gives it back once.
    before = {product: json.loads(once(gateway.address, get(f"/api/inventory/product{product}")).body) for product in range(PRODUCTS)}
    for product, reservation in sorted(held)[:50]:
        answer = json.loads(command("reserve", productId=product, reservationId=reservation, quantity=1).body)
        assert answer["eventIds"] == []
        assert len(json.loads(command("release", productId=product, reservationId=reservation).body)["eventIds"]) == 1
    after = {product: json.loads(once(gateway.address, get(f"/api/inventory/product{product}")).body) for product in range(PRODUCTS)}
    assert sum(each["reserved"] for each in before.values()) - sum(each["reserved"] for each in after.values()) == 50


def test_time_goes_on_while_the_gateway_is_dead(stage, tmp_path):
    gateway = stage.gateway(settings(routes=open_routes(tmp_path, "inventory")), [])

    def command(verb: str, **body):
        reply = once(gateway.admin if verb == "adjust" else gateway.address, post(f"/api/commands/inventory.{verb}", json.dumps({"productId": "egg"} | body).encode(), JSON))
        return reply.status, json.loads(reply.body)

    def seen() -> dict:
        return json.loads(once(gateway.address, get("/api/inventory/egg")).body)

    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    assert command("adjust", delta=6, reason="delivery", eventId="d1")[0] == 202
    assert command("reserve", reservationId="short", quantity=4, expiresAt=until.isoformat())[0] == 202
    assert command("reserve", reservationId="long", quantity=1)[0] == 202
    before = seen()
    gateway.kill()
    time.sleep(max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds()))
    gateway.start()
    assert (before["available"], seen()["available"]) == (1, 5)
    assert seen()["version"] == 3, "reading writes nothing"
    # What was known before is known.
    assert command("adjust", delta=6, reason="delivery", eventId="d1")[1]["eventIds"] == []
    status, answer = command("reserve", reservationId="next", quantity=5)
    assert (status, answer["version"], len(answer["eventIds"])) == (202, 5, 2)
    assert command("reserve", reservationId="short", quantity=4)[0] == 409
