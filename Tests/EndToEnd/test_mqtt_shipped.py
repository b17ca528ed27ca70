"""MQTT as it is shipped: routes/iot.yaml, its policies, its table of shelf numbers, with nothing opened or left out."""

import http.server
import json
import re
import threading

import pytest

from harness import gateway as gateways
from harness.certificates import Authority
from harness.gateway import listener, settings
from harness.mqtt import Client, unique
from harness.mqtt_packets import V3, V5, Will
from harness.secure import trusting
from harness.tokens import Issuer
from harness.wire import get, once

ROOT = gateways.ROOT
both = pytest.mark.parametrize("version", (V3, V5), ids=("311", "5"))
# Reports of stock, half of the devices' to the service that counted before.
CANARY = {
    "name": "canary", "match": {"publish": "canary/{sku}"}, "parameters": {"productId": {"of": "sku", "by": "skus"}}, "flag": "reports",
    "target": {"command": "inventory.adjust"}, "fallback": {"cluster": "counter"}, "stages": {"identify": "optional", "authorize": "report-stock", "steer": {"by": "principal"}},
}
DENIED = {V3: 0x80, V5: 0x87}


class Counter(http.server.BaseHTTPRequestHandler):
    """The service that counted before."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict]] = []

    def log_message(self, *_) -> None:
        pass

    def do_POST(self) -> None:
        self.seen.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(204)
        self.end_headers()


class Place:
    def __init__(self, folder, stage, counter: str):
        self.issuer, self.authority = Issuer(folder), Authority(folder / "ca")
        server = self.authority.issue("server", "DNS:localhost")
        tls = {"certificates": [server.settings], "client_certificates": "optional", "client_authorities": str(self.authority.certificate)}
        (folder / "flags.yaml").write_text(json.dumps({"flags": [{"name": "reports", "weight": 50, "affinity": "off"}]}))
        self.gateway = stage.gateway(settings(
            listeners=[listener(), listener("devices", mqtt={}), listener("secure", mqtt={}, tls=tls)], workers=2,
            routes=[*(str(ROOT / f"routes/{name}.yaml") for name in ("iot", "inventory", "operations")), "routes"],
            tables={"skus": str(ROOT / "config/skus.yaml")}, access={"policies": [str(ROOT / "config/policies")]},
            identity={"issuers": [self.issuer.settings]}, clusters={"counter": {"endpoints": [counter]}}, flags=str(folder / "flags.yaml"),
            limits={"budgets": [{"name": "devices", "requests": 5, "per": "1h"}]}), [CANARY])
        self.clients: list[Client] = []

    def client(self, version: int, **more) -> Client:
        self.clients.append(Client(self.gateway.listeners["secure" if more else "devices"], version, **more))
        return self.clients[-1]

    def device(self, name: str, *roles: str, version: int = V5, **more) -> Client:
        """Connected, with a token as its password."""
        client = self.client(version)
        answer = client.connect(more.pop("client_id", name), username="any", password=self.issuer.token(name, *roles or ("DEVICE",)).encode(), **more)
        assert answer.reason == 0, answer
        return client

    def certified(self, name: str, version: int) -> Client:
        pair = self.authority.issue(name, f"DNS:{name}", usage="clientAuth")
        return self.client(version, tls=trusting(self.authority, client=pair))

    def stock(self, product: str) -> int:
        reply = once(self.gateway.address, get(f"/api/inventory/{product}"))
        return json.loads(reply.body)["onHand"] if reply.status == 200 else 0

    def operator(self, *words: str) -> str:
        done = self.gateway.run("mqtt", *words, "--admin", self.gateway.admin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def explain(self, *words: str) -> tuple[int, str]:
        done = self.gateway.run("explain", "--mqtt", *words)
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_stage):
    counter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    threading.Thread(target=counter.serve_forever, daemon=True).start()
    made = Place(tmp_path_factory.mktemp("shipped"), shared_stage, f"127.0.0.1:{counter.server_address[1]}")
    yield made
    for client in made.clients:
        client.socket.close()
    counter.shutdown()
    counter.server_close()


def report(delta: int, **more) -> bytes:
    return json.dumps({"delta": delta, "reason": "count", **more}).encode()


# Who gets in.


@both
def test_a_token_is_the_password(place, version):
    name = unique("scale")
    place.device(name, version=version)
    # With one more level, for who has several clients.
    place.device(name, version=version, client_id=f"{name}/b")
    assert place.explain("connect", f"{name}/b")[0] == 0


@both
@pytest.mark.parametrize("shown", ("nothing", "no token", "another's name", "another's level", "staff as another"))
def test_who_does_not_get_in(place, version, shown):
    name, victim = unique("scale"), unique("scale")
    first = place.device(victim)
    password = {"nothing": None, "no token": b"secret", "staff as another": place.issuer.token(name, "STAFF", "ADMIN").encode()}.get(shown, place.issuer.token(name, "DEVICE").encode())
    client_id = {"another's name": victim, "another's level": f"{victim}/{name}", "staff as another": victim}.get(shown, name)
    client = place.client(version)
    answer = client.connect(client_id, **({"username": "any", "password": password} if password else {}))
    assert answer.reason in ({4, 5} if version == V3 else {0x86, 0x87})
    client.closed()
    # Whose name it is has noticed nothing.
    first.ping()


@both
def test_a_certificate_is_a_credential(place, version):
    name = unique("till")
    till = place.certified(name, version)
    assert till.connect(name).reason == 0
    before = place.stock("L9ECAV7KIM")
    assert till.publish("iot/inventory/LOAFERS-1/delta", report(2), 1).reason == 0
    assert place.stock("L9ECAV7KIM") == before + 2
    assert till.subscribe(f"devices/{name}/#", "devices/else/#", "shop/orders/+/status").reasons == [0, DENIED[version], 0]
    other = place.certified(unique("till"), version)
    assert other.connect(name).reason in (5, 0x87)
    other.closed()
    # The listener takes either credential, and nobody who shows neither.
    stranger = place.client(version, tls=trusting(place.authority))
    assert stranger.connect(unique("till")).reason in (4, 5, 0x86, 0x87)


# What a device may do.


@both
def test_own_topics_and_nobody_elses(place, version):
    name, other = unique("scale"), unique("scale")
    device, staff = place.device(name, version=version), place.device(unique("carol"), "STAFF", version=version)
    assert device.subscribe(f"devices/{name}/#", qos=1).reasons == [1]
    no = DENIED[version]
    nowhere = 0x80 if version == V3 else 0x8F
    # Of orders that are not there nobody is told more than that.
    answer = device.subscribe(f"devices/{other}/#", "devices/+/state", "shop/orders/1/status", "shop/orders/+/status", qos=1)
    assert answer.reasons == [no, no, nowhere, nowhere]
    assert device.subscribe("devices/#", "shop/#", "#", "$else/#", qos=1).reasons == [nowhere] * 4
    assert staff.subscribe("devices/+/#", "shop/orders/+/status", qos=1).reasons == [1, 1]
    assert device.publish(f"devices/{name}/state/now", b"up", 1).reason == 0
    assert device.message().payload == staff.message().payload == b"up"
    assert device.publish(f"devices/{other}/state/now", b"up", 1).reason == (0x87 if version == V5 else 0)
    # What the event core tells, nobody else does.
    assert device.publish("shop/inventory/MUG-1", b"{}", 1).reason == (0x90 if version == V5 else 0)
    staff.nothing()
    will = place.client(version)
    said = will.connect(unique("scale"), username="any", password=b"x", will=Will(f"devices/{other}/gone", b""))
    assert said.reason >= 4


def test_customers_report_no_stock(place):
    before = place.stock("OLJCESPC7Z")
    customer = place.device(unique("u"), "CUSTOMER")
    assert customer.publish("iot/inventory/SUNGLASSES-1/delta", report(100), 1).reason == 0x87
    assert place.stock("OLJCESPC7Z") == before


# Stock.


@both
@pytest.mark.parametrize("qos", (1, 2))
def test_a_report_counts_once_and_is_on_disk(place, version, qos):
    device = place.device(unique("scale"), version=version)
    assert device.publish("iot/inventory/SUNGLASSES-1/delta", report(10), qos).reason == 0
    before = place.stock("OLJCESPC7Z")
    once_only = report(-3, eventId=unique("e"), ts="2026-01-02T03:04:05Z")
    for _ in range(3):
        assert device.publish("iot/inventory/SUNGLASSES-1/delta", once_only, qos).reason == 0
    assert place.stock("OLJCESPC7Z") == before - 3
    code, said = place.explain("publish", "iot/inventory/SUNGLASSES-1/delta")
    assert code == 0 and "iot-stock-delta" in said and "inventory.adjust" in said, said


@both
def test_a_screen_is_told_the_stock(place, version):
    """By what the shelf calls it: at once what it is, then what it becomes."""
    device, screen = place.device(unique("scale")), place.device(unique("screen"), version=version)
    device.publish("iot/inventory/CANDLE-1/delta", report(1), 1)
    known = place.stock("0PUK6V6EV0")
    assert screen.subscribe("shop/inventory/CANDLE-1", qos=1).reasons == [1]
    device.publish("iot/inventory/CANDLE-1/delta", report(6), 1)
    seen = []
    while not seen or seen[-1] != known + 6:
        seen.append(json.loads(screen.message(5).payload)["onHand"])
    # What the topic retained may be a report behind; it never goes back.
    assert seen == sorted(seen), seen


@both
def test_an_unknown_shelf_number_is_kept_for_people(place, version):
    name, shelf = unique("scale"), unique("shelf")
    device = place.device(name, version=version)
    answer = device.publish(f"iot/inventory/{shelf}/delta", report(5), 1)
    assert answer.reason == (0x90 if version == V5 else 0), answer
    assert place.stock(shelf) == 0
    line = next(line for line in place.operator("refused").splitlines() if shelf in line)
    assert name in line and "NOT_FOUND" in line, line
    # What is wrong is said once, and where.
    assert line.rstrip().endswith("nothing is known by this name: /sku"), line
    number = line.split()[0]
    shown = place.operator("show", number)
    assert '"delta": 5' in shown and f"subject: {name}" in shown, shown
    place.operator("drop", number)
    assert shelf not in place.operator("refused")
    assert re.search(rf"^{name}\s+yes|^{name}\s+true", place.operator("sessions"), re.MULTILINE), place.operator("sessions")


@both
def test_the_budget_of_a_device(place, version):
    name = unique("scale")
    device = place.device(name, version=version)
    device.subscribe(f"devices/{name}/n")
    answers = [device.publish(f"devices/{name}/n", b"1", 1).reason for _ in range(7)]
    assert answers == ([0] * 5 + [0x97] * 2 if version == V5 else [0] * 7)
    assert [device.message().payload for _ in range(5)] == [b"1"] * 5
    device.nothing()
    # Reports are of the same budget; another device has its own.
    before = place.stock("1YMWWN1N4O")
    device.publish("iot/inventory/WATCH-1/delta", report(1), 1)
    assert place.stock("1YMWWN1N4O") == before
    assert place.device(unique("scale")).publish("iot/inventory/WATCH-1/delta", report(1), 1).reason == 0
    kept = [line for line in place.operator("refused").splitlines() if name in line]
    assert len(kept) == (3 if version == V3 else 0) and all("RATE_LIMITED" in line for line in kept), kept


# A flag.


def test_a_flag_splits_devices(place):
    before, sides = place.stock("2ZYFJ3GM2N"), {}
    for number in range(16):
        name, version = unique("scale"), (V3, V5)[number % 2]
        device, seen = place.device(name, version=version), len(Counter.seen)
        for _ in range(2):
            assert device.publish("canary/HAIRDRYER-1", report(1), 1).reason == 0
        went = len(Counter.seen) - seen
        assert went in (0, 2), "a device is on one side"
        sides[name] = went == 0
    core = sum(sides.values())
    assert 0 < core < 16, sides
    assert place.stock("2ZYFJ3GM2N") == before + 2 * core
    assert Counter.seen[-1] == ("/canary/HAIRDRYER-1", {"delta": 1, "reason": "count"})
    # In every protocol and for every client of a principal alike.
    name = next(iter(sides))
    again, seen = place.device(name, client_id=f"{name}/b"), len(Counter.seen)
    again.publish("canary/HAIRDRYER-1", report(1), 2)
    assert (len(Counter.seen) == seen) == sides[name]
    code, said = place.explain("publish", "canary/HAIRDRYER-1")
    assert code == 0 and "reports" in said and "counter" in said, said
    metrics = once(place.gateway.admin, get("/metrics")).body.decode()
    for arm in ("candidate", "control"):
        assert re.search(rf'nexus_flag_exchanges_total\{{[^}}]*arm="{arm}"[^}}]*\}} [1-9]', metrics), arm


# What `explain` says is what happens.


@pytest.mark.parametrize("filter, route", [
    ("devices/{name}/#", "iot-own-subscribe"), ("devices/+/state", "iot-own-subscribe"), ("shop/inventory/+", "iot-stock"),
    ("shop/orders/7/status", "iot-order-status"), ("shop/orders/#", None), ("shop/#", None), ("#", None), ("$SYS/#", "iot-system"), ("$SYS/broker/+", "iot-system"), ("$else/#", None),
])
def test_explain_agrees(place, filter, route):
    name = unique("carol")
    filter = filter.format(name=name)
    staff = place.device(name, "STAFF")
    granted = staff.subscribe(filter).reasons == [0]
    code, said = place.explain("subscribe", filter)
    assert granted == (code == 0) == (route is not None), said
    assert route is None or route in said, said


def test_staff_hears_how_the_broker_fares(place):
    staff, device = place.device(unique("carol"), "STAFF"), place.device(unique("scale"))
    assert staff.subscribe("$SYS/#", "$SYS/broker/uptime").reasons == [0, 0]
    assert device.subscribe("$SYS/#", "$SYS/broker/uptime").reasons == [0x87, 0x87]
    assert staff.message(20).topic.startswith("$SYS/broker/")
