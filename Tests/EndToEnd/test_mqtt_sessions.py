"""MQTT sessions and refused messages in an operator's hands: retried, bounded, judged again, and what a killed process leaves."""

import contextlib
import json
import re
import sqlite3

import httpx
import pytest

from harness import gateway as gateways
from harness import sockets
from harness.gateway import listener, settings
from harness.mqtt import Client, unique
from harness.mqtt_packets import V3, V5, Will
from harness.tokens import Issuer
from harness.wire import get, once

ROOT = gateways.ROOT
both = pytest.mark.parametrize("version", (V3, V5), ids=("311", "5"))
POLICIES = [
    {"name": "devices", "rules": [{"name": "device", "allow": {"roles": ["DEVICE"]}}]},
    {"name": "readers", "rules": [{"name": "reader", "allow": {"roles": ["READER"]}}]},
    {"name": "anyone", "rules": [{"name": "anyone", "allow": {"anyone": True}}]},
]
ROUTES = [
    {"name": "connect", "match": {"connect": "{client}"}, "target": {"topics": "session"}, "stages": {"identify": "optional"}},
    {
        "name": "delta", "match": {"publish": "stock/{sku}"}, "target": {"command": "inventory.adjust"},
        "parameters": {"productId": {"of": "sku", "by": "skus"}}, "stages": {"identify": "optional", "authorize": "devices", "replay": "optional"},
    },
    {"name": "relay", "match": {"publish": "room/{rest...}"}, "target": {"topics": "relay"}, "stages": {"identify": "optional"}},
    {"name": "secret", "match": {"subscribe": "room/secret/{rest...}"}, "target": {"topics": "subscribe"}, "stages": {"identify": "optional", "authorize": "readers"}},
    {"name": "listen", "match": {"subscribe": "room/open/{rest...}"}, "target": {"topics": "subscribe"}, "stages": {"identify": "optional", "authorize": "anyone"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]


class Place:
    def __init__(self, folder, stage):
        self.issuer = Issuer(folder)
        (folder / "policies.yaml").write_text(json.dumps({"policies": POLICIES}))
        self.skus = folder / "skus.yaml"
        self.known = {"KNOWN": "PRODUCT-K"}
        self.skus.write_text(json.dumps(self.known))
        self.gateway = stage.gateway(settings(
            listeners=[listener(), listener("devices", mqtt={})], workers=2, routes=[str(ROOT / "routes/operations.yaml"), "routes"],
            tables={"skus": str(self.skus)}, access={"policies": [str(folder / "policies.yaml")]},
            identity={"issuers": [self.issuer.settings]}, mqtt={"sessions_per_principal": 3}), ROUTES)

    def client(self, name: str, *roles: str, subject: str | None = None, version: int = V5, refused: bool = False, **more) -> Client:
        client = Client(self.gateway.listeners["devices"], version)
        answer = client.connect(name, username="any", password=self.issuer.token(subject or name, *roles).encode(), **more)
        assert refused or answer.reason == 0, answer
        return client

    def learn(self, sku: str) -> None:
        self.known[sku] = f"PRODUCT-{sku}"
        self.skus.write_text(json.dumps(self.known))
        self.gateway.reload()

    def stock(self, sku: str) -> int:
        answer = once(self.gateway.address, get(f"/api/inventory/{self.known[sku]}"))
        return json.loads(answer.body)["onHand"] if answer.status == 200 else 0

    def run(self, *words: str):
        return self.gateway.run(*words, "--admin", self.gateway.admin)

    def refused(self) -> list[dict]:
        return httpx.get(f"http://{self.gateway.admin}/mqtt/refused").json()["refused"]

    def metric(self, name: str) -> float:
        page = httpx.get(f"http://{self.gateway.admin}/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.M)
        assert found, name
        return float(found[1])

    def restart(self) -> None:
        """As after a crash."""
        self.gateway.kill()
        self.gateway.start()


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_stage):
    return Place(tmp_path_factory.mktemp("mqtt-sessions"), shared_stage)


# Refused messages.


def kept(place, topic: str) -> int:
    """The number of the only one with this topic."""
    (number,) = (entry["number"] for entry in place.refused() if entry["topic"] == topic)
    return number


@both
@pytest.mark.parametrize("qos", (1, 2))
def test_a_refused_message_is_retried_as_its_senders(place, version, qos):
    sku = unique("SKU")
    with place.client(unique("scale"), "DEVICE", version=version) as scale:
        scale.publish(f"stock/{sku}", b'{"delta": 4, "reason": "found"}', qos)
    number = kept(place, f"stock/{sku}")
    still = place.run("mqtt", "retry", str(number))
    assert still.returncode == 1 and still.stdout.startswith(f"{number}: refused: NOT_FOUND, "), still
    assert kept(place, f"stock/{sku}") == number
    place.learn(sku)
    done = place.run("mqtt", "retry", str(number))
    assert (done.returncode, done.stdout) == (0, f"{number}: taken\n")
    assert place.stock(sku) == 4 and all(entry["number"] != number for entry in place.refused())
    assert place.run("mqtt", "retry", str(number)).returncode != 0
    assert place.stock(sku) == 4


def test_killed_before_it_is_off_the_list_a_message_counts_once(place):
    sku = unique("SKU")
    with place.client(unique("scale"), "DEVICE") as scale:
        assert scale.publish(f"stock/{sku}", b'{"delta": 6, "reason": "found"}', 1).reason == 0x90
    number = kept(place, f"stock/{sku}")
    place.learn(sku)
    # Somebody else writes to the sessions' file, and does not come to an end.
    with contextlib.closing(sqlite3.connect(place.gateway.folder / "data/events.db.mqtt", isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        assert httpx.post(f"http://{place.gateway.admin}/mqtt/refused/{number}/retry", timeout=30).status_code == 503
        place.gateway.kill()
    assert place.gateway.start() and place.stock(sku) == 6
    assert place.run("mqtt", "retry", str(kept(place, f"stock/{sku}"))).stdout == f"{number}: taken\n"
    assert place.stock(sku) == 6


def test_an_id_of_the_messages_own_counts_once_over_retries(place):
    sku, key = unique("SKU"), {"user_property": [("idempotency-key", unique("key"))]}
    report = b'{"delta": 2, "reason": "found"}'
    with place.client(unique("scale"), "DEVICE") as scale:
        assert scale.publish(f"stock/{sku}", report, 1, props=key).reason == 0x90
        number = kept(place, f"stock/{sku}")
        place.learn(sku)
        # Its sender has sent it again himself.
        assert scale.publish(f"stock/{sku}", report, 1, props=key).reason == 0
    assert place.run("mqtt", "retry", str(number)).stdout == f"{number}: taken\n"
    assert place.stock(sku) == 2


def test_the_rights_are_those_that_its_sender_had(place):
    with place.client(unique("guest"), version=V3) as guest:
        guest.publish("stock/KNOWN", b'{"delta": 100, "reason": "found"}', 1)
        number = kept(place, "stock/KNOWN")
        before = place.stock("KNOWN")
        assert "refused: FORBIDDEN" in place.run("mqtt", "retry", str(number)).stdout
    assert place.stock("KNOWN") == before
    assert place.run("mqtt", "drop", str(number)).returncode == 0


def test_all_that_fit_are_retried_after_a_restart(place):
    sku, other = unique("SKU"), unique("SKU")
    with place.client(unique("scale"), "DEVICE", version=V3) as scale:
        for number in range(5):
            scale.publish(f"stock/{sku}", b'{"delta": %d, "reason": "found"}' % (10**number), 1)
        scale.publish(f"stock/{other}", b'{"delta": 1, "reason": "found"}', 1)
    place.restart()
    listed = place.run("dlq", "list").stdout
    assert f"refused MQTT messages: {len(place.refused())} (nexus-gateway mqtt refused)" in listed
    report = httpx.get(f"http://{place.gateway.admin}/dlq").json()
    assert report["refusedMessages"] == {"count": len(place.refused()), "list": "/mqtt/refused"} and "queues" in report
    place.learn(sku)
    retry = lambda *more: place.run("mqtt", "retry", "--all", "--topic", "stock/+", "--code", "NOT_FOUND", *more)
    first = retry("--limit", "2")
    assert first.returncode == 0 and place.stock(sku) == 11, first  # the oldest first
    rest = retry()
    assert rest.returncode == 1 and rest.stdout.endswith("taken: 3, refused: 1\n"), rest
    assert place.stock(sku) == 11111
    assert place.run("mqtt", "drop", str(kept(place, f"stock/{other}"))).returncode == 0
    assert retry().stdout == "taken: 0, refused: 0\n"


@pytest.mark.parametrize("words", [(), ("1", "--all"), ("1", "--code", "X"), ("--all", "--limit", "0"), ("--all", "--topic", "a#")])
def test_what_cannot_be_meant_is_refused(place, words):
    assert place.run("mqtt", "retry", *words).returncode == 64


def test_what_was_not_kept_whole_is_not_sent(place):
    with place.client(unique("scale"), "DEVICE") as scale:
        assert scale.publish("nobody/here", b"x" * 100_000, 1).reason == 0x90
    number = kept(place, "nobody/here")
    assert httpx.post(f"http://{place.gateway.admin}/mqtt/refused/{number}/retry").status_code == 409
    assert place.run("mqtt", "drop", str(number)).returncode == 0


# Sessions of one principal.


@both
def test_one_principal_has_so_many_sessions_and_no_more(place, version):
    crowd = unique("crowd")
    keep = {"clean": False} if version == V3 else {"clean": False, "session_expiry": 300}
    names = [unique("c") for _ in range(4)]
    refused = 'nexus_mqtt_sessions_refused_total{full="principal"}'
    before = place.metric(refused)
    for name in names[:3]:
        with place.client(name, subject=crowd, version=version, **keep) as client:
            client.disconnect()
    with place.client(names[3], subject=crowd, version=version, refused=True, **keep) as client:
        assert client.connack.reason == (0x97 if version == V5 else 0x03)
    assert place.metric(refused) == before + 1
    # His own he gets; another principal is not concerned.
    with place.client(names[0], subject=crowd, version=version, **keep) as client:
        assert client.connack.session_present
    with place.client(unique("other"), version=version, **keep):
        pass
    with place.client(names[1], subject=crowd, version=version, clean=True):
        pass  # one that ends with its connection
    sockets.wait_until(lambda: place.client(names[3], subject=crowd, version=version, refused=True, **keep).connack.reason == 0, 5, "room for another one")


# A session that goes on.


@both
def test_a_resumed_session_has_no_filter_that_its_principal_may_not_have(place, version):
    name, speaker = unique("dashboard"), place.client(unique("speaker"))
    keep = {"clean": False} if version == V3 else {"clean": False, "session_expiry": 300}
    withdrawn = place.metric("nexus_mqtt_filters_withdrawn_total")
    with place.client(name, "READER", version=version, **keep) as client:
        assert list(client.subscribe("room/secret/#", "room/open/#", qos=1).reasons) == [1, 1]
        client.disconnect()
    # As long as he may, he has what he had.
    speaker.publish("room/secret/a", b"one", 1)
    with place.client(name, "READER", version=version, **keep) as client:
        assert client.connack.session_present and client.message().payload == b"one"
        client.disconnect()
    assert place.metric("nexus_mqtt_filters_withdrawn_total") == withdrawn
    for topic, payload in (("secret/b", b"two"), ("open/b", b"three")):
        speaker.publish(f"room/{topic}", payload, 1)
    with place.client(name, version=version, **keep) as client:
        assert client.connack.session_present
        assert client.message().payload == b"three"
        speaker.publish("room/secret/c", b"four", 1)
        speaker.publish("room/open/c", b"five", 1)
        assert client.message().payload == b"five"
        client.disconnect()
    assert place.metric("nexus_mqtt_filters_withdrawn_total") == withdrawn + 1
    # It is gone for good, also from the disk.
    place.restart()
    with place.client(name, "READER", version=version, **keep) as client, place.client(unique("speaker")) as speaker:
        speaker.publish("room/secret/d", b"six", 1)
        speaker.publish("room/open/d", b"seven", 1)
        assert client.connack.session_present
        # What he acknowledged last may come again, as its commit is in no hurry.
        heard = [client.message().payload]
        while heard[-1] != b"seven":
            heard.append(client.message().payload)
        assert set(heard) <= {b"five", b"seven"}


# What a killed process leaves.


def test_a_will_keeps_its_owners_rights_over_a_crash(place):
    will = Will("stock/KNOWN", b'{"delta": 7, "reason": "found"}', 1, properties={"will_delay": 1})
    before = place.stock("KNOWN")
    client = place.client(unique("scale"), "DEVICE", will=will, session_expiry=300)
    place.restart()
    client.close()
    sockets.wait_until(lambda: place.stock("KNOWN") == before + 7, 10, "the will")


def test_messages_of_sessions_that_ended_with_the_process_are_forgotten(place):
    before = place.stock("KNOWN")
    report = lambda delta: b'{"delta": %d, "reason": "found"}' % delta
    lasting = unique("lasting")
    with place.client(lasting, "DEVICE", clean=False, session_expiry=300) as client:
        for _ in range(3):
            place.client(unique("brief"), "DEVICE").publish("stock/KNOWN", report(1), 1)
        client.publish("stock/KNOWN", report(10), 1, packet_id=77)
        place.gateway.kill()
    place.gateway.start()
    with place.client(lasting, "DEVICE", clean=False, session_expiry=300) as client:
        assert client.connack.session_present
        assert client.publish("stock/KNOWN", report(10), 1, packet_id=77, dup=True).reason == 0
        sockets.wait_until(lambda: place.metric("nexus_delivery_sessions") == 1, 10, "the others' messages to be forgotten")
        assert client.publish("stock/KNOWN", report(10), 1, packet_id=77, dup=True).reason == 0
    assert place.stock("KNOWN") == before + 13
