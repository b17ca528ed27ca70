"""The will (MQTT 5.0 sections 3.1.2.5 to 3.1.2.7, 3.1.3.2)."""

import time

from harness.mqtt import unique
from harness.mqtt_packets import V3, V5, Will, connect

from .case import Scene, case, each, lasting, topic, turned_away


@each("3.1.2-9", [(f"QoS {qos}{' retained' if retain else ''}", qos, retain) for qos in (0, 1, 2) for retain in (False, True)])
def will(scene: Scene, version: int, _: str, qos: int, retain: bool):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, b"gone", qos, retain)).drop()
    message = watcher.message()
    assert (message.payload, message.qos, message.retain) == (b"gone", qos, False), message
    late = scene.watcher(version, place)
    if retain:
        kept = late.message()
        assert kept.retain and kept.payload == b"gone" and kept.qos == qos, f"{kept} [MQTT-3.1.2-17]"
    else:
        late.nothing()


@each("3.1.2-7", (("empty", b""), ("zeros", bytes(100)), ("60,000 bytes", b"w" * 60_000)))
def will_payload(scene: Scene, version: int, _: str, payload: bytes):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, payload, 1)).drop()
    assert watcher.message().payload == payload


@case("3.1.2-8")
def a_protocol_error_publishes_the_will(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version, will=Will(place))
    client.send(b"\x00\x00")
    client.closed()
    assert watcher.message().payload == b"gone"


@case("3.1.2-8")
def a_closed_connection_publishes_the_will(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place)).close()
    assert watcher.message().payload == b"gone"


@case("3.1.2-8", slow=True)
def keep_alive_publishes_the_will(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place), keep_alive=1)
    assert watcher.message(8).payload == b"gone"


@case("3.1.2-10")
def a_will_comes_once(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    scene.client(version, name, will=Will(place, b"gone", 1), **lasting(version)).drop()
    assert watcher.message().payload == b"gone"
    scene.client(version, name, **lasting(version)).drop()
    watcher.nothing()


@case("3.1.2-12")
def no_will_without_the_flag(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place + "/#")
    scene.client(version).drop()
    watcher.nothing()


@case("3.1.2-10")
def the_next_connection_s_will_counts(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    scene.client(version, name, will=Will(place, b"first"), **lasting(version)).disconnect()
    scene.client(version, name, will=Will(place, b"second"), **lasting(version)).drop()
    assert watcher.message().payload == b"second"
    watcher.nothing()


@each("3.1.3-9", (("wildcard +", "a/+"), ("wildcard #", "a/#"), ("empty", ""), ("not UTF-8", b"a\xff"), ("U+0000", b"a\x00")))
def will_topic(scene: Scene, version: int, _: str, name):
    client = scene.raw(version)
    client.send(connect(unique(), version, will=Will(name)))
    turned_away(client, 0x81, 0x82, 0x90)


@case("3.3.1-6")
def an_empty_retained_will_deletes(scene: Scene, version: int):
    place = topic()
    scene.client(version).publish(place, b"old", 1, retain=True)
    watcher = scene.watcher(version, place)
    assert watcher.message().retain
    scene.client(version, will=Will(place, b"", 1, True)).drop()
    assert watcher.message().payload == b""
    scene.watcher(version, place).nothing()


PROPERTIES = {
    "payload_format": 1, "content_type": "text/plain", "response_topic": "answers/here", "correlation_data": b"\x00\x01",
    "user_property": [("b", "1"), ("a", "2"), ("b", "3")],
}


@case("3.1.3.2", (V5,))
def properties_of_a_will(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, b"gone", 1, properties=PROPERTIES)).drop()
    assert watcher.message().properties == PROPERTIES


@case("3.1.3.2.4", (V5,))
def message_expiry_of_a_will(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, b"gone", 1, properties={"message_expiry": 100})).drop()
    assert watcher.message().properties.get("message_expiry") in (99, 100)


@case("3.1.2-8", (V5,), slow=True)
def a_delayed_will_waits(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    client = scene.client(version, will=Will(place, b"late", properties={"will_delay": 1}), session_expiry=60)
    began = time.monotonic()
    client.drop()
    assert watcher.message(6).payload == b"late"
    took = time.monotonic() - began
    assert 0.9 <= took <= 2.5, f"after {took:.2f} s"


@case("3.1.2-26", (V5,), slow=True)
def a_delayed_will_is_called_off_by_a_return(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    scene.client(version, name, will=Will(place, properties={"will_delay": 1}), session_expiry=60).drop()
    time.sleep(0.2)
    scene.client(version, name, present=True, clean=False, session_expiry=60)
    watcher.nothing(2.2)


@case("3.1.2-8", (V5,), slow=True)
def a_delayed_will_comes_when_the_session_ends(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, properties={"will_delay": 100}), session_expiry=1).drop()
    assert watcher.message(4).payload == b"gone"


@case("3.1.2-8", (V5,))
def a_delay_without_a_session_is_none(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, properties={"will_delay": 100})).drop()
    assert watcher.message(2).payload == b"gone"


@case("3.1.2-8", (V5,))
def a_clean_start_ends_the_session_and_so_publishes_its_delayed_will(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    scene.client(version, name, will=Will(place, properties={"will_delay": 100}), session_expiry=600).drop()
    time.sleep(0.1)
    scene.client(version, name, present=False, clean=True)
    assert watcher.message(2).payload == b"gone"


@case("3.14.4-3", (V5,), slow=True)
def a_delayed_will_is_discarded_by_DISCONNECT(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, properties={"will_delay": 1}), session_expiry=60).disconnect()
    watcher.nothing(2)


@case("3.1.2-8")
def a_will_between_the_versions(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(V3 if version == V5 else V5, place)
    scene.client(version, will=Will(place, b"gone", 2)).drop()
    message = watcher.message()
    assert (message.payload, message.qos) == (b"gone", 2)
