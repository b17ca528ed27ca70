"""MQTT through the whole gateway with a client of others' making: stock that is reported, topics that are relayed."""

import json
import queue
import socket
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from harness import sockets
from harness.gateway import ROOT, listener, settings
from harness.wire import get, once

ROUTES = [
    {"name": "connect", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {
        "name": "delta",
        "match": {"publish": "iot/inventory/{sku}/delta"},
        "target": {"command": "inventory.adjust"},
        "parameters": {"productId": {"of": "sku", "by": "skus"}},
        "stages": {"inspect": {"schema": "command"}},
    },
    {"name": "relay", "match": {"publish": "room/{rest...}"}, "target": {"topics": "relay"}},
    {"name": "listen", "match": {"subscribe": "room/{rest...}"}, "target": {"topics": "subscribe"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, shared_stage):
    skus = tmp_path_factory.mktemp("skus") / "skus.yaml"
    skus.write_text("".join(f"SKU-{n}: PRODUCT-{n}\n" for n in range(10)))
    devices = f"127.0.0.1:{sockets.free_port()}"
    config = settings(
        workers=2, listeners=[listener(address=f"127.0.0.1:{sockets.free_port()}"), listener("devices", devices, mqtt={})], tables={"skus": str(skus)}, contracts={"command_schemas": str(ROOT / "contracts/commands")})
    made = shared_stage.gateway(config, ROUTES)
    made.devices = devices
    return made


class Client:
    """A connected paho client: what comes stands in `messages`, reason codes of answers in `answers`."""

    def __init__(self, gateway, name: str, version: int = 5, clean: bool = True, expiry: int = 0, will: dict | None = None, **more):
        self.messages, self.answers, self.ended = queue.Queue(), {}, queue.Queue()
        connected = queue.Queue()
        extra = {} if version == 5 else {"clean_session": clean}
        self.paho = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5 if version == 5 else paho.MQTTv311, **extra)
        self.paho.on_connect = lambda _c, _u, flags, reason, properties: connected.put((flags, reason, properties))
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_publish = lambda _c, _u, mid, reason, _p: self.answers.__setitem__(mid, reason)
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.ended.put(reason)
        subscribed = self.subscribed = queue.Queue()
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: subscribed.put([each.value for each in reasons])
        if will:
            self.paho.will_set(**will)
        host, port = gateway.devices.split(":")
        properties = None
        if version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            more["clean_start"] = clean
        self.paho.connect(host, int(port), properties=properties, **more)
        self.paho.loop_start()
        self.flags, self.reason, self.properties = connected.get(timeout=5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.paho.disconnect()
        self.paho.loop_stop()

    def publish(self, topic: str, payload, qos: int, retain: bool = False):
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        sent = self.paho.publish(topic, payload, qos, retain)
        sent.wait_for_publish(5)
        assert sent.is_published()
        return self.answers.get(sent.mid)

    def subscribe(self, *filters) -> list[int]:
        self.paho.subscribe(list(filters))
        return self.subscribed.get(timeout=5)


def on_hand(gateway, product: str) -> int:
    return json.loads(once(gateway.address, get(f"/api/inventory/{product}")).body)["onHand"]


@pytest.mark.parametrize("version", [4, 5])
def test_stock_is_counted_when_it_is_acknowledged(gateway, version):
    sku, product = f"SKU-{version}", f"PRODUCT-{version}"
    topic = f"iot/inventory/{sku}/delta"
    with Client(gateway, f"scale-{version}", version) as client:
        client.publish(topic, {"delta": 7, "reason": "delivered"}, 1)
        assert on_hand(gateway, product) == 7
        client.publish(topic, {"delta": -2, "reason": "sold"}, 2)
        assert on_hand(gateway, product) == 5
        client.publish(topic, {"delta": 1, "reason": "found"}, 0)
        client.publish(topic, {"delta": 1, "reason": "found"}, 1)
        assert on_hand(gateway, product) == 7


def test_a_refused_message_is_told_why(gateway):
    with Client(gateway, "fool") as client:
        for payload, topic, reason in [
            ({"delta": "much"}, "iot/inventory/SKU-1/delta", 0x99), ({"delta": 1, "reason": "x"}, "iot/inventory/NONE/delta", 0x90),
            (b"{", "iot/inventory/SKU-1/delta", 0x99), ({}, "nobody/takes/this", 0x90),
        ]:
            assert client.publish(topic, payload, 1).value == reason, topic


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_are_relayed(gateway, qos):
    with Client(gateway, "listener") as to, Client(gateway, "speaker") as by:
        assert to.subscribe((f"room/{qos}/+", qos), ("secret/#", 0)) == [qos, 0x8F]
        by.publish(f"room/{qos}/a", b"hello", qos)
        message = to.messages.get(timeout=5)
        assert (message.topic, message.payload, message.qos) == (f"room/{qos}/a", b"hello", qos)


def test_a_retained_message_waits_for_those_who_come(gateway):
    with Client(gateway, "keeper") as by, Client(gateway, "late") as to:
        by.publish("room/kept/a", b"still here", 1, retain=True)
        to.subscribe(("room/kept/#", 1))
        message = to.messages.get(timeout=5)
        assert (message.payload, message.retain) == (b"still here", True)


def test_a_will_is_heard_when_its_client_is_lost(gateway):
    with Client(gateway, "heir") as heir:
        heir.subscribe(("room/wills/#", 1))
        lost = Client(gateway, "mortal", will={"topic": "room/wills/mortal", "payload": b"farewell", "qos": 1})
        lost.paho.socket().shutdown(2)
        assert heir.messages.get(timeout=5).payload == b"farewell"
        lost.paho.loop_stop()


def test_a_session_is_taken_over_and_keeps_what_it_waits_for(gateway):
    first = Client(gateway, "twice", expiry=60)
    assert not first.flags.session_present
    first.subscribe(("room/twice", 1))
    first.paho.reconnect_delay_set(60, 60)
    with Client(gateway, "twice", clean=False, expiry=60) as second:
        assert second.flags.session_present
        assert first.ended.get(timeout=5).value == 0x8E
        with Client(gateway, "another") as by:
            by.publish("room/twice", b"once", 1)
        assert second.messages.get(timeout=5).payload == b"once"
    first.paho.loop_stop()


def test_silence_ends_a_connection_at_one_and_a_half_times_its_keep_alive(gateway):
    host, port = gateway.devices.split(":")
    with socket.create_connection((host, int(port)), 5) as raw:
        raw.sendall(b"\x10\x13\x00\x04MQTT\x05\x02\x00\x01\x00\x00\x06silent")
        assert raw.recv(100)[0] == 0x20
        began = time.monotonic()
        said = raw.recv(100)
        assert said[0] == 0xE0 and said[2] == 0x8D
        assert 1.4 < time.monotonic() - began < 2.2


def test_a_will_that_may_not_be_published_refuses_its_client(gateway):
    with Client(gateway, "testator", will={"topic": "secret/x", "payload": b"no", "qos": 1}) as client:
        assert client.reason.value == 0x90
