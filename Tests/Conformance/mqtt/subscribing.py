"""SUBSCRIBE, UNSUBSCRIBE and their options (MQTT 5.0 sections 3.8 to 3.11)."""

from harness.mqtt import Closed, Type, unique
from harness.mqtt_packets import V3, V5, acknowledge, options, subscribe, unsubscribe

from .case import Scene, case, each, lasting, refused, topic


@each("3.8.4-7", (0, 1, 2))
def granted_QoS(scene: Scene, version: int, qos: int):
    assert scene.client(version).subscribe(topic(), qos=qos).reasons == [qos]


@each("3.8.4-2", (1, 256, 65535))
def SUBACK_and_UNSUBACK_have_the_identifier(scene: Scene, version: int, number: int):
    client, place = scene.client(version), topic()
    client.send(subscribe(number, (place, 1), version=version))
    client.expect(Type.SUBACK, number)
    client.send(unsubscribe(number, place, version=version))
    client.expect(Type.UNSUBACK, number)


@case("3.9.3-1")
def reasons_in_the_order_of_filters(scene: Scene, version: int):
    place = topic()
    answer = scene.client(version).subscribe((place + "/a", 2), (place + "/b", 0), (place + "/+", 1), (place + "/c", 2))
    assert answer.reasons == [2, 0, 1, 2]


@case("3.8.4-5")
def several_filters_in_one_packet(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.client(version), scene.client(version)
    watcher.subscribe((place + "/a", 2), (place + "/b", 1), (place + "/c", 0))
    for name in "abc":
        client.publish(f"{place}/{name}", b"", 2)
    assert [(each.topic[-1], each.qos) for each in watcher.messages(3)] == [("a", 2), ("b", 1), ("c", 0)]


@case("3.8.4-5")
def the_same_filter_twice_in_one_packet(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version)
    assert watcher.subscribe((place, 0), (place, 2)).reasons == [0, 2]
    scene.client(version).publish(place, b"", 2)
    assert watcher.message().qos == 2
    watcher.nothing(0.05)


@each("3.8.4-3", (("up", 0, 2), ("down", 2, 0)))
def a_subscription_is_replaced(scene: Scene, version: int, _: str, before: int, after: int):
    place = topic()
    watcher = scene.client(version)
    watcher.subscribe(place, qos=before), watcher.subscribe(place, qos=after)
    scene.client(version).publish(place, b"", 2)
    assert watcher.message().qos == after
    watcher.nothing(0.05)


BAD_FILTERS = ["", "a/#/b", "#/a", "a#", "a/b#", "a+", "+a", "a/+b/c", "a/b+", "##", "++", "a/##"]


@each("4.7.1-1", [each or "(empty)" for each in BAD_FILTERS])
def filter_that_is_none(scene: Scene, version: int, name: str):
    client = scene.client(version)
    client.send(subscribe(5, ("" if name == "(empty)" else name, 0), version=version))
    try:
        answer = client.receive()
    except Closed:
        assert version == V3, "closed without a reason"
        return
    if answer.type == Type.SUBACK:
        assert answer.reasons in ([0x8F], [0x80]), f"granted {answer.reasons}"
    else:
        assert answer.type == Type.DISCONNECT and answer.reason in (0x81, 0x82, 0x8F), answer




@each("4.8.2-1", ("$share", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/#/a", "$share/g+/a", "$share/g#x/a"), (V5,))
def shared_filter_that_is_none(scene: Scene, version: int, name: str):
    client = scene.client(version)
    client.send(subscribe(5, (name, 0)))
    answer = client.receive()
    if answer.type == Type.SUBACK:
        assert answer.reasons in ([0x8F], [0x80]), f"granted {answer.reasons}"
    else:
        assert answer.type == Type.DISCONNECT and answer.reason in (0x81, 0x82, 0x8F), answer


@each("3.8.3-1", (("not UTF-8", b"a\xff"), ("surrogate", b"\xed\xa0\x80"), ("U+0000", b"a\x00"), ("overlong", b"\xc1\x81")))
def filter_text(scene: Scene, version: int, _: str, name: bytes):
    client = scene.client(version)
    client.send(subscribe(5, (name, 0), version=version))
    refused(client, 0x81, 0x82, 0x8F)


@each("3.10.3-1", (("not UTF-8", b"a\xff"), ("U+0000", b"a\x00")))
def filter_text_in_UNSUBSCRIBE(scene: Scene, version: int, _: str, name: bytes):
    client = scene.client(version)
    client.send(unsubscribe(5, name, version=version))
    refused(client, 0x81, 0x82, 0x8F)


@case("3.10.4-4")
def UNSUBSCRIBE_ends_the_delivery(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place, place + "/x"), scene.client(version)
    answer = watcher.unsubscribe(place)
    assert version == V3 or answer.reasons == [0]
    client.publish(place, b"no", 1), client.publish(place + "/x", b"yes", 1)
    assert watcher.message().payload == b"yes"
    watcher.nothing(0.05)


@case("3.10.4-5")
def UNSUBSCRIBE_of_what_was_not_subscribed(scene: Scene, version: int):
    answer = scene.client(version).unsubscribe(topic())
    assert version == V3 or answer.reasons == [0x11]


@case("3.11.3-1")
def UNSUBSCRIBE_of_several(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place + "/a", place + "/b")
    answer = watcher.unsubscribe(place + "/b", place + "/none", place + "/a", place + "/a")
    assert version == V3 or answer.reasons == [0, 0x11, 0, 0x11]
    scene.client(version).publish(place + "/a", b"", 1)
    watcher.nothing()


@case("3.10.4-1")
def filters_are_compared_by_their_characters(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place + "/+")
    answer = watcher.unsubscribe(place + "/a", place + "/#", place.upper() + "/+")
    assert version == V3 or answer.reasons == [0x11] * 3
    scene.client(version).publish(place + "/a", b"still", 1)
    assert watcher.message().payload == b"still"


@case("3.10.4-3")
def UNSUBSCRIBE_does_not_cut_a_flow_short(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version).publish(place, b"x", 2)
    message = watcher.message(acknowledge_it=False)
    watcher.unsubscribe(place)
    watcher.complete(message)
    watcher.ping()


# Overlapping subscriptions.


@each("3.3.4-2", (("exact and +", "/a", "/+"), ("+ and #", "/+", "/#"), ("exact and #", "/a", "/#")))
def overlapping_subscriptions_give_the_highest_QoS(scene: Scene, version: int, _: str, low: str, high: str):
    for first, second in ((0, 2), (2, 0), (1, 2)):
        place = topic()
        watcher = scene.client(version)
        watcher.subscribe((place + low, first), (place + high, second))
        scene.client(version).publish(place + "/a", b"x", 2)
        got = [watcher.message()] + [each for each in watcher.settled(0.08) if each.type == Type.PUBLISH]
        assert max(each.qos for each in got) == 2, [str(each) for each in got]
        assert len(got) <= 2


@case("3.3.4-2")
def overlapping_subscriptions_one_copy(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place + "/a", place + "/+", place + "/#", qos=1)
    scene.client(version).publish(place + "/a", b"x", 1)
    watcher.message()
    watcher.nothing()


# MQTT 5's options.


@case("3.8.3-3", (V5,))
def no_local(scene: Scene, version: int):
    place = topic()
    client, other = scene.client(version), scene.client(version)
    client.subscribe(place, qos=1, no_local=True), other.subscribe(place, qos=1)
    client.publish(place, b"own", 1)
    assert other.message().payload == b"own"
    client.nothing(0.08)
    other.publish(place, b"another's", 1)
    assert client.message().payload == b"another's"


@case("3.8.3-3", (V5,))
def no_local_goes_by_the_client_identifier(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1, no_local=True)
    client.disconnect()
    again = scene.client(version, name, present=True, **lasting(version))
    again.publish(place, b"own", 1)
    again.nothing(0.08)


@case("3.8.3-4", (V5,))
def no_local_on_a_shared_subscription(scene: Scene, version: int):
    client = scene.client(version)
    client.send(subscribe(1, (f"$share/g/{topic()}", options(no_local=True))))
    refused(client, 0x82)


@each("3.8.3-5", (("bit 6", 0x40), ("bit 7", 0x80), ("both", 0xC1)), (V5,))
def reserved_option_bits(scene: Scene, version: int, _: str, bits: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), bits)))
    refused(client, 0x81, 0x82)


@case("3.8.3.1", (V5,))
def retain_handling_3(scene: Scene, version: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), 0x30)))
    refused(client, 0x82, 0x81)


@each("3.1.1:3.8.3-4", (4, 8, 0x10, 0x20, 0x40, 0x80), (V3,))
def reserved_bits_of_the_requested_QoS(scene: Scene, version: int, bits: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), bits), version=V3))
    refused(client)


@case("3.8.3-5")
def requested_QoS_3(scene: Scene, version: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), 3), version=version))
    refused(client, 0x81, 0x82)


# Subscription identifiers.


@each("3.3.4-3", (1, 127, 128, 268_435_455), (V5,))
def subscription_identifier(scene: Scene, version: int, number: int):
    place = topic()
    watcher = scene.client(version)
    watcher.subscribe(place, qos=1, props={"subscription_identifier": number})
    scene.client(version).publish(place, b"x", 1)
    assert watcher.message().properties == {"subscription_identifier": [number]}


@case("3.3.4-3", (V5,))
def no_subscription_identifier_where_none_was_given(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version)
    watcher.subscribe(place + "/a", qos=1, props={"subscription_identifier": 7})
    watcher.subscribe(place + "/b", qos=1)
    scene.client(version).publish(place + "/b", b"x", 1)
    assert watcher.message().properties == {}


@case("3.3.4-4", (V5,))
def identifiers_of_all_overlapping_subscriptions(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version)
    for number, name in ((3, "/a"), (5, "/+"), (7, "/#")):
        watcher.subscribe(place + name, qos=1, props={"subscription_identifier": number})
    scene.client(version).publish(place + "/a", b"x", 1)
    got = [watcher.message()] + watcher.settled(0.1)
    assert sorted(number for each in got for number in each.properties.get("subscription_identifier", [])) == [3, 5, 7], [str(each) for each in got]


@case("3.8.4-3", (V5,))
def an_identifier_is_replaced_with_its_subscription(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.client(version), scene.client(version)
    for props, expected in (({"subscription_identifier": 1}, [1]), ({"subscription_identifier": 2}, [2]), ({}, None)):
        watcher.subscribe(place, qos=1, props=props)
        client.publish(place, b"x", 1)
        assert watcher.message().properties.get("subscription_identifier") == expected


@case("3.3.4-3", (V5,))
def identifiers_last_as_long_as_the_session(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1, props={"subscription_identifier": 9})
    client.disconnect()
    other = scene.client(version)
    other.publish(place, b"1", 1)
    again = scene.client(version, name, present=True, **lasting(version))
    other.publish(place, b"2", 1)
    assert [each.properties.get("subscription_identifier") for each in again.messages(2)] == [[9], [9]]


@case("3.8.2.1.2", (V5,))
def subscription_identifier_0(scene: Scene, version: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), 0), props={"subscription_identifier": 0}))
    refused(client, 0x82, 0x81)


@case("3.8.2.1.2", (V5,))
def subscription_identifier_twice(scene: Scene, version: int):
    client = scene.client(version)
    client.send(subscribe(1, (topic(), 0), props=[("subscription_identifier", 1), ("subscription_identifier", 2)]))
    refused(client, 0x82, 0x81)


@case("3.8.4-1", (V5,))
def SUBSCRIBE_with_user_properties(scene: Scene, version: int):
    assert scene.client(version).subscribe(topic(), props={"user_property": [("a", "b"), ("a", "b")]}).reasons == [0]


@case("3.8.4-1")
def many_filters(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.client(version), scene.client(version)
    assert watcher.subscribe(*((f"{place}/{number}", 1) for number in range(60))).reasons == [1] * 60
    client.publish(f"{place}/0", b"", 1), client.publish(f"{place}/59", b"", 1)
    watcher.messages(2)


@case("3.8.4-1")
def SUBSCRIBE_while_messages_are_under_way(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.publish(place, b"1", 2)
    message = watcher.message(acknowledge_it=False)
    # The identifiers of both directions have nothing to do with each other.
    watcher.send(subscribe(message.packet_id, (place + "/x", 1), version=version))
    watcher.expect(Type.SUBACK, message.packet_id)
    watcher.send(acknowledge(Type.PUBREC, message.packet_id))
    watcher.expect(Type.PUBREL, message.packet_id)
