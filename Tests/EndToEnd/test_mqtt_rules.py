"""MQTT as the gateway does it: who may what, how refusals are told in either version, limits, expiry, the drain."""

import json
import signal
import time

import pytest

from harness import gateway as gateways
from harness.gateway import listener, settings
from harness.mqtt import Client, Silent, unique
from harness.mqtt_packets import V3, V5, Type, Will, publish, subscribe
from harness.sockets import wait_until
from harness.tokens import Issuer
from harness.wire import get, once

POLICIES = {"policies": [
    {"name": "own-name", "rules": [{"name": "own", "allow": {"kind": ["user", "service"], "owner": {"parameter": "client"}}}]},
    {"name": "staff", "rules": [{"name": "staff", "allow": {"roles": ["STAFF"]}}]},
]}
REPORT = {"target": {"command": "inventory.adjust"}, "body_limit": "1KiB"}
ROUTES = [
    # Whoever comes.
    {"name": "session", "match": {"connect": "{client}", "listener": "devices"}, "target": {"topics": "session"}},
    {"name": "delta", "match": {"publish": "iot/inventory/{productId}/delta", "listener": "devices"}, "stages": {"inspect": {"schema": "command"}, "replay": "optional"}, **REPORT},
    {"name": "few", "match": {"publish": "few/{productId}", "listener": "devices"}, "stages": {"quota": ["few"]}, **REPORT},
    {"name": "relay", "match": {"publish": "open/{topic...}", "listener": "devices"}, "target": {"topics": "relay"}},
    {"name": "hear", "match": {"subscribe": "open/{topic...}", "listener": "devices"}, "target": {"topics": "subscribe"}},
    # Whoever is known.
    {"name": "own-session", "match": {"connect": "{client}", "listener": "tokens"}, "target": {"topics": "session"}, "stages": {"identify": "optional", "authorize": "own-name"}},
    {"name": "own-publish", "match": {"publish": "own/{client}/{rest...}", "listener": "tokens"}, "target": {"topics": "relay"}, "stages": {"identify": "optional", "authorize": "own-name"}},
    {"name": "own-hear", "match": {"subscribe": "own/{client}/{rest...}", "listener": "tokens"}, "target": {"topics": "subscribe"}, "stages": {"identify": "optional", "authorize": "own-name"}},
    {"name": "staff-hear", "match": {"subscribe": "staff/{rest...}", "listener": "tokens"}, "target": {"topics": "subscribe"}, "stages": {"identify": "optional", "authorize": "staff"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]
both = pytest.mark.parametrize("version", (V3, V5), ids=("311", "5"))


class Place:
    def __init__(self, stage, folder, **over):
        self.issuer = Issuer(folder)
        (folder / "policies.yaml").write_text(json.dumps(POLICIES))
        config = settings(
            listeners=[listener(), listener("devices", mqtt={}), listener("tokens", mqtt={}), listener("strict", mqtt={"keep_alive": "7s", "levels": 4, "filters": 3, "user_properties": 2, "max_packet": "2KiB"})],
            identity={"issuers": [{**self.issuer.settings, "leeway": "0s"}]}, access={"policies": [str(folder / "policies.yaml")]},
            limits={"budgets": [{"name": "few", "requests": 3, "per": "1h"}]},
            contracts={"command_schemas": str(gateways.ROOT / "contracts/commands")}, mqtt={"subscriptions": 5, "retained": 3, "feed": []}, **over)
        open_too = [{**route, "name": f"strict-{route['name']}", "match": {**route["match"], "listener": "strict"}} for route in ROUTES[:5]]
        self.gateway = stage.gateway(config, ROUTES + open_too)
        self._clients: list[Client] = []

    def raw(self, version: int = V5, where: str = "devices") -> Client:
        self._clients.append(Client(self.gateway.listeners[where], version))
        return self._clients[-1]

    def open(self, version: int = V5, where: str = "devices", **more) -> Client:
        client = self.raw(version, where)
        assert client.connect(**more).reason == 0
        return client

    def known(self, name: str, *roles: str, version: int = V5, seconds: int = 600, **more) -> Client:
        client = self.raw(version, "tokens")
        answer = client.connect(name, username=name, password=self.issuer.token(name, *roles, seconds=seconds).encode(), **more)
        assert answer.reason == 0, answer
        return client

    def stock(self, product: str) -> int:
        reply = once(self.gateway.address, get(f"/api/inventory/{product}"))
        return json.loads(reply.body)["onHand"] if reply.status == 200 else 0


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_stage):
    return Place(shared_stage, tmp_path_factory.mktemp("mqtt"))


def report(delta: int = 1, **more) -> bytes:
    return json.dumps({"delta": delta, "reason": "count", **more}).encode()


# Who may connect.


@pytest.mark.parametrize("name, password, reasons", [
    ("somebody", "good", {0x87}), ("own", "none", {0x86, 0x87}), ("own", "changed", {0x86, 0x87}), ("own", "old", {0x86, 0x87}), ("own", "no token", {0x86, 0x87}),
])
@both
def test_who_is_not_let_in(place, version, name, password, reasons):
    own = unique("u")
    token = place.issuer.token(own, seconds=-3600 if password == "old" else 600)
    shown = {"good": token, "old": token, "changed": token[:-3] + "AAA", "no token": "secret", "none": None}[password]
    client = place.raw(version, "tokens")
    answer = client.connect(own if name == "own" else name, username=own, **({"password": shown.encode()} if shown else {}))
    assert answer.reason in (reasons if version == V5 else {4, 5}), answer
    client.closed()


@both
def test_own_topics_and_no_others(place, version):
    name, other = unique("u"), unique("u")
    client = place.known(name, version=version)
    no = 0x87 if version == V5 else 0x80
    answer = client.subscribe(f"own/{name}/#", f"own/{other}/#", f"own/+/a", "own/#", "staff/x", "nowhere", qos=1)
    assert answer.reasons == [1, no, no, *answer.reasons[3:]] and all(reason >= 0x80 for reason in answer.reasons[3:]), answer
    assert client.publish(f"own/{name}/a", b"1", 1).reason == 0
    assert client.message().payload == b"1"
    for qos in (1, 2):
        answer = client.publish(f"own/{other}/a", b"2", qos)
        # 3.1.1 has no word for it: the message is taken, and goes nowhere.
        assert answer.reason == (0x87 if version == V5 else 0), answer
    assert client.publish("nowhere", b"3", 1).reason == (0x90 if version == V5 else 0)
    client.nothing()


def test_a_wildcard_is_nobodys_name(place):
    client = place.known("+")
    assert client.subscribe("own/+/a", "own/+/#", "$share/g/own/+/a").reasons == [0x87] * 3
    other = unique("u")
    assert place.known(other).subscribe(f"own/{other}/+", f"$share/g/own/{other}/#", f"$share/{other}/own/x/#").reasons == [0, 0, 0x87]


def test_a_refused_filter_of_a_session_is_not_kept(place):
    name = unique("u")
    client = place.known(name, "STAFF", clean=False, session_expiry=60)
    assert client.subscribe("staff/x", qos=1).reasons == [1]
    client.disconnect()
    again = place.known(name, clean=False, session_expiry=60)
    assert again.subscribe("staff/y", qos=1).reasons == [0x87]


def test_a_will_that_its_client_may_not_publish(place):
    name, other = unique("u"), unique("u")
    watcher = place.known(other)
    watcher.subscribe(f"own/{other}/#", qos=1)
    forger = place.raw(V5, "tokens")
    answer = forger.connect(name, username=name, password=place.issuer.token(name).encode(), will=Will(f"own/{other}/forged", b"x", 1))
    assert answer.reason == 0x87, answer
    forger.drop()
    watcher.nothing(0.4)
    again = unique("u")
    witness = place.known(again, clean=False, session_expiry=60)
    witness.subscribe(f"own/{again}/#", qos=1)
    witness.disconnect()
    place.known(again, clean=False, session_expiry=60, will=Will(f"own/{again}/gone", b"mine", 1)).drop()
    time.sleep(0.3)
    assert place.known(again, clean=False, session_expiry=60).message().payload == b"mine"


@both
def test_a_token_that_expires_ends_the_connection(place, version):
    client = place.known(unique("u"), version=version, seconds=2)
    began = time.monotonic()
    end = client.closed(8)
    assert 0.5 <= time.monotonic() - began <= 4
    assert version == V3 or (end.packet and end.packet.reason in (0xA0, 0x87)), end


# Reports.


@pytest.mark.parametrize("body, reason", [
    (b"", 0x99), (b"no json", 0x99), (b'{"delta":"x","reason":"y"}', 0x99), (b'{"delta":0,"reason":"y"}', 0x99), (b'{"reason":"y"}', 0x99),
    (b'{"delta":1,"reason":"y","other":1}', 0x99), (b'{"delta":1,"delta":2,"reason":"y"}', 0x99), (b'{"delta":1,"reason":"' + b"y" * 2000 + b'"}', 0x97),
])
@pytest.mark.parametrize("qos", (1, 2))
def test_reports_that_make_no_sense(place, body, reason, qos):
    product = unique("p")
    client = place.open()
    answer = client.publish(f"iot/inventory/{product}/delta", body, qos)
    assert answer.reason == reason and answer.type == (Type.PUBACK if qos == 1 else Type.PUBREC), answer
    old = place.open(V3)
    old.publish(f"iot/inventory/{product}/delta", body, qos)
    # The next one counts, on the same connections and by the same identifiers.
    for each in (client, old):
        assert each.publish(f"iot/inventory/{product}/delta", report(), qos, 1).reason == 0
    assert place.stock(product) == 2


@both
def test_a_report_with_an_id_counts_once(place, version):
    product = unique("p")
    for _ in range(3):
        client = place.open(version)
        for qos in (0, 1, 2):
            client.publish(f"iot/inventory/{product}/delta", report(eventId="e-1"), qos)
        client.ping()
    wait_until(lambda: place.stock(product) == 1, 2, "the stock")


def test_a_report_with_a_key_counts_once(place):
    product, key = unique("p"), unique("key")
    for _ in range(2):
        client = place.open()
        for _ in range(2):
            assert client.publish(f"iot/inventory/{product}/delta", report(5), 1, props={"user_property": [("idempotency-key", key)]}).reason == 0
    assert place.stock(product) == 5
    answer = client.publish(f"iot/inventory/{product}/delta", report(6), 1, props={"user_property": [("idempotency-key", key)]})
    assert answer.reason == 0x83 and place.stock(product) == 5, answer


@both
def test_a_report_sent_again_with_DUP_counts_once(place, version):
    name, product = unique("d"), unique("p")
    lasting = {"clean": False} | ({"session_expiry": 60} if version == V5 else {})
    for attempt in range(3):
        client = place.open(version, client=name, **lasting) if attempt == 0 else place.raw(version)
        if attempt:
            assert client.connect(name, **lasting).session_present
        client.publish(f"iot/inventory/{product}/delta", report(), 1, 7, dup=attempt > 0)
        client.drop()
    assert place.stock(product) == 1
    client = place.raw(version)
    client.connect(name, **lasting)
    client.publish(f"iot/inventory/{product}/delta", report(), 1, 7)
    assert place.stock(product) == 2, "without DUP it is another one"


def test_a_budget_that_is_used_up(place):
    product = unique("p")
    client = place.open()
    reasons = [client.publish(f"few/{product}", report(), 1).reason for _ in range(5)]
    assert reasons == [0, 0, 0, 0x97, 0x97] and place.stock(product) == 3


# Limits.


def test_what_a_listener_grants(place):
    client = place.raw(V5, "strict")
    said = client.connect(keep_alive=60).properties
    assert (said["server_keep_alive"], said["maximum_packet_size"]) == (7, 2048)
    assert place.open(V5, "strict", keep_alive=0).connack.properties["server_keep_alive"] == 7
    assert "server_keep_alive" not in place.open(V5, "strict", keep_alive=5).connack.properties


@pytest.mark.parametrize("what, packet, reasons", ids=("levels", "user properties", "filters", "packet"), argvalues=[
    ("levels", publish("open/a/b/c/d", b"x", 1, 1), {0x90}),
    ("user properties", publish("open/a", b"x", 1, 1, props={"user_property": [("a", "b")] * 3}), {0x81, 0x82, 0x83, 0x97}),
    ("filters", subscribe(1, *((f"open/{number}", 0) for number in range(4))), {0x81, 0x82, 0x83, 0x97}),
    ("packet", publish("open/a", b"x" * 3000), {0x95}),
])
def test_beyond_what_a_listener_grants(place, what, packet, reasons):
    client, other = place.open(V5, "strict"), place.open(V5, "strict")
    client.send(packet)
    end = client.closed()
    assert end.packet is not None and end.packet.reason in reasons, f"{what}: {end}"
    other.ping()


def test_a_filter_of_too_many_levels_is_refused_alone(place):
    client = place.open(V5, "strict")
    assert client.subscribe("open/a/b/c/d", "open/a", qos=1).reasons == [0x8F, 1]


def test_more_subscriptions_than_a_session_may_have(place):
    client = place.open()
    assert client.subscribe(*(f"open/s/{number}" for number in range(7)), qos=1).reasons == [1] * 5 + [0x97] * 2
    client.unsubscribe("open/s/0")
    assert client.subscribe("open/s/6", qos=1).reasons == [1]


def test_more_retained_messages_than_there_may_be(place):
    client, topic = place.open(), f"open/{unique()}"
    reasons = [client.publish(f"{topic}/{number}", b"x", 1, retain=True).reason for number in range(5)]
    assert reasons.count(0x97) == 2, reasons
    assert client.publish(f"{topic}/0", b"again", 1, retain=True).reason < 0x80
    for number in range(5):
        client.publish(f"{topic}/{number}", b"", 1, retain=True)
    assert client.publish(f"{topic}/4", b"x", 1, retain=True).reason < 0x80


# The end.


@both
def test_the_drain(stage, tmp_path, version):
    place = Place(stage, tmp_path)
    client, product = place.open(version), unique("p")
    client.send(*(publish(f"iot/inventory/{product}/delta", report(), 1, number, version=version) for number in range(1, 21)))
    client.expect(Type.PUBACK, 1)
    place.gateway.signal(signal.SIGTERM)
    answered = 1
    try:
        while (got := client.receive(5)).type == Type.PUBACK:
            answered += 1
    except (ConnectionError, Silent):
        got = None
    if version == V5:
        assert got is not None and got.type == Type.DISCONNECT and got.reason in (0x8B, 0x9D), got
    assert place.gateway.wait(10) == 0
    place.gateway.start()
    assert answered <= place.stock(product) <= 20
