"""What the server sends: QoS, order, flow control, sizes, aliases, expiry (MQTT 5.0 sections 3.3, 4.3, 4.6, 4.9)."""

import time

from harness.mqtt import Silent, Type, unique
from harness.mqtt_packets import V3, V5, acknowledge

from .case import Scene, case, each, lasting, topic


@each("3.8.4-8", [(f"{wanted} of {sent}", wanted, sent) for wanted in (0, 1, 2) for sent in (0, 1, 2)])
def QoS(scene: Scene, version: int, _: str, wanted: int, sent: int):
    place = topic()
    watcher = scene.watcher(version, place, qos=wanted)
    scene.client(version).publish(place, b"x", sent)
    assert watcher.message().qos == min(wanted, sent)


@each("3.3.5", [(f"QoS {qos}", qos) for qos in (0, 1, 2)])
def between_the_versions(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher = scene.watcher(V3 if version == V5 else V5, place)
    scene.client(version).publish(place, b"x", qos)
    message = watcher.message()
    assert (message.payload, message.qos, message.properties) == (b"x", qos, {})


@each("4.6.0-6", [(f"QoS {qos}", qos) for qos in (0, 1, 2)])
def order(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for number in range(60):
        client.publish(place, b"%d" % number, qos)
    assert [each.payload for each in watcher.messages(60)] == [b"%d" % number for number in range(60)]


@case("4.6.0-6")
def order_beside_other_subscribers(scene: Scene, version: int):
    place = topic()
    watchers, client = [scene.watcher(version, place, qos=qos) for qos in (0, 1, 2)], scene.client(version)
    for number in range(20):
        client.publish(place, b"%d" % number, 2)
    for watcher in watchers:
        assert [each.payload for each in watcher.messages(20)] == [b"%d" % number for number in range(20)]


@case("2.2.1-4")
def packet_identifiers_of_what_is_under_way_differ(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for number in range(15):
        client.publish(place, b"%d" % number, 1 + number % 2)
    got = [watcher.message(acknowledge_it=False) for _ in range(15)]
    assert len({each.packet_id for each in got}) == 15


@case("4.3.3-4")
def PUBREC_is_answered_with_PUBREL(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version).publish(place, b"x", 2)
    message = watcher.message(acknowledge_it=False)
    for _ in range(2):  # the second time too
        watcher.send(acknowledge(Type.PUBREC, message.packet_id))
        watcher.expect(Type.PUBREL, message.packet_id)
    watcher.send(acknowledge(Type.PUBCOMP, message.packet_id))
    watcher.ping()


@case("4.3.3-4")
def flows_of_several_messages_may_cross(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for number in range(6):
        client.publish(place, b"%d" % number, 2)
    numbers = [watcher.message(acknowledge_it=False).packet_id for _ in range(6)]
    for number in numbers:
        watcher.send(acknowledge(Type.PUBREC, number))
    for number in numbers:
        watcher.answer(Type.PUBREL, number)
    for number in reversed(numbers):
        watcher.send(acknowledge(Type.PUBCOMP, number))
    client.publish(place, b"next", 2)
    assert watcher.message().payload == b"next"


@case("3.3.4-2")
def a_publisher_may_be_its_own_subscriber(scene: Scene, version: int):
    client, place = scene.client(version), topic()
    client.subscribe(place, qos=2)
    for qos in (0, 1, 2):
        client.publish(place, b"%d" % qos, qos)
        assert client.message().qos == qos


@each("3.3.4-9", [(f"{most} with QoS {qos}", most, qos) for most in (1, 3) for qos in (1, 2)], (V5,))
def Receive_Maximum(scene: Scene, version: int, _: str, most: int, qos: int):
    place = topic()
    watcher = scene.client(version, receive_maximum=most)
    watcher.subscribe(place, qos=2)
    client = scene.client(version)
    for number in range(8):
        client.publish(place, b"%d" % number, qos)
    under_way = [watcher.message(acknowledge_it=False) for _ in range(most)]
    watcher.nothing()
    got = []
    while len(got) < 8:
        message = under_way.pop(0)
        got.append(message.payload)
        if qos == 2:
            watcher.send(acknowledge(Type.PUBREC, message.packet_id))
            watcher.expect(Type.PUBREL, message.packet_id)
            watcher.nothing(0.03)  # PUBREC alone gives nothing back
            watcher.send(acknowledge(Type.PUBCOMP, message.packet_id))
        else:
            watcher.send(acknowledge(Type.PUBACK, message.packet_id))
        if len(got) + len(under_way) < 8:
            under_way.append(watcher.message(acknowledge_it=False))
    assert got == [b"%d" % number for number in range(8)]
    watcher.nothing(0.05)


@case("3.3.4-9", (V5,))
def Receive_Maximum_is_kept_when_a_session_returns(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.disconnect()
    other = scene.client(version)
    for number in range(10):
        other.publish(place, b"%d" % number, 1)
    again = scene.client(version, name, present=True, receive_maximum=2, **lasting(version))
    again.message(acknowledge_it=False), again.message(acknowledge_it=False)
    again.nothing()


@case("3.3.4-9", (V5,))
def Receive_Maximum_is_kept_by_what_comes_again(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, receive_maximum=10, **lasting(version))
    client.subscribe(place, qos=1)
    other = scene.client(version)
    for number in range(6):
        other.publish(place, b"%d" % number, 1)
    for _ in range(6):
        client.message(acknowledge_it=False)
    client.drop()
    again = scene.client(version, name, present=True, receive_maximum=2, **lasting(version))
    first = [again.message(acknowledge_it=False) for _ in range(2)]
    again.nothing()
    for message in first:
        again.complete(message)
    assert [each.payload for each in again.messages(4)] == [b"2", b"3", b"4", b"5"]


@case("3.3.4-9", (V5,))
def a_refusal_gives_the_quota_back(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version, receive_maximum=1)
    watcher.subscribe(place, qos=2)
    client = scene.client(version)
    for number in range(4):
        client.publish(place, b"%d" % number, 2)
    for number in range(4):
        message = watcher.message(acknowledge_it=False)
        assert message.payload == b"%d" % number
        watcher.send(acknowledge(Type.PUBREC, message.packet_id, 0x83))
    watcher.nothing(0.05)


@case("3.3.4-10", (V5,))
def other_packets_do_not_wait_for_the_quota(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version, receive_maximum=1)
    watcher.subscribe(place, place + "/0", qos=1)
    client = scene.client(version)
    client.publish(place, b"1", 1), client.publish(place, b"2", 1)
    watcher.message(acknowledge_it=False)
    watcher.ping(), watcher.subscribe(place + "/x"), watcher.unsubscribe(place + "/x"), watcher.publish(topic(), b"", 1)
    watcher.nothing(0.05)


@case("4.9.0-2", (V5,))
def QoS_0_does_not_wait_for_the_quota(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version, receive_maximum=1)
    watcher.subscribe(place, qos=1)
    client = scene.client(version)
    client.publish(place, b"1", 1)
    watcher.message(acknowledge_it=False)
    client.publish(place, b"0", 0)
    assert watcher.message().payload == b"0"


@each("3.1.2-27", [(f"QoS {qos}", qos) for qos in (0, 1, 2)], (V5,))
def larger_than_the_client_s_maximum(scene: Scene, version: int, _: str, qos: int):
    place = topic()
    watcher = scene.client(version, maximum_packet_size=200, receive_maximum=1)
    watcher.subscribe(place, qos=2)
    client = scene.client(version)
    for data in (b"x" * 300, b"small", b"y" * 200, b"end"):
        client.publish(place, data, qos)
    got = watcher.messages(2)
    assert [each.payload for each in got] == [b"small", b"end"] and all(each.size <= 200 for each in got)


@case("3.1.2-27", (V5,))
def exactly_the_client_s_maximum(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version, maximum_packet_size=150)
    watcher.subscribe(place, qos=0)
    client = scene.client(version)
    for count in range(100, 150):
        client.publish(place, b"x" * count)
    client.publish(place, b"end", 1)
    sizes = []
    while (message := watcher.message()).payload != b"end":
        sizes.append(message.size)
    assert max(sizes) == 150, f"the largest had {max(sizes)} bytes"


@case("3.1.2-28", (V5,))
def one_subscriber_s_maximum_is_not_another_s(scene: Scene, version: int):
    place = topic()
    small = scene.client(version, maximum_packet_size=100)
    small.subscribe(place, qos=1)
    large = scene.watcher(version, place)
    scene.client(version).publish(place, b"x" * 500, 1)
    assert len(large.message().payload) == 500
    small.nothing(0.05)


@each("3.1.2-29", (("none", 0), ("2", 2), ("65,535", 65535)), (V5,))
def topic_alias_maximum_of_the_client(scene: Scene, version: int, _: str, most: int):
    place = topic()
    watcher = scene.client(version, **({"topic_alias_maximum": most} if most else {}))
    watcher.subscribe(place + "/+", qos=1)
    client, known, got = scene.client(version), {}, []
    for number in range(12):
        client.publish(f"{place}/{number % 4}", b"", number % 2)
    for message in watcher.messages(12):
        alias = message.properties.get("topic_alias")
        assert alias is None or 1 <= alias <= most, f"alias {alias} [MQTT-3.3.2-11]"
        if alias and message.topic:
            known[alias] = message.topic
        got.append(message.topic or known[alias])
    assert sorted(got) == sorted(f"{place}/{number % 4}" for number in range(12))


def _topics(watcher, count: int, known: dict) -> list[str]:
    """The topics of so many messages, by the aliases that this connection knows."""
    got = []
    for message in watcher.messages(count):
        alias = message.properties.get("topic_alias")
        if alias and message.topic:
            known[alias] = message.topic
        got.append(message.topic or known[alias])
    return got


@each("3.3.2-11", ((str(most), most) for most in (1, 2, 3)), (V5,))
def more_topics_than_aliases(scene: Scene, version: int, _: str, most: int):
    place = topic("a/long/topic")
    watcher = scene.client(version, topic_alias_maximum=most)
    watcher.subscribe(place + "/+", qos=1)
    client, known = scene.client(version), {}
    sent = [f"{place}/{number % 3 * (number % 5)}" for number in range(40)]
    for name in sent:
        client.publish(name, b"", 1)
    assert _topics(watcher, len(sent), known) == sent
    assert all(1 <= alias <= most for alias in known)


@case("3.3.2-7", (V5,))
def aliases_to_a_client_end_with_its_connection(scene: Scene, version: int):
    place, name, client = topic("a/long/topic"), unique(), scene.client(version)
    watcher = scene.client(version, name, topic_alias_maximum=5, **lasting(version))
    watcher.subscribe(place, qos=1)
    for turn in range(3):
        for _ in range(3):
            client.publish(place, b"", 1)
        assert _topics(watcher, 3, {}) == [place] * 3, f"on connection {turn}"
        watcher.drop()
        watcher = scene.client(version, name, present=True, topic_alias_maximum=5, **lasting(version))


@case("3.1.2-24", (V5,))
def an_alias_is_no_reason_to_send_what_is_too_large(scene: Scene, version: int):
    place = topic("a/long/topic")
    watcher = scene.client(version, topic_alias_maximum=5, maximum_packet_size=100)
    watcher.subscribe(place, qos=1)
    client = scene.client(version)
    for count in range(40, 110):
        client.publish(place, b"x" * count, 1)
    client.publish(place, b"end", 1)
    got, known = [], {}
    while not got or got[-1].payload != b"end":
        got.append(watcher.message())
        alias = got[-1].properties.get("topic_alias")
        if alias and got[-1].topic:
            known[alias] = got[-1].topic
        assert (got[-1].topic or known[alias]) == place
    assert max(each.size for each in got) <= 100
    assert len(got[:-1]) > 20


@case("3.3.2-6", (V5,))
def message_expiry_passes(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    for qos in (0, 1, 2):
        client.publish(place, b"x", qos, props={"message_expiry": 100})
        assert watcher.message().properties.get("message_expiry") in (99, 100)


@case("3.3.2-6", (V5,))
def without_message_expiry_there_is_none(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version).publish(place, b"x", 1)
    assert "message_expiry" not in watcher.message().properties


@case("3.3.2-6", (V5,), slow=True)
def message_expiry_is_counted_down(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=1)
    client.disconnect()
    scene.client(version).publish(place, b"x", 1, props={"message_expiry": 100})
    time.sleep(2.1)
    left = scene.client(version, name, **lasting(version)).message().properties.get("message_expiry")
    assert left in (97, 98), left


@case("3.3.2-5", (V5,), slow=True)
def an_expired_message_is_not_delivered(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    client.disconnect()
    other = scene.client(version)
    for qos in (1, 2):
        other.publish(place, b"expires", qos, props={"message_expiry": 1})
        other.publish(place, b"stays", qos, props={"message_expiry": 100})
    time.sleep(2.2)
    again = scene.client(version, name, **lasting(version))
    assert [each.payload for each in again.messages(2)] == [b"stays", b"stays"]
    again.nothing(0.05)


@case("3.3.2-5", (V5,), slow=True)
def a_message_that_waited_for_the_quota_expires(scene: Scene, version: int):
    place = topic()
    watcher = scene.client(version, receive_maximum=1)
    watcher.subscribe(place, qos=1)
    client = scene.client(version)
    client.publish(place, b"first", 1)
    client.publish(place, b"expires", 1, props={"message_expiry": 1})
    client.publish(place, b"last", 1)
    first = watcher.message(acknowledge_it=False)
    time.sleep(2.2)
    watcher.complete(first)
    assert watcher.message().payload == b"last"


@case("4.3.3-7", (V5,), slow=True)
def what_was_sent_does_not_expire(scene: Scene, version: int):
    name, place = unique(), topic()
    client = scene.client(version, name, **lasting(version))
    client.subscribe(place, qos=2)
    scene.client(version).publish(place, b"sent", 2, props={"message_expiry": 1})
    first = client.message(acknowledge_it=False)
    client.send(acknowledge(Type.PUBREC, first.packet_id))
    client.expect(Type.PUBREL)
    client.drop()
    time.sleep(2.2)
    scene.client(version, name, **lasting(version)).expect(Type.PUBREL, first.packet_id)


@case("4.9.0-3")
def a_subscriber_that_does_not_read_does_not_hold_up_others(scene: Scene, version: int):
    place = topic()
    scene.watcher(version, place, qos=0)
    awake, client = scene.watcher(version, place), scene.client(version)
    for number in range(40):
        client.publish(place, b"z" * 50_000, 1)
        assert awake.message().payload
    try:
        client.receive(0.01)
    except Silent:
        pass
