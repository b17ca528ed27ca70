"""kill -9 while devices publish: what was acknowledged is there, and nothing is there twice."""

import json
import os
import random
import time

import pytest

from harness import gateway as gateways
from harness import sockets
from harness.mqtt import Client, Silent, unique
from harness.mqtt_device import Device
from harness.mqtt_packets import V3, V5, Type, publish
from harness.wire import get, once

LONG = os.environ.get("NEXUS_LONG") == "1"
PUBLISHES, KILLS = (10_000, 40) if LONG else (360, 3)
ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "delta", "match": {"publish": "iot/inventory/{productId}/delta"}, "target": {"command": "inventory.adjust"}, "stages": {"inspect": {"schema": "command"}}},
    {"name": "relay", "match": {"publish": "news/{topic...}"}, "target": {"topics": "relay"}},
    {"name": "subscriptions", "match": {"subscribe": "news/{topic...}"}, "target": {"topics": "subscribe"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]
# Each kind of device that may expect each report to count once: (name, QoS, version, own ids).
KINDS = [("qos1-id", 1, V5, True), ("qos1-id-311", 1, V3, True), ("qos1-dup", 1, V5, False), ("qos1-dup-311", 1, V3, False), ("qos2", 2, V5, False), ("qos2-311", 2, V3, False)]


@pytest.fixture
def gateway(stage):
    # The devices come back to where they were.
    devices = gateways.listener("devices", f"127.0.0.1:{sockets.free_port()}", mqtt={})
    return stage.gateway(gateways.settings(workers=2, contracts={"command_schemas": str(gateways.ROOT / "contracts/commands")}, listeners=[gateways.listener(), devices]), ROUTES)


def stock(gateway, product: str) -> int:
    reply = once(gateway.address, get(f"/api/inventory/{product}"))
    return json.loads(reply.body)["onHand"] if reply.status == 200 else 0


def test_every_report_counts_once(gateway):
    address = gateway.listeners["devices"]
    each = PUBLISHES // len(KINDS)
    devices = {name: Device(address, f"scale-{name}", f"iot/inventory/{name}/delta", each, qos=qos, version=version, ids=ids, seconds=900 if LONG else 100) for name, qos, version, ids in KINDS}
    for device in devices.values():
        device.start()
    for kill in range(KILLS):
        # After another share of all reports, and then at any moment.
        share = each * (kill + 1) / (KILLS + 1)
        sockets.wait_until(lambda: all(one.acknowledged >= share or one.wrong for one in devices.values()) or all(not one.is_alive() for one in devices.values()), 300 if LONG else 60, "progress")
        time.sleep(random.random() * 0.03)
        gateway.kill()
        gateway.start()
    for device in devices.values():
        device.join(300 if LONG else 100)
    wrong = {name: device.wrong for name, device in devices.items() if device.wrong}
    assert not wrong, wrong
    assert all(device.acknowledged == each for device in devices.values())
    assert sum(device.reconnects for device in devices.values()) >= KILLS, "nobody noticed"
    assert {name: stock(gateway, name) for name in devices} == {name: each for name in devices}


@pytest.mark.parametrize("qos", (1, 2))
def test_what_waits_for_a_session_survives(gateway, qos):
    name, topic = unique("s"), f"news/{unique()}"
    address = gateway.listeners["devices"]
    with Client(address) as reader:
        reader.connect(name, clean=False, session_expiry=600)
        reader.subscribe(topic, qos=qos)
    sent = 0
    for _ in range(3):
        with Client(address) as writer:
            writer.connect()
            for _ in range(20):
                assert writer.publish(topic, b"%d" % sent, qos).reason == 0
                sent += 1
            # One whose answer nobody waits for: it may be there or not.
            writer.send(publish(f"{topic}/other", b"x", qos, 999))
        gateway.kill()
        gateway.start()
    with Client(address) as reader:
        assert reader.connect(name, clean=False, session_expiry=600).session_present
        got = [reader.message(5).payload for _ in range(sent)]
        assert got == [b"%d" % number for number in range(sent)]
        reader.nothing()


@pytest.mark.parametrize("version", (V3, V5))
def test_a_message_under_way_comes_again(gateway, version):
    name, topic = unique("s"), f"news/{unique()}"
    address = gateway.listeners["devices"]
    lasting = {"clean": False} | ({} if version == V3 else {"session_expiry": 600})
    with Client(address, version) as reader, Client(address, version) as writer:
        reader.connect(name, **lasting)
        reader.subscribe(topic, qos=2)
        writer.connect()
        writer.publish(topic, b"1", 1), writer.publish(topic, b"2", 2)
        first = [reader.message(acknowledge_it=False) for _ in range(2)]
        gateway.kill()
    gateway.start()
    with Client(address, version) as reader:
        assert reader.connect(name, **lasting).session_present
        second = reader.messages(2)
        assert [each.payload for each in second] == [each.payload for each in first]
        reader.nothing()


def test_retained_messages_survive(gateway):
    topic, address = f"news/{unique()}", gateway.listeners["devices"]
    with Client(address) as writer:
        writer.connect()
        for number in range(10):
            writer.publish(f"{topic}/{number}", b"kept", 1, retain=True, props={"user_property": [("a", "b")]})
        writer.publish(f"{topic}/3", b"", 1, retain=True)
    gateway.kill()
    gateway.start()
    with Client(address) as reader:
        reader.connect()
        reader.subscribe(f"{topic}/+", qos=1)
        got = [reader.message(acknowledge_it=True) for _ in range(9)]
        assert sorted(each.topic[-1] for each in got) == list("012456789")
        assert all(each.retain and each.properties == {"user_property": [("a", "b")]} for each in got)
        reader.nothing()


def test_a_relayed_QoS_2_message_is_delivered_once(gateway):
    name, other, topic = unique("s"), unique("s"), f"news/{unique()}"
    address = gateway.listeners["devices"]
    with Client(address) as reader, Client(address) as writer:
        reader.connect(other, clean=False, session_expiry=600)
        reader.subscribe(topic, qos=2)
        writer.connect(name, clean=False, session_expiry=600)
        writer.send(publish(topic, b"once", 2, 7))
        writer.expect(Type.PUBREC, 7)
        gateway.kill()
    gateway.start()
    with Client(address) as writer, Client(address) as reader:
        assert writer.connect(name, clean=False, session_expiry=600).session_present
        writer.send(publish(topic, b"once", 2, 7, dup=True))
        writer.expect(Type.PUBREC, 7)
        assert writer.release(7).reason == 0
        assert reader.connect(other, clean=False, session_expiry=600).session_present
        assert reader.message().payload == b"once"
        try:
            while True:
                again = reader.receive(0.2)
                assert again.type != Type.PUBLISH, "twice"
        except Silent:
            pass
