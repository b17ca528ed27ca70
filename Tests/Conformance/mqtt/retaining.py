"""Retained messages (MQTT 5.0 sections 3.3.1.3, 3.8.3.1)."""

import time

from harness.mqtt import unique
from harness.mqtt_packets import V3, V5, options

from .case import Scene, case, each, lasting, topic


def _retain(scene: Scene, version: int, place: str, data: bytes = b"kept", qos: int = 1, **more) -> None:
    client = scene.client(version)
    client.publish(place, data, qos, retain=True, **more)
    client.ping()


@each("3.3.1-5", [(f"QoS {qos}", qos) for qos in (0, 1, 2)])
def a_retained_message_is_kept(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    _retain(scene, version, place, qos=qos)
    message = scene.watcher(version, place).message()
    assert (message.payload, message.retain, message.qos, message.dup) == (b"kept", True, qos, False)


@case("3.3.1-5")
def the_last_one_counts(scene: Scene, version: int):
    place = topic()
    for data in (b"1", b"2", b"3"):
        _retain(scene, version, place, data)
    watcher = scene.watcher(version, place)
    assert watcher.message().payload == b"3"
    watcher.nothing(0.05)


@case("3.3.1-6")
def an_empty_one_deletes(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    watcher = scene.watcher(version, place)
    assert watcher.message().payload == b"kept"
    _retain(scene, version, place, b"")
    empty = watcher.message()
    assert (empty.payload, empty.retain) == (b"", False), "it is processed normally"
    scene.watcher(version, place).nothing()


@case("3.3.1-7")
def an_empty_one_is_not_kept(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place, b"")
    scene.watcher(version, place).nothing()


@case("3.3.1-8")
def other_messages_change_nothing(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    client = scene.client(version)
    client.publish(place, b"passing", 1), client.publish(place, b"", 1)
    assert scene.watcher(version, place).message().payload == b"kept"


@case("3.3.1-12")
def RETAIN_is_not_set_for_who_was_there_already(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    _retain(scene, version, place)
    assert not watcher.message().retain


@each("3.8.4-8", [(f"{wanted} of {sent}", wanted, sent) for wanted in (0, 1) for sent in (1, 2)])
def QoS_of_a_retained_message(scene: Scene, version: int, _: str, wanted: int, sent: int):
    place = topic()
    _retain(scene, version, place, qos=sent)
    assert scene.watcher(version, place, qos=wanted).message().qos == min(wanted, sent)


@each("3.3.1-9", (("+", "/+", 5), ("#", "/#", 6)))
def all_that_match(scene: Scene, version: int, _: str, end: str, count: int):
    place = topic()
    client = scene.client(version)
    for name in ("a", "b", "c", "d", "e", "f/g"):
        client.publish(f"{place}/{name}", name.encode(), 1, retain=True)
    got = scene.watcher(version, place + end).messages(count)
    assert sorted(each.payload for each in got) == [b"a", b"b", b"c", b"d", b"e", b"f/g"][:count] and all(each.retain for each in got)


@case("3.8.4-4")
def a_repeated_SUBSCRIBE_sends_them_again(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    watcher = scene.watcher(version, place)
    watcher.message()
    watcher.subscribe(place, qos=1)
    assert watcher.message().retain


@case("3.3.1-9")
def not_sent_when_a_session_returns(scene: Scene, version: int):
    name, place = unique(), topic()
    _retain(scene, version, place)
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.message()
    client.ping()
    client.disconnect()
    scene.client(version, name, present=True, **lasting(version)).nothing()


@case("3.3.1-5")
def kept_for_a_topic_not_for_its_publisher(scene: Scene, version: int):
    place = topic()
    client = scene.client(version)
    client.publish(place, b"kept", 1, retain=True)
    client.disconnect()
    assert scene.watcher(version, place).message().retain


@case("3.3.1-5")
def between_the_versions(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    message = scene.watcher(V3 if version == V5 else V5, place).message()
    assert message.retain and message.payload == b"kept"


@each("3.3.1-9", [(f"{handling}", handling) for handling in (0, 1, 2)], (V5,))
def retain_handling(scene: Scene, version: int, _: str, handling: int):
    place = topic()
    _retain(scene, version, place)
    watcher = scene.client(version)
    for number in range(2):
        watcher.subscribe(place, qos=1, handling=handling)
        if handling == 0 or (handling == 1 and number == 0):
            assert watcher.message().retain
        watcher.nothing(0.06)
    watcher.unsubscribe(place)
    watcher.subscribe(place, qos=1, handling=handling)
    if handling < 2:
        assert watcher.message().retain
    watcher.nothing(0.06)


@case("3.3.1-10", (V5,))
def retain_handling_1_of_a_session_that_returns(scene: Scene, version: int):
    name, place = unique(), topic()
    _retain(scene, version, place)
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, handling=1)
    client.message()
    client.disconnect()
    again = scene.client(version, name, present=True, **lasting(version))
    again.subscribe(place, handling=1)
    again.nothing()


@each("3.3.1-13", (("retained", True), ("not retained", False)), (V5,))
def retain_as_published(scene: Scene, version: int, _: str, retain: bool):
    place = topic()
    watcher = scene.client(version)
    watcher.subscribe(place, qos=1, as_published=True)
    scene.client(version).publish(place, b"x", 1, retain=retain)
    assert watcher.message().retain == retain


@case("3.3.1-13", (V5,))
def retain_as_published_while_away(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe((place + "/a", options(1, as_published=True)), (place + "/b", options(1)))
    client.disconnect()
    for name_of in "ab":
        _retain(scene, version, f"{place}/{name_of}")
    got = {each.topic[-1]: each.retain for each in scene.client(version, name, **lasting(version)).messages(2)}
    assert got == {"a": True, "b": False}


PROPERTIES = {
    "payload_format": 1, "content_type": "application/json", "response_topic": "r", "correlation_data": b"id",
    "user_property": [("k", "1"), ("k", "2"), ("a", "3")],
}


@case("3.3.2-17", (V5,))
def properties_are_kept_with_it(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place, props=PROPERTIES)
    assert scene.watcher(version, place).message().properties == PROPERTIES


@case("3.3.4-3", (V5,))
def subscription_identifiers_come_with_it(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    watcher = scene.client(version)
    watcher.subscribe(place, props={"subscription_identifier": 42})
    assert watcher.message().properties == {"subscription_identifier": [42]}


@case("3.3.2-5", (V5,), slow=True)
def a_retained_message_expires(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place, props={"message_expiry": 1})
    assert scene.watcher(version, place).message().payload == b"kept"
    time.sleep(2.2)
    scene.watcher(version, place).nothing()


@case("3.3.2-6", (V5,), slow=True)
def expiry_of_a_retained_message_is_counted_down(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place, props={"message_expiry": 100})
    time.sleep(2.1)
    assert scene.watcher(version, place).message().properties.get("message_expiry") in (97, 98)


@case("4.8.2", (V5,))
def not_sent_to_shared_subscriptions(scene: Scene, version: int):
    place = topic()
    _retain(scene, version, place)
    scene.watcher(version, f"$share/g/{place}").nothing()
