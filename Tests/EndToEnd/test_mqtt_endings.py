"""How MQTT connections end, and what has come to its end by then: credentials, drains, reloads, clusters."""

import signal
import threading
import time

import pytest
from harness.gateway import listener, settings
from harness.mqtt import Client
from harness.mqtt_packets import V3, V5, Type, publish
from harness.recorder import Recorder, respond
from harness.tokens import Issuer

OPEN = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "relay", "match": {"publish": "room/{rest...}"}, "target": {"topics": "relay"}},
    {"name": "listen", "match": {"subscribe": "room/{rest...}"}, "target": {"topics": "subscribe"}},
    {"name": "calls", "match": {"publish": "calls/{rest...}"}, "target": {"cluster": "up"}},
]
RELAYS = OPEN[:3]


def started(stage, *endpoints: str, routes=OPEN, **over):
    gateway = stage.gateway(settings(*endpoints, **{"listeners": [listener(), listener("devices", mqtt={})]} | over), routes)
    return gateway, gateway.listeners["devices"]


@pytest.mark.parametrize("version", (V3, V5))
def test_a_connection_ends_with_its_token(stage, tmp_path, version):
    issuer = Issuer(tmp_path)
    routes = [RELAYS[0] | {"stages": {"identify": "required"}}]
    _, address = started(stage, routes=routes, identity={"issuers": [issuer.settings | {"leeway": "0s"}]})
    with Client(address, version) as client:
        assert client.connect("short", username="x", password=issuer.token("short", seconds=2).encode()).reason == 0
        began = time.monotonic()
        end = client.closed(5)
        assert time.monotonic() - began < 3.5
        if version == V5:
            assert end.packet.type == Type.DISCONNECT and end.packet.reason == 0xA0


def test_a_cluster_is_sent_a_POST(stage):
    statuses = {"/calls/a": "204 No Content", "/calls/b%20c": "422 Unprocessable Content", "/calls/d": "503 Service Unavailable"}

    def play(peer):
        while True:
            peer.send(respond(statuses[peer.read_request().target], b""))

    with Recorder(play) as up:
        _, address = started(stage, up.address)
        with Client(address) as client:
            client.connect("caller")
            assert client.publish("calls/a", b'{"n":1}', 1, props={"user_property": [("Host", "evil"), ("authorization", "Bearer x"), ("x-kind", "test")]}).reason == 0
            assert client.publish("calls/b c", b"{}", 1).reason == 0x99
            assert client.publish("calls/d", b"{}", 1).reason == 0x83
            assert client.publish("calls/..", b"{}", 1).reason == 0x99
        first = up.requests[0]
        assert (first.method, first.target, first.body) == ("POST", "/calls/a", b'{"n":1}')
        names = {name.lower(): value for name, value in first.fields}
        assert names[b"x-kind"] == b"test" and names[b"content-type"] == b"application/json"
        assert names[b"host"] != b"evil" and b"authorization" not in names


def test_a_drain_answers_what_was_sent(stage):
    go_on = threading.Event()

    def play(peer):
        peer.read_request()
        go_on.wait(5)
        peer.send(respond("204 No Content"))

    with Recorder(play) as up:
        gateway, address = started(stage, up.address)
        with Client(address) as busy, Client(address) as idle:
            busy.connect("busy"), idle.connect("idle")
            busy.send(publish("calls/a", b"{}", 1, 7))
            time.sleep(0.2)
            gateway.signal(signal.SIGTERM)
            assert idle.closed(3).packet.reason == 0x8B
            go_on.set()
            busy.expect(Type.PUBACK, 7)
            assert busy.closed(3).packet.reason == 0x8B
        assert gateway.process.wait(5) == 0


@pytest.mark.parametrize("moved, reason", ((False, 0x9C), (True, 0x9D)))
def test_a_drain_sends_clients_to_another_server(stage, moved, reason):
    go_on, asked = threading.Event(), threading.Event()

    def play(peer):
        peer.read_request()
        asked.set()
        go_on.wait(30)
        peer.send(respond("204 No Content"))

    with Recorder(play) as up:
        gateway, address = started(stage, up.address, drain="30s")
        # A reload says where to; those who are there hear it too.
        clients = [Client(address) for _ in range(3)] + [Client(address, V3)]
        busy, idle, small, old = clients
        small.connect("small", maximum_packet_size=30)
        for client in (busy, idle, old):
            client.connect()
        place = "second.example:1883 [2001:db8::1]:8883"
        granted = [listener(), listener("devices", mqtt={"server_reference": place.split(), "server_moved": moved})]
        gateway.reload(settings(up.address, listeners=granted, drain="30s"))
        busy.send(publish("calls/a", b"{}", 1, 7))
        assert asked.wait(10)
        gateway.signal(signal.SIGTERM)
        end = idle.closed(10).packet
        assert (end.reason, end.properties["server_reference"]) == (reason, place)
        assert small.closed(10).packet.reason == 0x8B, "what it cannot take is not sent"
        assert old.closed(10).packet is None
        for client in (Client(address), Client(address, V3)):
            with client:
                answer = client.connect()
                assert answer.reason == (reason if client.version == V5 else 3)
                assert answer.properties.get("server_reference") == (place if client.version == V5 else None)
        go_on.set()
        busy.expect(Type.PUBACK, 7)
        end = busy.closed(10).packet
        assert (end.reason, end.properties["server_reference"]) == (reason, place)
        assert gateway.process.wait(20) == 0
        for client in clients:
            client.close()


def test_a_reload_keeps_connections(stage):
    gateway, address = started(stage, routes=RELAYS)
    with Client(address) as client, Client(address) as other:
        client.connect("stays"), other.connect("too")
        client.subscribe("room/a", qos=1)
        gateway.reload(routes=[each | {"match": {"publish": "room/a"}} if each["name"] == "relay" else each for each in RELAYS])
        other.publish("room/a", b"after", 1)
        assert client.message().payload == b"after"
        assert other.publish("room/b", b"{}", 1).reason == 0x90
