"""Sessions: how long they live, what they keep (MQTT 5.0 sections 3.1.2.4, 3.1.2.11.2, 4.1, 4.4)."""

import time

from harness.mqtt import Type, unique
from harness.mqtt_packets import V3, V5, acknowledge, publish

from .case import Scene, case, each, lasting, refused, topic


@case("3.1.2-4")
def clean_start_discards_subscriptions_and_messages(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.disconnect()
    scene.client(version).publish(place, b"missed", 1)
    again = scene.client(version, name, present=False, **lasting(version, clean=True))
    scene.client(version).publish(place, b"also missed", 1)
    again.nothing()


@case("3.1.2-5")
def a_session_goes_on(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.disconnect()
    again = scene.client(version, name, present=True, **lasting(version))
    scene.client(version).publish(place, b"on", 1)
    assert again.message().payload == b"on"


@case("3.1.2-5")
def a_session_goes_on_after_the_network_failed(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.drop()
    time.sleep(0.05)
    scene.client(version).publish(place, b"meanwhile", 1)
    again = scene.client(version, name, present=True, **lasting(version))
    assert again.message().payload == b"meanwhile"


@case("3.1.2-6")
def a_session_that_is_not_there_is_made(scene: Scene, version: int):
    scene.client(version, present=False, **lasting(version)).ping()


@case("3.1.1:3.1.2-6", (V3,))
def a_clean_session_ends_with_its_connection(scene: Scene, version: int):
    name = unique()
    scene.client(version, name, clean=True).disconnect()
    scene.client(version, name, present=False, clean=False)


@each("3.1.2-25", (("absent", {}), ("0", {"session_expiry": 0})), (V5,))
def session_expiry_at_the_end_of_the_connection(scene: Scene, version: int, _: str, more: dict):
    name = unique()
    scene.client(version, name, clean=False, **more).disconnect()
    scene.client(version, name, present=False, clean=False)


@each("3.1.2-25", (("100 s", 100), ("for ever", 0xFFFFFFFF)), (V5,))
def session_expiry_later(scene: Scene, version: int, _: str, seconds: int):
    name = unique()
    scene.client(version, name, session_expiry=seconds).disconnect()
    scene.client(version, name, present=True, clean=False)


@case("4.1.0-2", (V5,), slow=True)
def a_session_ends_when_its_expiry_has_passed(scene: Scene, version: int):
    name = unique()
    scene.client(version, name, session_expiry=1).disconnect()
    time.sleep(2.6)
    scene.client(version, name, present=False, clean=False)


@case("4.1.0-1", (V5,), slow=True)
def a_session_does_not_end_while_it_is_connected(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, session_expiry=1)
    client.subscribe(place)
    time.sleep(2.2)
    scene.client(version).publish(place, b"still")
    assert client.message().payload == b"still"
    client.drop()
    scene.client(version, name, present=True, clean=False)


@case("3.14.2", (V5,))
def DISCONNECT_shortens_the_session(scene: Scene, version: int):
    name = unique()
    scene.client(version, name, session_expiry=100).disconnect(0, session_expiry=0)
    scene.client(version, name, present=False, clean=False)


@case("3.14.2", (V5,))
def DISCONNECT_lengthens_the_session(scene: Scene, version: int):
    name = unique()
    scene.client(version, name, session_expiry=1).disconnect(0, session_expiry=500)
    time.sleep(0.1)
    scene.client(version, name, present=True, clean=False)


@case("3.14.2", (V5,))
def a_later_CONNECT_says_how_long_the_session_lives(scene: Scene, version: int):
    name = unique()
    scene.client(version, name, session_expiry=100).disconnect()
    scene.client(version, name, present=True, clean=False, session_expiry=0).disconnect()
    scene.client(version, name, present=False, clean=False)


@case("4.5.0-1")
def messages_wait_in_order(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    client.disconnect()
    other = scene.client(version)
    for number in range(30):
        other.publish(place, b"%d" % number, 1 + number % 2)
    again = scene.client(version, name, present=True, **lasting(version))
    got = again.messages(30)
    for qos in (1, 2):
        assert [each.payload for each in got if each.qos == qos] == [b"%d" % number for number in range(30) if 1 + number % 2 == qos]
    assert not any(each.dup for each in got), "DUP on what was never sent [MQTT-4.3.2-2]"


@case("4.5.0-1")
def messages_of_an_abandoned_subscription_do_not_wait(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.unsubscribe(place)
    client.disconnect()
    scene.client(version).publish(place, b"x", 1)
    scene.client(version, name, present=True, **lasting(version)).nothing()


@each("4.4.0-1", (("QoS 1", 1), ("QoS 2", 2)))
def unanswered_messages_come_again(scene: Scene, version: int, _: str, qos: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    other = scene.client(version)
    for number in range(5):
        other.publish(place, b"%d" % number, qos)
    first = [client.message(acknowledge_it=False) for _ in range(5)]
    client.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    second = again.messages(5)
    assert [each.payload for each in second] == [each.payload for each in first], "another order [MQTT-4.6.0-1]"
    assert [each.packet_id for each in second] == [each.packet_id for each in first], "other packet identifiers"
    assert all(each.dup for each in second), "resent without DUP [MQTT-3.3.1-1]"
    again.nothing()


@case("4.4.0-1")
def only_what_is_unanswered_comes_again(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    other = scene.client(version)
    for number in range(4):
        other.publish(place, b"%d" % number, 1)
    got = [client.message(acknowledge_it=False) for _ in range(4)]
    client.send(acknowledge(Type.PUBACK, got[0].packet_id), acknowledge(Type.PUBACK, got[2].packet_id))
    client.ping()
    client.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    assert [each.payload for each in again.messages(2)] == [b"1", b"3"]
    again.nothing()


@case("4.4.0-1")
def an_unanswered_PUBREL_comes_again_and_the_message_does_not(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    scene.client(version).publish(place, b"once", 2)
    message = client.message(acknowledge_it=False)
    client.send(acknowledge(Type.PUBREC, message.packet_id))
    client.expect(Type.PUBREL, message.packet_id)
    client.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    again.expect(Type.PUBREL, message.packet_id)
    again.send(acknowledge(Type.PUBCOMP, message.packet_id))
    again.nothing()
    again.disconnect()
    scene.client(version, name, present=True, **lasting(version)).nothing()


@case("4.4.0-1", slow=True)
def nothing_comes_again_within_a_connection(scene: Scene, version: int):
    place = topic()
    client = scene.watcher(version, place)
    scene.client(version).publish(place, b"1", 1)
    scene.client(version).publish(place, b"2", 2)
    client.message(acknowledge_it=False), client.message(acknowledge_it=False)
    client.nothing(2.5)


@each("4.4.0-2", (("PUBACK", 1), ("PUBREC", 2)), (V5,))
def a_refused_message_does_not_come_again(scene: Scene, version: int, kind: str, qos: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    scene.client(version).publish(place, b"no", qos)
    message = client.message(acknowledge_it=False)
    client.send(acknowledge(Type[kind], message.packet_id, 0x80))
    client.nothing()
    client.drop()
    scene.client(version, name, present=True, **lasting(version)).nothing()


@case("4.3.3-10")
def QoS_2_identifiers_are_known_after_a_reconnect(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    client = scene.client(version, name, **lasting(version))
    client.send(publish(place, b"once", 2, 77, version=version))
    client.expect(Type.PUBREC, 77)
    client.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    again.send(publish(place, b"once", 2, 77, version=version, dup=True))
    again.expect(Type.PUBREC, 77)
    assert again.release(77).reason == 0
    assert watcher.message().payload == b"once"
    watcher.nothing()


@case("4.3.3-11")
def PUBREL_after_a_reconnect(scene: Scene, version: int):
    name, place = unique(), topic()
    watcher = scene.watcher(version, place)
    client = scene.client(version, name, **lasting(version))
    client.send(publish(place, b"once", 2, 78, version=version))
    client.expect(Type.PUBREC, 78)
    client.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    assert again.release(78).reason == 0
    assert watcher.message().payload == b"once"
    watcher.nothing()


@case("3.1.2-4", (V5,))
def QoS_2_identifiers_are_forgotten_with_the_session(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.send(publish(place, b"x", 2, 79, version=version))
    client.expect(Type.PUBREC, 79)
    client.drop()
    assert scene.client(version, name, present=False, **lasting(version, clean=True)).release(79).reason == 0x92


@case("3.14.2", (V5,))
def DISCONNECT_may_not_make_a_session_that_was_not_to_last(scene: Scene, version: int):
    client = scene.client(version)
    client.send(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x64")
    refused(client, 0x82)
