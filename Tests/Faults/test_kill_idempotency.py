"""kill -9 while requests with idempotency keys run: whoever asks again gets the first outcome, and nothing happens twice."""

import http.server
import json
import os
import random
import threading
import time

import pytest
from harness.gateway import CARTS, route, settings
from harness.wire import Wire, get, once, post

LONG = os.environ.get("NEXUS_LONG") == "1"
ROUNDS, CLIENTS = 40 if LONG else 3, 8
ROUTES = [{**each, "stages": {"replay": "required"}} if "command" in each["target"] else each for each in CARTS]


class Client(threading.Thread):
    """Adds one piece a request, each with a key of its own, until the gateway is gone."""

    status = 202

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
                    if reply.end != "complete" or reply.status != self.status:
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
        time.sleep(random.uniform(0.1, 0.5))
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


class Upstream(http.server.BaseHTTPRequestHandler):
    """Counts what it carries out, by the key."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, int] = {}
    lock = threading.Lock()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        key = self.headers["idempotency-key"]
        with self.lock:
            self.seen[key] = count = self.seen.get(key, 0) + 1
        time.sleep(random.uniform(0, 0.01))
        body = json.dumps({"key": key, "count": count}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


class Asker(Client):
    """Asks a cluster, each time with a key of its own."""

    status = 201

    def ask(self, wire: Wire, number: int):
        return wire.ask(post("/things", b"{}", f"Idempotency-Key: {self.name}-{number}"))


def once_more(gateway, key: str):
    return once(gateway.address, post("/things", b"{}", f"Idempotency-Key: {key}"), 10)


def test_a_cluster_does_nothing_twice(stage, upstream):
    """Killed where it matters, then at any time: what was answered is repeated, what may have been done is never done again."""
    gateway = stage.gateway(settings(upstream, workers=2), [route("things", "/things", stages={"replay": "required"})])
    for point, seen, answer in (("reserved", 0, 409), ("answered", 1, 409), ("stored", 1, 201)):
        gateway.kill()
        gateway._environment = {"NEXUS_FAIL_POINT": f"replay/{point}"}
        gateway.start()
        with pytest.raises((OSError, AssertionError)), Wire(gateway.address, timeout=5) as wire:
            assert wire.ask(post("/things", b"{}", f"Idempotency-Key: {point}")).status
        gateway.process.wait(5)
        gateway._environment = {}
        gateway.start()
        for _ in range(2):
            again = once_more(gateway, point)
            assert again.status == answer and (answer == 201 or json.loads(again.body)["code"] == "ILLEGAL_STATE"), (point, again.raw[:300])
        assert Upstream.seen.get(point, 0) == seen, point
    asked = lost = 0
    for round_number in range(ROUNDS):
        askers = [Asker(gateway.address, f"u{round_number}-{number}") for number in range(CLIENTS)]
        for asker in askers:
            asker.start()
        time.sleep(random.uniform(0.1, 0.5))
        gateway.kill()
        for asker in askers:
            asker.join(10)
        gateway.start()
        for asker in askers:
            with Wire(gateway.address, timeout=5) as wire:
                for number, answer in enumerate(asker.answers):
                    key, again = f"{asker.name}-{number}", asker.ask(wire, number)
                    if answer is not None:
                        assert again.status == 201 and again.body == answer and again.field("idempotent-replayed") == "true"
                    elif again.status == 409:
                        assert json.loads(again.body)["code"] == "ILLEGAL_STATE"
                        lost += 1
                    else:
                        assert again.status == 201
                    assert Upstream.seen.get(key, 0) <= 1, key
                asked += len(asker.answers)
    assert asked > 20 * ROUNDS and lost > 0, f"too little load to prove anything: {asked}, {lost} lost"
