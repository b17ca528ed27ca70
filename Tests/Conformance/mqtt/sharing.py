"""Shared subscriptions (MQTT 5.0 section 4.8.2)."""

import contextlib

from harness.mqtt import Silent, Type, unique
from harness.mqtt_packets import V5, acknowledge

from .case import Scene, case, each, lasting, topic


def _all(watchers: list, count: int) -> list[list]:
    """What each of them gets, until `count` came altogether; nothing more may come."""
    got: list[list] = [[] for _ in watchers]
    for _ in range(20):
        for number, watcher in enumerate(watchers):
            with contextlib.suppress(Silent):
                while True:
                    got[number].append(watcher.message(0.01))
        if sum(map(len, got)) >= count:
            break
    for watcher in watchers:
        watcher.nothing(0.05)
    return got


@each("4.8.2", [(f"QoS {qos}", qos) for qos in (0, 1, 2)], (V5,))
def each_message_goes_to_one_member(scene: Scene, version: int, _: str, qos: int):
    place, group = topic(), unique("g")
    watchers = [scene.watcher(version, f"$share/{group}/{place}") for _ in range(3)]
    client = scene.client(version)
    for number in range(12):
        client.publish(place, b"%d" % number, qos)
    got = _all(watchers, 12)
    assert sorted(int(each.payload) for some in got for each in some) == list(range(12))
    assert sum(bool(some) for some in got) > 1, "one member gets everything"


@case("4.8.2", (V5,))
def each_group_gets_each_message(scene: Scene, version: int):
    place = topic()
    watchers = [scene.watcher(version, f"$share/{group}/{place}") for group in (unique("g"), unique("g"))] + [scene.watcher(version, place)]
    client = scene.client(version)
    for number in range(4):
        client.publish(place, b"%d" % number, 1)
    assert [[each.payload for each in some] for some in _all(watchers, 12)] == [[b"0", b"1", b"2", b"3"]] * 3


@case("4.8.2", (V5,))
def wildcards_in_a_shared_filter(scene: Scene, version: int):
    place, group = topic(), unique("g")
    watchers = [scene.watcher(version, f"$share/{group}/{place}/+/#") for _ in range(2)]
    client = scene.client(version)
    for number in range(6):
        client.publish(f"{place}/{number}/x", b"", 1)
    assert sum(map(len, _all(watchers, 6))) == 6


@case("4.8.2", (V5,))
def a_shared_and_an_own_subscription_of_one_client(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, f"$share/{unique('g')}/{place}", place)
    scene.client(version).publish(place, b"x", 1)
    assert len(_all([watcher], 2)[0]) == 2


@each("4.8.2-3", [(f"QoS {qos}", qos) for qos in (0, 1)], (V5,))
def granted_QoS_of_a_shared_subscription(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher = scene.watcher(version, f"$share/{unique('g')}/{place}", qos=qos)
    scene.client(version).publish(place, b"x", 2)
    assert watcher.message().qos == qos


@case("4.8.2", (V5,))
def who_leaves_gets_nothing_more(scene: Scene, version: int):
    place, group = topic(), unique("g")
    first, second, third = (scene.watcher(version, f"$share/{group}/{place}") for _ in range(3))
    assert first.unsubscribe(f"$share/{group}/{place}").reasons == [0]
    third.disconnect()
    client = scene.client(version)
    for number in range(6):
        client.publish(place, b"%d" % number, 1)
    assert [len(some) for some in _all([first, second], 6)] == [0, 6]


@case("3.10.4-1", (V5,))
def UNSUBSCRIBE_of_another_group(scene: Scene, version: int):
    place, group = topic(), unique("g")
    watcher = scene.watcher(version, f"$share/{group}/{place}")
    assert watcher.unsubscribe(place, f"$share/{group}x/{place}").reasons == [0x11, 0x11]
    scene.client(version).publish(place, b"x", 1)
    watcher.message()


@case("4.8.2", (V5,))
def an_absent_member_does_not_swallow_messages(scene: Scene, version: int):
    place, group = topic(), unique("g")
    absent = scene.client(version, **lasting(version))
    absent.subscribe(f"$share/{group}/{place}", qos=1)
    present = scene.watcher(version, f"$share/{group}/{place}")
    absent.disconnect()
    client = scene.client(version)
    for number in range(6):
        client.publish(place, b"%d" % number, 1)
    assert len(_all([present], 6)[0]) == 6


@case("4.8.2-4", (V5,))
def what_was_under_way_is_not_lost(scene: Scene, version: int):
    place, group = topic(), unique("g")
    name = unique()
    member = scene.client(version, name, **lasting(version))
    member.subscribe(f"$share/{group}/{place}", qos=1)
    scene.client(version).publish(place, b"x", 1)
    member.message(acknowledge_it=False)
    member.drop()
    again = scene.client(version, name, present=True, **lasting(version))
    assert again.message().payload == b"x"


@case("4.8.2-6", (V5,))
def a_refused_message_goes_to_nobody_else(scene: Scene, version: int):
    place, group = topic(), unique("g")
    watchers = [scene.watcher(version, f"$share/{group}/{place}") for _ in range(2)]
    scene.client(version).publish(place, b"x", 1)
    for watcher in watchers:
        with contextlib.suppress(Silent):
            message = watcher.message(0.2, acknowledge_it=False)
            watcher.send(acknowledge(Type.PUBACK, message.packet_id, 0x80))
            break
    for watcher in watchers:
        watcher.nothing()


@case("3.3.4-3", (V5,))
def subscription_identifiers_of_shared_subscriptions(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version)
    watcher.subscribe(f"$share/{unique('g')}/{place}", qos=1, props={"subscription_identifier": 11})
    scene.client(version).publish(place, b"x", 1)
    assert watcher.message().properties == {"subscription_identifier": [11]}


@case("4.8.2", (V5,))
def what_waits_for_a_group_goes_to_who_comes(scene: Scene, version: int):
    place, group = topic(), unique("g")
    names = [unique() for _ in range(3)]
    for name in names:
        member = scene.client(version, name, **lasting(version))
        member.subscribe(f"$share/{group}/{place}", qos=1)
        member.disconnect()
    client = scene.client(version)
    for number in range(4):
        client.publish(place, b"%d" % number, 1)
    back = scene.client(version, names[2], present=True, **lasting(version))
    assert [each.payload for each in back.messages(4)] == [b"0", b"1", b"2", b"3"]
    for name in names[:2]:
        scene.client(version, name, present=True, **lasting(version)).nothing(0.05)


@each("4.8.2", [(f"QoS {qos}", qos) for qos in (1, 2)], (V5,))
def what_was_not_sent_goes_to_who_is_there(scene: Scene, version: int, _: str, qos: int):
    place, group = topic(), unique("g")
    first = scene.client(version, receive_maximum=1, **lasting(version))
    first.subscribe(f"$share/{group}/{place}", qos=qos)
    client = scene.client(version)
    for number in range(3):
        client.publish(place, b"%d" % number, qos)
    first.message(acknowledge_it=False)
    second = scene.client(version, **lasting(version))
    second.subscribe(f"$share/{group}/{place}", qos=qos)
    first.drop()
    assert [each.payload for each in second.messages(2)] == [b"1", b"2"]
    second.nothing(0.05)


@case("4.8.2-4", (V5,))
def what_was_not_acknowledged_goes_to_another_when_the_session_ends(scene: Scene, version: int):
    place, group = topic(), unique("g")
    first = scene.client(version)
    first.subscribe(f"$share/{group}/{place}", qos=1)
    scene.client(version).publish(place, b"x", 1)
    first.message(acknowledge_it=False)
    second = scene.watcher(version, f"$share/{group}/{place}", qos=1)
    first.drop()
    assert second.message().payload == b"x"


@case("4.8.2-5", (V5,))
def with_QoS_2_it_goes_to_nobody_else(scene: Scene, version: int):
    place, group = topic(), unique("g")
    first = scene.client(version)
    first.subscribe(f"$share/{group}/{place}", qos=2)
    scene.client(version).publish(place, b"x", 2)
    first.message(acknowledge_it=False)
    second = scene.watcher(version, f"$share/{group}/{place}", qos=2)
    first.drop()
    second.nothing()
