"""What goes to clients of MQTT: topic aliases, shared subscriptions whose members are away, what the broker says of itself."""

import asyncio
import re
import time

import gmqtt
import pytest

from harness import gateway as gateways
from harness import sockets
from harness.mqtt import Client, unique
from harness.mqtt_packets import V3, V5
from harness.wire import get, once

ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "relay", "match": {"publish": "{topic...}"}, "target": {"topics": "relay"}},
    {"name": "listen", "match": {"subscribe": "{topic...}"}, "target": {"topics": "subscribe"}},
    {"name": "system", "match": {"subscribe": "$SYS/{rest...}"}, "target": {"topics": "subscribe"}},
]
LASTING = {"clean": False, "session_expiry": 600}


def started(stage, routes=ROUTES, devices=(), **mqtt):
    """On a port that stays over a restart."""
    devices = gateways.listener("devices", f"127.0.0.1:{sockets.free_port()}", mqtt=dict(devices))
    config = gateways.settings(listeners=[gateways.listener(), devices], mqtt={"system_topics": 0} | mqtt)
    gateway = stage.gateway(config, routes + gateways.OPERATIONS)
    return gateway, gateway.listeners["devices"]


def metric(gateway, name: str) -> int:
    page = once(gateway.admin, get("/metrics")).body.decode()
    return sum(int(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\d+)$", page, re.MULTILINE))


# Topic aliases.


def test_aliases_stand_for_topics(stage):
    gateway, address = started(stage, devices={"aliases_to_clients": 2})
    place = "shop/orders/0190b5a2-7c3e-7d3a-9b1f-3d5b1c2a4e6f/status"
    with Client(address) as taker, Client(address) as plain, Client(address, V3) as old, Client(address) as writer:
        taker.connect(topic_alias_maximum=10)
        plain.connect(), old.connect(), writer.connect()
        for client in (taker, plain, old):
            client.subscribe("shop/#", qos=2)
        for number in range(30):
            writer.publish(place, b"%d" % number, number % 3)
        for client in (plain, old):
            assert [(each.topic, each.properties) for each in client.messages(30)] == [(place, {})] * 30
        got = taker.messages(30)
        assert [each.payload for each in got] == [b"%d" % number for number in range(30)]
        assert (got[0].topic, {each.topic for each in got[1:]}) == (place, {""})
        assert {each.properties["topic_alias"] for each in got} == {1}
        assert metric(gateway, "nexus_mqtt_topic_bytes_saved_total") == 29 * (len(place) - 3)
        # Two are given away at most; a third topic has to go as it is until one of them is not used any more.
        for number in range(12):
            writer.publish(f"shop/inventory/{number % 3}", b"", 1)
        assert max(each.properties.get("topic_alias", 0) for each in taker.messages(12)) == 2
        # What is short is not worth one.
        writer.publish("shop/x", b"", 1)
        assert taker.message().properties == {}


def test_gmqtt_understands_aliases(stage):
    gateway, address = started(stage)
    host, _, port = address.rpartition(":")

    async def play() -> list:
        got, ready, whole = [], asyncio.Event(), asyncio.Event()

        def on_message(client, topic, payload, qos, properties):
            got.append((topic, payload))
            if len(got) == 8:
                whole.set()
            return 0

        client = gmqtt.Client(unique(), topic_alias_maximum=2)
        client.on_message = on_message
        client.on_subscribe = lambda *_: ready.set()
        await client.connect(host, int(port), version=gmqtt.constants.MQTTv50)
        client.subscribe("a/long/topic/#", qos=1)
        await asyncio.wait_for(ready.wait(), 20)
        for number in range(8):
            client.publish(f"a/long/topic/{number % 3}", b"%d" % number, qos=1)
        await asyncio.wait_for(whole.wait(), 20)
        await client.disconnect()
        return got

    assert sorted(asyncio.run(play())) == sorted((f"a/long/topic/{number % 3}", b"%d" % number) for number in range(8))
    assert metric(gateway, "nexus_mqtt_topic_bytes_saved_total") > 0


def test_no_aliases_where_the_gateway_sets_none(stage):
    _, address = started(stage, devices={"aliases_to_clients": 0})
    with Client(address) as taker:
        taker.connect(topic_alias_maximum=10)
        taker.subscribe("a/long/topic", qos=1)
        for _ in range(3):
            taker.publish("a/long/topic", b"", 1)
        assert [(each.topic, each.properties) for each in taker.messages(3)] == [("a/long/topic", {})] * 3


# Shared subscriptions.


def away(address: str, group: str, *names: str, qos: int = 1) -> None:
    """Members whose sessions last, and who have gone."""
    for name in names:
        with Client(address) as member:
            member.connect(name, **LASTING)
            assert member.subscribe(group, qos=qos).reasons == [qos]
            member.disconnect()


def test_whoever_comes_first_gets_what_waits_for_the_group(stage):
    gateway, address = started(stage)
    place = f"jobs/{unique()}"
    group = f"$share/workers/{place}"
    one, two = unique(), unique()
    away(address, group, one, two)
    with Client(address) as writer:
        writer.connect()
        for number in range(6):
            writer.publish(place, b"%d" % number, 1)
        # Also by a name that nobody had.
        with Client(address) as third:
            third.connect(unique(), **LASTING)
            third.subscribe(group, qos=1)
            got = [third.message(acknowledge_it=number < 3) for number in range(6)]
            assert [each.payload for each in got] == [b"%d" % number for number in range(6)]
            third.drop()
        # After a restart as well; what was sent and not acknowledged stays with its member.
        for number in range(6, 9):
            writer.publish(place, b"%d" % number, 1)
    gateway.kill()
    gateway.start()
    with Client(address) as second, Client(address) as first:
        assert second.connect(two, **LASTING).session_present and first.connect(one, **LASTING).session_present
        assert [each.payload for each in second.messages(3)] == [b"6", b"7", b"8"]
        first.nothing(), second.nothing()
        assert metric(gateway, "nexus_mqtt_dropped_total") == 0


def test_a_session_s_end_gives_the_group_what_it_had_not_acknowledged(stage):
    _, address = started(stage)
    place, name = f"jobs/{unique()}", unique()
    group = f"$share/workers/{place}"
    with Client(address) as gone, Client(address) as there, Client(address) as writer:
        gone.connect(name, receive_maximum=2, **LASTING)
        gone.subscribe(group, qos=1)
        writer.connect()
        for number in range(5):
            writer.publish(place, b"%d" % number, 1)
        for _ in range(2):
            gone.message(acknowledge_it=False)
        there.connect()
        there.subscribe(group, qos=1)
        gone.drop()
        assert [each.payload for each in there.messages(3)] == [b"2", b"3", b"4"], "what was not sent"
        there.nothing()
        with Client(address) as again:
            assert not again.connect(name).session_present
            assert [each.payload for each in there.messages(2)] == [b"0", b"1"]


# What the broker says of itself.


def collect(client: Client, until, seconds: float = 20.0) -> dict[str, str]:
    """The latest of each topic, until they are as they should be."""
    found: dict[str, str] = {}
    deadline = time.monotonic() + seconds
    while not until(found) and time.monotonic() < deadline:
        message = client.message(seconds)
        found[message.topic.removeprefix("$SYS/broker/")] = message.payload.decode()
    return found


@pytest.mark.parametrize("version", (V3, V5))
def test_the_broker_says_how_it_fares(stage, version):
    _, address = started(stage, system_topics="100ms")
    with Client(address, version) as watcher, Client(address) as all_ears, Client(address) as writer:
        all_ears.connect(), writer.connect(unique(), **LASTING), watcher.connect()
        all_ears.subscribe("#", "+/broker/#", "+/+/+", qos=0)
        writer.publish("room/kept", b"x", 1, retain=True)
        assert watcher.subscribe("$SYS/#", qos=2).reasons == [2]
        wanted = {"clients/connected": "3", "clients/total": "3", "clients/disconnected": "0", "retained messages/count": "1", "subscriptions/count": "4"}
        counted = {"publish/messages/received": 1, "messages/received": 6, "messages/sent": 5}
        found = collect(watcher, lambda found: wanted.items() <= found.items() and all(int(found[name]) >= least for name, least in counted.items()))
        assert wanted.items() <= found.items() and all(int(found[name]) >= least for name, least in counted.items()), found
        assert re.fullmatch(r"nexus-gateway version [\d.]+", found["version"]) and re.fullmatch(r"\d+ seconds", found["uptime"])
        assert {"publish/messages/sent", "publish/messages/dropped", "store/messages/count", "store/messages/bytes", "clients/expired"} <= set(found)
        writer.disconnect()
        wanted = {"clients/connected": "2", "clients/disconnected": "1"}
        assert wanted.items() <= collect(watcher, lambda found: wanted.items() <= found.items()).items()
        # Who comes later has it at once, as it is; wildcards in front never do.
        with Client(address, version) as late:
            late.connect()
            late.subscribe("$SYS/broker/clients/+")
            first = [late.message() for _ in range(4)]
            assert {each.topic for each in first if each.retain} >= {"$SYS/broker/clients/total", "$SYS/broker/clients/expired"}
        assert {each.topic for each in all_ears.settled(0.3)} <= {"room/kept"}


def test_nobody_hears_it_whom_no_route_lets(stage):
    _, address = started(stage, ROUTES[:3], system_topics="100ms")
    with Client(address) as client, Client(address, V3) as old:
        client.connect(), old.connect()
        assert client.subscribe("$SYS/#", "$SYS/broker/uptime", "#", "$share/g/$SYS/#").reasons == [0x8F, 0x8F, 0, 0x8F]
        assert old.subscribe("$SYS/#").reasons == [0x80]
        assert client.publish("$SYS/broker/uptime", b"for ever", 1).reason == 0x90
        client.nothing(0.3)
