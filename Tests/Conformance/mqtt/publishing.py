"""What clients publish: the flows inwards, Receive Maximum, topic aliases (MQTT 5.0 sections 3.3 to 3.7, 4.3, 4.6, 4.9)."""

from harness.mqtt import Client, Type
from harness.mqtt_packets import PINGREQ, V3, V5, acknowledge, publish

from .case import Scene, case, each, refused, topic


@each("3.3.4-1", (("QoS 0", 0), ("QoS 1", 1), ("QoS 2", 2)))
def flow(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    answer = client.publish(place, b"x", qos)
    assert answer is None or answer.reason == 0, answer
    message = watcher.message()
    assert (message.topic, message.payload, message.qos) == (place, b"x", qos)
    client.nothing(0.05)


@each("2.2.1-5", (1, 255, 256, 32768, 65535))
def packet_identifier(scene: Scene, version: int, number: int):
    client, place = scene.client(version), topic()
    client.publish(place, b"x", 1, number)
    client.publish(place, b"x", 2, number)


@case("3.3.4-1", (V5,))
def no_subscribers_is_no_failure(scene: Scene, version: int):
    client = scene.client(version)
    assert client.publish(topic(), b"x", 1).reason in (0, 0x10)
    assert client.publish(topic(), b"x", 2).reason == 0


@each("3.3.3", (("empty", b""), ("every byte", bytes(range(256))), ("127 bytes", b"x" * 127), ("16,384 bytes", b"y" * 16384), ("200,000 bytes", b"z" * 200_000)))
def payload(scene: Scene, version: int, _: str, data: bytes):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for qos in (0, 1, 2):
        client.publish(place, data, qos)
        assert watcher.message().payload == data


@case("4.3.2-5")
def a_packet_identifier_is_free_after_PUBACK_whatever_DUP_says(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.publish(place, b"1", 1, 5)
    client.publish(place, b"2", 1, 5, dup=True)
    assert [each.payload for each in watcher.messages(2)] == [b"1", b"2"]


@each("4.3.3-10", (("once", 1), ("five times", 5)))
def a_QoS_2_message_is_delivered_once_and_repeated(scene: Scene, version: int, _: str, times: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for dup in [False] + times * [True]:
        client.send(publish(place, b"once", 2, 6, version=version, dup=dup))
        assert client.expect(Type.PUBREC, 6).reason in (0, 0x10)
    client.release(6)
    assert watcher.message().payload == b"once"
    watcher.nothing()


@case("4.3.3-12")
def a_packet_identifier_is_free_after_PUBCOMP(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.publish(place, b"1", 2, 7)
    client.publish(place, b"2", 2, 7)
    assert [each.payload for each in watcher.messages(2)] == [b"1", b"2"]


@case("4.3.3-11")
def PUBREL_of_an_unknown_identifier(scene: Scene, version: int):
    answer = scene.client(version).release(999)
    assert version == V3 or answer.reason == 0x92, answer


@case("4.3.3-11")
def PUBREL_twice(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    client.publish(place, b"x", 2, 8)
    answer = client.release(8)
    assert version == V3 or answer.reason == 0x92, answer


@each("3.5.2-1", (("PUBACK", Type.PUBACK), ("PUBCOMP", Type.PUBCOMP)))
def of_an_unknown_identifier_is_let_by(scene: Scene, version: int, _: str, kind: Type):
    client = scene.client(version)
    client.send(acknowledge(kind, 999))
    client.ping()


@case("3.6.2-1", (V5,))
def PUBREC_of_an_unknown_identifier(scene: Scene, version: int):
    client = scene.client(version)
    client.send(acknowledge(Type.PUBREC, 999))
    assert client.expect(Type.PUBREL, 999).reason == 0x92


@each("4.6.0-2", (("QoS 1", 1), ("QoS 2", 2)))
def acknowledgements_keep_their_order(scene: Scene, version: int, _: str, qos: int):
    client, place = scene.client(version), topic()
    numbers = [3, 1, 2, 9, 8, 7, 100, 50, 60000, 4]
    client.send(*(publish(f"{place}/{number % 3}", b"x", qos, number, version=version) for number in numbers))
    kind = Type.PUBACK if qos == 1 else Type.PUBREC
    assert [client.expect(kind).packet_id for _ in numbers] == numbers
    if qos == 2:
        client.send(*(acknowledge(Type.PUBREL, number) for number in numbers))
        assert [client.expect(Type.PUBCOMP).packet_id for _ in numbers] == numbers


@case("4.3.3-10")
def many_QoS_2_messages_under_way_at_once(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.send(*(publish(place, b"%d" % number, 2, number, version=version) for number in range(1, 16)))
    for number in range(1, 16):
        client.expect(Type.PUBREC, number)
    client.send(*(acknowledge(Type.PUBREL, number) for number in range(1, 16)))
    for number in range(1, 16):
        client.expect(Type.PUBCOMP, number)
    assert [each.payload for each in watcher.messages(15)] == [b"%d" % number for number in range(1, 16)]


@case("3.3.1-3")
def DUP_is_not_passed_on(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for qos in (1, 2):
        client.publish(place, b"x", qos, dup=True)
        assert not watcher.message().dup


@each("3.3.1-2", (("", 0),))
def DUP_with_QoS_0(scene: Scene, version: int, _: str, qos: int):
    client = scene.client(version)
    client.send(publish(topic(), b"x", qos, version=version, dup=True))
    refused(client, 0x81, 0x82)


@case("3.3.1-4")
def QoS_3(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish(topic(), b"x", 3, 1, version=version))
    refused(client, 0x81, 0x82, 0x9B)


@each("3.3.2-2", ("+", "#", "a/+", "a/+/b", "a/#", "+/a", "a+"))
def wildcards_in_a_topic_name(scene: Scene, version: int, name: str):
    client = scene.client(version)
    client.send(publish(name, b"x", 1, 1, version=version))
    refused(client, 0x90, 0x81, 0x82)


@each("1.5.4-1", (("not UTF-8", b"a\xff"), ("surrogate", b"\xed\xa0\x80"), ("surrogates", b"\xed\xa0\xbd\xed\xb8\x80"), ("overlong", b"\xc0\xaf"), ("beyond U+10FFFF", b"\xf4\x90\x80\x80"), ("cut", b"a\xe2\x82"), ("U+0000", b"a\x00b")))
def topic_name(scene: Scene, version: int, _: str, name: bytes):
    client = scene.client(version)
    client.send(publish(name, b"x", 1, 1, version=version))
    refused(client, 0x81, 0x82, 0x90)


@case("4.7.3-1", (V3,))
def empty_topic_name(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish("", b"x", 1, 1, version=version))
    refused(client)


@case("2.2.1-3")
def packet_identifier_0(scene: Scene, version: int):
    for qos in (1, 2):
        client = scene.client(version)
        client.send(publish(topic(), b"x", qos, 0, version=version))
        refused(client, 0x81, 0x82)


# MQTT 5 alone.


@case("3.3.4-6", (V5,))
def subscription_identifier_from_a_client(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish(topic(), b"x", props={"subscription_identifier": 5}))
    refused(client, 0x82, 0x81)


@each("3.3.2-14", ("a/+", "#", "a/#/b"), (V5,))
def wildcards_in_a_response_topic(scene: Scene, version: int, name: str):
    client = scene.client(version)
    client.send(publish(topic(), b"x", props={"response_topic": name}))
    refused(client, 0x82, 0x81, 0x90)


def _quota(client: Client) -> int:
    return client.connack.properties.get("receive_maximum", 65535)


@case("3.3.4-7", (V5,))
def as_many_as_the_server_s_Receive_Maximum(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    quota = min(_quota(client), 200)
    client.send(*(publish(place, b"x", 2, number) for number in range(1, quota + 1)), PINGREQ)
    # PINGRESP need not wait for them.
    got = [client.receive() for _ in range(quota + 1)]
    assert [each.packet_id for each in got if each.type == Type.PUBREC] == list(range(1, quota + 1))
    assert sum(each.type == Type.PINGRESP for each in got) == 1
    for number in range(1, quota + 1):
        assert client.release(number).reason == 0


@case("3.3.4-7", (V5,))
def one_more_than_the_server_s_Receive_Maximum(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    quota = _quota(client)
    if quota > 2000:
        return
    client.send(*(publish(place, b"x", 2, number) for number in range(1, quota + 2)))
    refused(client, 0x93)


@case("3.3.4-7", (V5,))
def PUBCOMP_gives_the_quota_back(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    for number in range(1, 3 * min(_quota(client), 64)):
        client.publish(place, b"x", 2, number)
    client.ping()


@case("3.3.4-7", (V5,))
def a_repeated_message_does_not_count_twice(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    for _ in range(min(_quota(client), 64) + 3):
        client.send(publish(place, b"x", 2, 1, dup=True))
        client.expect(Type.PUBREC, 1)
    assert client.release(1).reason == 0


@case("3.3.4-7", (V5,))
def QoS_0_does_not_count(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    client.send(*(publish(place, b"x") for _ in range(3 * min(_quota(client), 64))))
    client.ping()


@case("3.2.2-15", (V5,))
def larger_than_the_server_s_maximum(scene: Scene, version: int):
    client = scene.client(version)
    most = client.connack.properties.get("maximum_packet_size")
    assert most, "the server of this suite is configured to have one"
    client.send(publish("t", b"x" * most))
    refused(client, 0x95)


@each("3.3.2-12", (("QoS 0", 0), ("QoS 1", 1), ("QoS 2", 2)), (V5,))
def topic_alias(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.publish(place, b"1", qos, props={"topic_alias": 1})
    client.publish("", b"2", qos, props={"topic_alias": 1})
    got = watcher.messages(2)
    assert [(each.topic, each.payload) for each in got] == [(place, b"1"), (place, b"2")]
    assert not any("topic_alias" in each.properties for each in got)


@case("3.3.2-12", (V5,))
def every_topic_alias_up_to_the_maximum(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place + "/+"), scene.client(version)
    most = client.connack.properties.get("topic_alias_maximum", 0)
    assert most, "the server of this suite takes aliases"
    for alias in range(1, most + 1):
        client.publish(f"{place}/{alias}", b"", props={"topic_alias": alias})
    for alias in range(1, most + 1):
        client.publish("", b"again", props={"topic_alias": alias})
    got = [watcher.message().topic for _ in range(2 * most)]
    assert got == [f"{place}/{alias}" for alias in range(1, most + 1)] * 2


@case("3.3.2-12", (V5,))
def topic_alias_with_another_meaning(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place + "/+"), scene.client(version)
    for name in ("a", "b"):
        client.publish(f"{place}/{name}", b"", props={"topic_alias": 1})
        client.publish("", b"", props={"topic_alias": 1})
    assert [watcher.message().topic[-1] for _ in range(4)] == list("aabb")


@case("3.3.2-7", (V5,))
def topic_aliases_end_with_the_connection(scene: Scene, version: int):
    name, place = f"{topic()}".replace("/", ""), topic()
    client = scene.client(version, name, clean=False, session_expiry=60)
    client.publish(place, b"", 1, props={"topic_alias": 1})
    client.disconnect()
    again = scene.client(version, name, clean=False, session_expiry=60)
    again.send(publish("", b"", 1, 1, props={"topic_alias": 1}))
    refused(again, 0x82, 0x94)


@case("3.3.2-7", (V5,))
def topic_aliases_are_each_connection_s_own(scene: Scene, version: int):
    place = topic()
    watcher, one, other = scene.watcher(version, place + "/+"), scene.client(version), scene.client(version)
    one.publish(f"{place}/1", b"", 1, props={"topic_alias": 1})
    other.publish(f"{place}/2", b"", 1, props={"topic_alias": 1})
    one.publish("", b"", 1, props={"topic_alias": 1})
    other.publish("", b"", 1, props={"topic_alias": 1})
    assert [watcher.message().topic[-1] for _ in range(4)] == list("1212")


@case("3.3.2-9", (V5,))
def topic_alias_beyond_the_maximum(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish(topic(), b"x", props={"topic_alias": client.connack.properties.get("topic_alias_maximum", 0) + 1}))
    refused(client, 0x94)


@case("3.3.2-8", (V5,))
def topic_alias_0(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish(topic(), b"x", props={"topic_alias": 0}))
    refused(client, 0x94)


@case("3.3.2-7", (V5,))
def topic_alias_without_a_meaning(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish("", b"x", props={"topic_alias": 3}))
    refused(client, 0x82, 0x94)


@case("4.7.3-1", (V5,))
def neither_topic_nor_alias(scene: Scene, version: int):
    client = scene.client(version)
    client.send(publish("", b"x"))
    refused(client, 0x82, 0x81, 0x90)


@each("3.4.2-1", (("PUBACK", Type.PUBACK), ("PUBREC", Type.PUBREC), ("PUBREL", Type.PUBREL), ("PUBCOMP", Type.PUBCOMP)), (V5,))
def with_reason_and_properties(scene: Scene, version: int, _: str, kind: Type):
    client = scene.client(version)
    answered = {Type.PUBREC: Type.PUBREL, Type.PUBREL: Type.PUBCOMP}.get(kind)
    client.send(acknowledge(kind, 99, 0x92 if kind in (Type.PUBREL, Type.PUBCOMP) else 0, {"reason_string": "why", "user_property": [("a", "b"), ("a", "c")]}))
    assert answered is None or client.expect(answered, 99)
    client.ping()
