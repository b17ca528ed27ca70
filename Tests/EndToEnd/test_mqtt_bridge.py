"""Bridges between the gateway and a real mosquitto: messages in, messages out, what goes wrong between the two."""

import contextlib
import json
import re
import subprocess

import httpx
import pytest

from harness import gateway as gateways
from harness import peers, sockets
from harness.certificates import Authority
from harness.gateway import OPERATIONS, listener
from harness.mqtt import Client, Mosquitto, unique
from harness.mqtt_device import Device
from harness.recorder import Gone, respond
from harness.wire import get, once, post

POLICIES = {"policies": [{"name": "report", "rules": [{"name": "service", "allow": {"kind": "service"}}]}, {"name": "staff", "rules": [{"name": "staff", "allow": {"roles": ["STAFF"]}}]}]}
ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {
        "name": "delta", "match": {"publish": "iot/inventory/{productId}/delta"}, "target": {"command": "inventory.adjust"}, "body_limit": "1KiB",
        "stages": {"identify": "optional", "authorize": "report", "inspect": {"schema": "command"}, "replay": "optional"},
    },
    {"name": "closed", "match": {"publish": "iot/closed/{productId}"}, "target": {"command": "inventory.adjust"}, "stages": {"identify": "optional", "authorize": "staff"}},
    {"name": "relay", "match": {"publish": "iot/news/{rest...}"}, "target": {"topics": "relay"}},
    {"name": "listen", "match": {"subscribe": "iot/news/{rest...}"}, "target": {"topics": "subscribe"}},
    {"name": "service", "match": {"publish": "iot/service/{rest...}"}, "target": {"cluster": "up"}},
    {"name": "adjust", "match": {"method": "POST", "path": "/stock"}, "target": {"command": "inventory.adjust"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
    {"name": "mqtt", "match": {"listener": "admin", "path": "/mqtt/{list}", "method": "GET"}, "target": {"operation": "mqtt"}},
    *OPERATIONS,
]
OUT = {"events": ["StockAdjusted"], "topic": "told/{sku}", "retain": True}


def bridge(broker: str, **over) -> dict:
    return {"name": "plant", "address": broker, "principal": "plant", "backoff": "50ms", "backoff_max": "300ms", "in": [{"filter": "iot/#"}], "out": [OUT], **over}


def start(stage, folder, *bridges: dict, up: str = "127.0.0.1:9", **over):
    (folder / "policies.yaml").write_text(json.dumps(POLICIES))
    config = gateways.settings(
        up, workers=2, listeners=[listener(address=f"127.0.0.1:{sockets.free_port()}"), listener("devices", f"127.0.0.1:{sockets.free_port()}", mqtt={})],
        access={"policies": [str(folder / "policies.yaml")]}, contracts={"command_schemas": str(gateways.ROOT / "contracts/commands")}, bridges=list(bridges), **over)
    return stage.gateway(config, ROUTES)


def stock(gateway, product: str) -> int:
    reply = once(gateway.address, get(f"/api/inventory/{product}"))
    return json.loads(reply.body)["onHand"] if reply.status == 200 else 0


def counts(gateway, product: str, number: int, seconds: float = 10) -> None:
    sockets.wait_until(lambda: stock(gateway, product) >= number, seconds, f"{number} of {product}")
    assert stock(gateway, product) == number


def figure(gateway, name: str, **labels: str) -> float:
    page = httpx.get(f"http://{gateway.admin}/metrics").text
    wanted = ",".join(f'{key}="{value}"' for key, value in {"bridge": "plant", **labels}.items())
    found = re.search(rf"^nexus_bridge_{name}\{{{wanted}\}} (\S+)$", page, re.MULTILINE)
    assert found, f"no nexus_bridge_{name} with {wanted}"
    return float(found[1])


def joined(gateway, seconds: float = 10) -> None:
    sockets.wait_until(lambda: figure(gateway, "connected") == 1, seconds, "the bridge")


def refused(gateway) -> list[dict]:
    return httpx.get(f"http://{gateway.admin}/mqtt/refused?limit=100").json()["refused"]


def report(delta: int = 1, **more) -> bytes:
    return json.dumps({"delta": delta, "reason": "count", **more}).encode()


class Place:
    def __init__(self, stage, folder):
        self.broker = Mosquitto(folder / "broker")
        self.gateway = start(stage, folder, bridge(self.broker.address))
        joined(self.gateway)
        self.device = Client(self.broker.address)
        self.device.connect()


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_stage):
    made = Place(shared_stage, tmp_path_factory.mktemp("bridge"))
    yield made
    made.device.close()
    made.broker.stop()


# Inwards.


@pytest.mark.parametrize("qos", (0, 1))
def test_what_comes_in_is_counted(place, qos):
    product = unique("P")
    for _ in range(5):
        place.device.publish(f"iot/inventory/{product}/delta", report(2), qos)
    counts(place.gateway, product, 10)


def test_a_repetition_counts_once(place):
    product = unique("P")
    topic = f"iot/inventory/{product}/delta"
    for _ in range(3):
        place.device.publish(topic, report(eventId=f"own-{product}"), 1)
        place.device.publish(topic, report(), 1, props={"user_property": [("idempotency-key", f"key-{product}")]})
    place.device.publish(topic, report(10), 1)
    counts(place.gateway, product, 12)


def test_what_cannot_be_taken_is_kept_and_does_not_come_again(place):
    product, before = unique("P"), len(refused(place.gateway))
    postponed = figure(place.gateway, "messages_total", result="postponed")
    for topic, payload in [(f"iot/inventory/{product}/delta", b'{"delta":'), (f"iot/closed/{product}", report()), ("iot/nowhere", b"x"), (f"iot/inventory/{product}/delta", report(reason="x" * 2000))]:
        place.device.publish(topic, payload, 1)
    place.device.publish(f"iot/inventory/{product}/delta", report(3), 1)
    counts(place.gateway, product, 3)
    sockets.wait_until(lambda: len(refused(place.gateway)) == before + 4, 5, "what is kept")
    kept = refused(place.gateway)[:4]
    assert {entry["code"] for entry in kept} == {"VALIDATION_ERROR", "FORBIDDEN", "NO_ROUTE", "TOO_LARGE"}, kept
    assert {(entry["clientId"], entry["subject"]) for entry in kept} <= {("bridge-plant", "plant"), ("bridge-plant", "")}, kept
    assert figure(place.gateway, "messages_total", result="postponed") == postponed and figure(place.gateway, "unsettled") == 0


def test_a_message_is_relayed_with_what_it_says(place):
    with Client(place.gateway.listeners["devices"]) as here:
        here.connect()
        assert here.subscribe("iot/news/#", qos=1).reasons == [1]
        place.device.publish("iot/news/a", b"hello", 1, props={"content_type": "text/plain", "user_property": [("from", "plant")]})
        message = here.message()
        assert (message.topic, message.payload) == ("iot/news/a", b"hello")
        assert message.properties["content_type"] == "text/plain" and message.properties["user_property"] == [("from", "plant")]


def test_retained_messages_are_no_news(stage, tmp_path):
    with Mosquitto(tmp_path / "broker") as broker, Client(broker.address) as device:
        device.connect()
        device.publish("iot/inventory/OLD/delta", report(), 1, retain=True)
        gateway = start(stage, tmp_path, bridge(broker.address))
        joined(gateway)
        device.publish("iot/inventory/NEW/delta", report(), 1)
        counts(gateway, "NEW", 1)
        assert stock(gateway, "OLD") == 0 and figure(gateway, "messages_total", result="stale") == 1


# Outwards.


def test_what_happens_is_told(place):
    product = unique("P")
    place.device.subscribe(f"told/{product}", qos=1)
    reply = once(place.gateway.address, post("/stock", json.dumps({"productId": product, "delta": 4, "reason": "count"}).encode(), "content-type: application/json"))
    assert reply.status == 202
    message = place.device.message(5)
    assert json.loads(message.payload) == {"productId": product, "onHand": 4, "available": 4, "version": 1}
    with Client(place.broker.address) as late:
        late.connect()
        late.subscribe(f"told/{product}", qos=1)
        assert late.message().retain
    sockets.wait_until(lambda: figure(place.gateway, "published_total") >= 1, 5, "the acknowledgement")


# What goes wrong.


@pytest.mark.parametrize("version", ("3.1.1", "5"))
def test_nothing_acknowledged_is_lost_over_kills(stage, tmp_path, version):
    """What mosquitto has taken is counted, once where it has an id of its own."""
    with Mosquitto(tmp_path / "broker", "max_queued_messages 10000") as broker:
        gateway = start(stage, tmp_path, bridge(broker.address, version=version))
        joined(gateway)
        each = 150
        devices = [Device(broker.address, f"d-{n}-{version}", f"iot/inventory/K{n}/delta", each, qos=1, ids=True, pause=0.004) for n in range(3)]
        for device in devices:
            device.start()
        for kill in range(3):
            sockets.wait_until(lambda: sum(stock(gateway, f"K{n}") for n in range(3)) >= each * len(devices) * (kill + 1) // 5, 30, "progress")
            gateway.kill()
            gateway.start()
        for device in devices:
            device.join(60)
            assert not device.wrong and device.acknowledged == each, device.wrong
        for n in range(3):
            counts(gateway, f"K{n}", each, 30)


def test_a_broker_that_comes_back(stage, tmp_path):
    with Mosquitto(tmp_path / "broker", store=True) as broker:
        gateway = start(stage, tmp_path, bridge(broker.address))
        joined(gateway)
        broker.stop()
        sockets.wait_until(lambda: figure(gateway, "connected") == 0, 5, "the loss")
        # Told to nobody for now.
        assert once(gateway.address, post("/stock", json.dumps({"productId": "A", "delta": 1, "reason": "count"}).encode(), "content-type: application/json")).status == 202
        broker.start()
        joined(gateway)
        with Client(broker.address) as device:
            device.connect()
            device.subscribe("told/A", qos=1)
            device.publish("iot/inventory/B/delta", report(), 1)
            counts(gateway, "B", 1)
            assert json.loads(device.message(15).payload)["version"] == 1


def test_what_cannot_be_taken_now_comes_again(stage, tmp_path):
    """The service behind a topic is away: the message stays with the broker."""
    with Mosquitto(tmp_path / "broker") as broker:
        up = f"127.0.0.1:{sockets.free_port()}"
        gateway = start(stage, tmp_path, bridge(broker.address), up=up)
        joined(gateway)
        with Client(broker.address) as device:
            device.connect()
            device.publish("iot/service/a", b"{}", 1)
            sockets.wait_until(lambda: figure(gateway, "messages_total", result="postponed") >= 2, 10, "another attempt")
            assert figure(gateway, "messages_total", result="taken") == 0 and not refused(gateway)
            backend = stage.backend(address=up)
            sockets.wait_until(lambda: figure(gateway, "messages_total", result="taken") == 1, 10, "the message")
            assert backend.requests[-1].target == "/iot/service/a"


def test_what_a_service_fails_on_for_good_is_set_aside(stage, tmp_path):
    """The others are through after so many attempts, and have each been sent twice at most."""

    def play(peer):
        with contextlib.suppress(Gone):
            while True:
                request = peer.read_request()
                peer.send(respond("500 Internal Server Error" if request.target.endswith("/bad") else "200 OK"))

    with Mosquitto(tmp_path / "broker") as broker:
        service = stage.backend(play)
        gateway = start(stage, tmp_path, bridge(broker.address, attempts=4), up=service.address)
        joined(gateway)
        with Client(broker.address) as device:
            device.connect()
            for name in ("a", "bad", "b"):
                device.publish(f"iot/service/{name}", b"{}", 1)
            sockets.wait_until(lambda: [entry["topic"] for entry in refused(gateway)] == ["iot/service/bad"], 10, "the bad one set aside")
            device.publish("iot/service/c", b"{}", 1)
            sockets.wait_until(lambda: any(request.target == "/iot/service/c" for request in service.requests), 10, "the one behind it")
        targets = [request.target for request in service.requests]
        assert 4 <= targets.count("/iot/service/bad") <= 5, targets
        assert all(1 <= targets.count(f"/iot/service/{name}") <= 2 for name in "ab") and targets.count("/iot/service/c") == 1, targets


def test_a_drain_leaves_nothing_half_done(stage, tmp_path):
    with Mosquitto(tmp_path / "broker") as broker:
        gateway = start(stage, tmp_path, bridge(broker.address))
        joined(gateway)
        device = Device(broker.address, "steady", "iot/inventory/D/delta", 200, qos=1, ids=True, pause=0.002)
        device.start()
        sockets.wait_until(lambda: stock(gateway, "D") > 20, 10, "progress")
        assert gateway.stop() == 0
        gateway.start()
        device.join(30)
        assert not device.wrong
        counts(gateway, "D", 200, 20)


@pytest.mark.parametrize("authority", ("theirs", "another"))
def test_tls_and_a_password(stage, tmp_path, authority):
    theirs, another = Authority(tmp_path, "theirs"), Authority(tmp_path, "another")
    pair = theirs.issue("broker", "DNS:localhost", "IP:127.0.0.1")
    passwords = tmp_path / "passwords"
    passwords.write_text("gateway:open sesame\n")
    subprocess.run([peers.tool("mosquitto_passwd"), "-U", str(passwords)], check=True, stdin=subprocess.DEVNULL)
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    lines = [f"certfile {pair.chain}", f"keyfile {pair.key}", "allow_anonymous false", f"password_file {passwords}"]
    with Mosquitto(tmp_path / "broker", *lines) as broker:
        ca = (theirs if authority == "theirs" else another).certificate
        gateway = start(stage, tmp_path, bridge(broker.address, tls={"ca": str(ca)}, username="gateway", password_file=str(secret)))
        if authority == "theirs":
            return joined(gateway)
        sockets.wait_until(lambda: figure(gateway, "losses_total") >= 2, 10, "the attempts")
        assert figure(gateway, "connects_total") == 0
        assert "open sesame" not in gateway.said()


@pytest.mark.parametrize("tls", (False, True))
def test_a_broker_that_hangs_up_or_is_away_is_tried_again(stage, tmp_path, tls):
    """Before a word has been said: neither the bridge nor the gateway's end waits for it."""
    over = {"tls": {"ca": str(Authority(tmp_path, "theirs").certificate)}} if tls else {}
    nobody = f"127.0.0.1:{sockets.free_port()}"
    with sockets.listen("127.0.0.1:0") as broker:
        gateway = start(stage, tmp_path, bridge(sockets.address_of(broker), **over), bridge(nobody, name="nobody", **over))
        for _ in range(3):
            broker.settimeout(5)
            broker.accept()[0].close()
        sockets.wait_until(lambda: figure(gateway, "losses_total") >= 3 and figure(gateway, "losses_total", bridge="nobody") >= 3, 5, "the attempts")
        assert gateway.stop(5) == 0


# Files.


@pytest.mark.parametrize(("over", "problem"), [
    ({"username": "u", "password_file": "none"}, r"'none' cannot be read"),
    ({"tls": {"ca": "none"}}, r"none"),
    ({"listener": "public"}, r"no listener 'public' speaks MQTT"),
])
def test_check_says_what_is_wrong(stage, over, problem):
    config = gateways.settings(listeners=[listener(), listener("devices", mqtt={})], bridges=[bridge("127.0.0.1:1", **over)])
    done = stage.files(config, OPERATIONS).run("check")
    assert done.returncode == 78 and re.search(problem, done.stderr), done.stderr


def test_a_bridge_needs_a_listener_by_whose_routes_it_goes(stage):
    done = stage.files(gateways.settings(bridges=[bridge("127.0.0.1:1")]), OPERATIONS).run("check")
    assert done.returncode == 78 and "'in' needs a listener with 'mqtt'" in done.stderr


def test_a_password_that_everybody_may_read_is_warned_of(stage, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o644)
    config = gateways.settings(listeners=[listener(), listener("devices", mqtt={})], bridges=[bridge("127.0.0.1:1", username="u", password_file=str(secret))])
    files = stage.files(config, OPERATIONS)
    done = files.run("check")
    assert done.returncode == 0 and "everybody on this machine may read the password" in done.stderr, done.stderr
    assert "open sesame" not in done.stdout + done.stderr
    secret.write_text("\n")
    done = files.run("check")
    assert done.returncode == 78 and "is no password" in done.stderr


def test_a_reload_says_that_bridges_need_a_restart(place):
    config = json.loads(place.gateway.config_path.read_text())
    said = len(place.gateway.said())
    place.gateway.reload(gateways.merged(config, {"bridges": [bridge(place.broker.address, in_flight=7)]}))
    try:
        assert re.search(r'needs a restart to change".*"section":"bridges"', place.gateway.said()[said:])
        assert figure(place.gateway, "connected") == 1
    finally:
        place.gateway.reload(config)
