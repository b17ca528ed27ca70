"""kill -9 while requests with idempotency keys run: whoever asks again gets the first outcome, and nothing happens twice."""

import json
import threading
import time

from harness.gateway import CARTS, settings
from harness.wire import Wire, get, once, post

ROUNDS, CLIENTS = 4, 8
ROUTES = [{**each, "stages": {"replay": "required"}} if "command" in each["target"] else each for each in CARTS]


class Client(threading.Thread):
    """Adds one piece a request, each with a key of its own, until the gateway is gone."""

    def __init__(self, address: str, name: str):
        super().__init__(daemon=True)
        self.address, self.name = address, name
        self.answers: list[bytes | None] = []  # by the key's number; None = no answer came

    def body(self) -> bytes:
        return json.dumps({"userId": self.name, "item": {"productId": "mug", "quantity": 1}}).encode()

    def ask(self, wire: Wire, number: int):
        return wire.ask(post("/api/cart/add", self.body(), "Content-Type: application/json", f"Idempotency-Key: {self.name}-{number}"))

    def run(self) -> None:
        try:
            with Wire(self.address, timeout=5) as wire:
                while True:
                    self.answers.append(None)
                    reply = self.ask(wire, len(self.answers) - 1)
                    if reply.status != 202:
                        return
                    self.answers[-1] = reply.body
        except OSError:
            return


def test_asking_again_does_nothing_twice(stage):
    gateway = stage.gateway(settings(workers=2), ROUTES)
    unanswered = asked = 0
    for round_number in range(ROUNDS):
        clients = [Client(gateway.address, f"r{round_number}-c{number}") for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(0.15 + 0.07 * round_number)
        gateway.kill()
        for client in clients:
            client.join(10)
        gateway.start()
        for client in clients:
            with Wire(gateway.address, timeout=5) as wire:
                for number, answer in enumerate(client.answers):
                    again = client.ask(wire, number)
                    assert again.status == 202
                    if answer is not None:
                        assert again.body == answer and again.field("idempotent-replayed") == "true"
            version = json.loads(once(gateway.address, get(f"/api/cart/{client.name}"), 10).body)["version"]
            assert version == len(client.answers), "each request once, whether its answer had come or not"
            asked += len(client.answers)
            unanswered += client.answers.count(None)
    assert asked > 20 * ROUNDS and unanswered >= ROUNDS, f"too little load to prove anything: {asked}, {unanswered} unanswered"
