"""kill -9 under load: every acknowledged command is there after the restart, exactly once."""

import json
import os
import sqlite3
import threading
import time

from harness.gateway import CARTS, settings
from harness.wire import Wire, get, once, post

ROUNDS = 50 if os.environ.get("NEXUS_LONG") == "1" else 4
CLIENTS = 8


class Client(threading.Thread):
    """Adds one distinct product per command to its own and a shared cart until the gateway is gone."""

    def __init__(self, address: str, number: int, round_number: int):
        super().__init__(daemon=True)
        self.address, self.number, self.round = address, number, round_number
        self.acknowledged: list[tuple[str, str, str]] = []  # user, product, event id
        self.asked = 0

    def run(self) -> None:
        try:
            with Wire(self.address, timeout=5) as wire:
                while True:
                    user = "shared" if self.asked % 4 == 0 else f"user{self.number}"
                    product = f"r{self.round}-c{self.number}-{self.asked}"
                    body = json.dumps({"userId": user, "item": {"productId": product, "quantity": 1}}).encode()
                    self.asked += 1
                    reply = wire.ask(post("/api/cart/add", body, "Content-Type: application/json"))
                    if reply.status != 202:
                        return
                    self.acknowledged.append((user, product, json.loads(reply.body)["eventIds"][0]))
        except OSError:
            return


def cart(address: str, user: str) -> dict:
    return json.loads(once(address, get(f"/api/cart/{user}"), 10).body)


def test_no_acknowledged_command_is_lost_or_doubled(stage):
    gateway = stage.gateway(settings(workers=2), CARTS)
    acknowledged: list[tuple[str, str, str]] = []
    asked = 0
    for round_number in range(ROUNDS):
        clients = [Client(gateway.address, number, round_number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(0.15 + 0.07 * (round_number % 5))
        gateway.kill()
        for client in clients:
            client.join(10)
            acknowledged += client.acknowledged
            asked += client.asked
        gateway.start()
        by_user: dict[str, set[str]] = {}
        for user, product, _ in acknowledged:
            by_user.setdefault(user, set()).add(product)
        for user, products in by_user.items():
            seen = cart(gateway.address, user)
            quantities = {item["productId"]: item["quantity"] for item in seen["items"]}
            missing = products - quantities.keys()
            assert not missing, f"round {round_number}: {len(missing)} acknowledged adds of {user} are gone"
            assert set(quantities.values()) == {1}, "an add was applied twice"
            assert seen["version"] == len(seen["items"]), "one event an add, no more"
    assert len(acknowledged) > 20 * ROUNDS, f"too little load to prove anything: {len(acknowledged)}"
    total = sum(cart(gateway.address, user)["version"] for user in ["shared", *(f"user{n}" for n in range(CLIENTS))])
    assert len(acknowledged) <= total <= asked
    ids = [event for _, _, event in acknowledged]
    assert len(set(ids)) == len(ids)


def test_the_store_is_sound_after_kills(stage):
    gateway = stage.gateway(settings(), CARTS)
    for round_number in range(3):
        clients = [Client(gateway.address, number, round_number) for number in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.2)
        gateway.kill()
        for client in clients:
            client.join(10)
        gateway.start()
    assert gateway.stop() == 0
    with sqlite3.connect(f"file:{gateway.folder}/data/events.db?mode=ro", uri=True) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_events_cannot_be_changed_or_deleted(stage):
    gateway = stage.gateway(settings(), CARTS)
    body = b'{"userId":"ann","item":{"productId":"mug","quantity":1}}'
    assert once(gateway.address, post("/api/cart/add", body, "Content-Type: application/json")).status == 202
    assert gateway.stop() == 0
    with sqlite3.connect(gateway.folder / "data/events.db") as store:
        refused = 0
        for statement in ("DELETE FROM events", "UPDATE events SET version = version + 1"):
            try:
                store.execute(statement)
            except sqlite3.DatabaseError:
                refused += 1
        assert refused == 2, "append-only must hold for every client of the file"
