"""MQTT by somebody who means harm, or is unlucky: what clients, outside brokers, disks and files can do at worst. Afterwards
the gateway is well, and nothing that was acknowledged is lost."""

import contextlib
import pathlib
import re
import sqlite3
import subprocess
import threading
import time

import httpx
import pytest

from harness import peers, sockets
from harness.gateway import OPERATIONS, listener, settings
from harness.mqtt import Client, Silent, unique
from harness.mqtt_packets import V3, V5, Type, Will, acknowledge, connect, publish, subscribe
from harness.wire import get, once

ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "call", "match": {"publish": "calls/{rest...}"}, "target": {"cluster": "up"}},
    {"name": "relay", "match": {"publish": "room/{rest...}"}, "target": {"topics": "relay"}},
    {"name": "hear", "match": {"subscribe": "room/{rest...}"}, "target": {"topics": "subscribe"}},
    {"name": "mqtt", "match": {"listener": "admin", "path": "/mqtt/{list}", "method": "GET"}, "target": {"operation": "mqtt"}},
    *OPERATIONS,
]


def configured(up: str, **over) -> dict:
    listeners = [listener(), listener("devices", mqtt={})]
    return settings(up, **{"workers": 2, "listeners": listeners} | over)


@pytest.fixture(scope="module")
def nowhere() -> str:
    return sockets.closed_address()


@pytest.fixture(scope="module")
def plain(shared_stage, nowhere):
    """One gateway for all that leaves it well. Nobody is where its cluster should be."""
    gateway = shared_stage.gateway(configured(nowhere), ROUTES)
    yield gateway
    sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_connections") == 0, 10, "no connection")
    sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_sessions_connected") == 0, 10, "no connected session")


def opened(gateway, version: int = V5, name: str | None = None, **more) -> Client:
    client = Client(gateway.listeners["devices"], version, timeout=10)
    assert client.connect(name, **more).reason == 0
    return client


def metric(gateway, name: str, labels: str = "") -> int:
    text = once(gateway.admin, get("/metrics")).body.decode()
    return sum(int(float(each)) for each in re.findall(rf"^{name}{{?[^}}\n]*{labels}[^}}\n]*}}? (\S+)$", text, re.M))


def refused(gateway) -> list[dict]:
    return httpx.get(f"http://{gateway.admin}/mqtt/refused?limit=1000").json()["refused"]


# Wills.


@pytest.mark.parametrize("qos", (0, 1))
def test_a_will_that_cannot_be_taken_now_is_not_lost_without_a_word(plain, qos):
    """Nobody is left who would send it again."""
    name = unique("gone")
    opened(plain, name=name, will=Will(f"calls/{name}", b"last words", qos)).drop()
    if qos == 0:
        sockets.wait_until(lambda: metric(plain, "nexus_mqtt_sessions_connected") == 0, 5, "its end")
        return
    sockets.wait_until(lambda: any(each["clientId"] == name for each in refused(plain)), 5, "the will among what was refused")


# Packets that are larger than what is in them.


MANY = {"user_property": [("n", "v")] * 500}


def test_what_a_packet_may_say_beside_itself_is_bounded_in_all_packets(plain):
    for greeting in (connect(unique(), V5, **MANY), connect(unique(), V5, will=Will("room/w", b"x", properties=MANY))):
        with Client(plain.listeners["devices"]) as client:
            client.send(greeting)
            answer = client.expect(Type.CONNACK)
            assert answer.reason == 0x97, answer
    for packet_ in (publish("room/a", b"x", 1, 1, props=MANY), subscribe(1, ("room/a", 0), props=MANY)):
        with opened(plain) as client:
            client.send(packet_)
            assert client.closed().packet.reason == 0x97


# Outside brokers.


GREETED = bytes([0x20, 3, 0, 0, 0])
UNKNOWN = bytes([2, 0x7F, 0])  # a property that no standard knows
NONSENSE = {
    "an unknown property of CONNACK": [bytes([0x20, 5, 0, 0]) + UNKNOWN],
    "an unknown property of PUBLISH": [GREETED, bytes([0x32, 10, 0, 1]) + b"a" + bytes([0, 1]) + UNKNOWN + b"xx"],
    "a SUBACK that says nothing": [GREETED, bytes([0x90, 3, 0, 1, 0])],
    "a packet that is never whole": [GREETED, bytes([0x32, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]) + b"a" * 5000],
    "no packet at all": [GREETED, bytes(range(256)) * 8],
    "half a CONNACK": [GREETED[:3]],
    "a topic that is none": [GREETED, publish("a/+/#", b"x", 1, 2)],
}


def test_no_broker_outside_can_end_the_gateway(stage, nowhere):
    """It sends what it should not, or nothing, and hangs up: the bridge tries again, and all else goes on."""
    came = dict.fromkeys(NONSENSE, 0)
    servers = {name: sockets.listen("127.0.0.1:0") for name in NONSENSE}

    def serve(name: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = servers[name].accept()
                with peer, contextlib.suppress(OSError):
                    peer.settimeout(1)
                    for part in NONSENSE[name]:
                        peer.recv(4096)
                        peer.sendall(part)
                    peer.recv(4096)
                came[name] += 1

    for name in NONSENSE:
        threading.Thread(target=serve, args=(name,), daemon=True).start()
    bridges = [
        {"name": f"b{number}", "address": sockets.address_of(server), "principal": "b", "backoff": "50ms", "backoff_max": "100ms", "in": [{"filter": "room/#"}]}
        for number, server in enumerate(servers.values())
    ]
    gateway = stage.gateway(configured(nowhere, bridges=bridges), ROUTES)
    sockets.wait_until(lambda: not gateway.running or min(came.values()) >= 3, 20, "three attempts at each")
    gateway.assert_alive()
    with opened(gateway) as client:
        assert client.publish("room/a", b"x", 1).reason == 0x10
    for server in servers.values():
        server.close()


# The sessions' file.


def sessions_left(stage, nowhere):
    """A gateway that has ended, with a session and two messages in its queue; its file."""
    gateway = stage.gateway(configured(nowhere), ROUTES)
    with opened(gateway, name="kept", clean=False, session_expiry=600) as kept:
        kept.subscribe("room/#", qos=1)
    with opened(gateway) as writer:
        for number in range(2):
            writer.publish(f"room/{number}", b"x", 1, retain=True)
    assert gateway.stop() == 0
    return gateway, gateway.folder / "data/events.db.mqtt"


DAMAGES = {
    "a number that is none": "UPDATE queue SET sequence = 0 WHERE sequence = 1",
    "a number beyond all": "UPDATE queue SET sequence = -1 WHERE sequence = 1",
    "a session beyond all": "UPDATE sessions SET session = -1",
    "a message beyond all": "UPDATE messages SET message = -1 WHERE message = (SELECT min(message) FROM messages)",
    "a QoS that is none": "UPDATE queue SET qos = 7",
    "an endless expiry": "UPDATE sessions SET expiry = -5",
    "a filter that is none": "UPDATE subscriptions SET filter = 'a/#/b'",
    "a time beyond all": "UPDATE sessions SET left_ms = -1",
    "a refused message beyond all": "INSERT INTO refused (number, topic, payload, client, subject, qos, code, reason, at_ms) VALUES (9223372036854775807, x'', x'', x'', x'', 0, '', '', 0)",
}


def test_a_damaged_sessions_file_is_refused_or_read_but_crashes_nothing(stage, nowhere):
    gateway, path = sessions_left(stage, nowhere)
    whole = path.read_bytes()
    ways = {name: (lambda sql=sql: change(path, sql)) for name, sql in DAMAGES.items()} | {
        "another version": lambda: change(path, "PRAGMA user_version = 99"),
        "half of it": lambda: path.write_bytes(whole[: len(whole) // 2]),
        "something else": lambda: path.write_bytes(b"not a database at all" * 500),
        "a page of zeros": lambda: path.write_bytes(whole[:4096] + bytes(4096) + whole[8192:]),
    }
    for name, damage in ways.items():
        for each in (path, pathlib.Path(f"{path}-wal"), pathlib.Path(f"{path}-shm")):
            each.unlink(missing_ok=True)
        path.write_bytes(whole)
        damage()
        done = subprocess.Popen(gateway.command("run"), cwd=gateway.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lines = []
        for line in done.stderr:
            lines.append(line.strip())
            if lines[-1] == "ready":
                done.terminate()
        code = done.wait(20)
        assert code >= 0, f"{name}: ended by signal {-code}: {lines[-5:]}"
        if code:
            assert "mqtt" in " ".join(lines).lower() and "ready" not in lines, f"{name}: {lines}"


def change(path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(sql)
        database.commit()


def test_a_sessions_file_that_another_process_has_is_refused(stage, nowhere):
    first = stage.gateway(configured(nowhere), ROUTES)
    other = stage.files(configured(nowhere, mqtt={"path": str(first.folder / "data/events.db.mqtt")}), ROUTES)
    done = subprocess.run(other.command("run"), cwd=other.folder, capture_output=True, text=True, timeout=20)
    assert done.returncode > 0 and "another process writes to" in done.stderr, done.stderr
    with opened(first, session_expiry=60) as client:
        client.subscribe("room/a", qos=1)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run([peers.tool("mount"), "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small tmpfs is not allowed here: {done.stderr.strip()}")
    yield place
    subprocess.run([peers.tool("umount"), "-l", str(place)], check=True)


def fill(place) -> pathlib.Path:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 4096)
    return filler


def test_the_sessions_disk_is_full_and_then_is_not(stage, nowhere, small_disk):
    gateway = stage.gateway(configured(nowhere, mqtt={"path": str(small_disk / "sessions.db")}), ROUTES)
    with opened(gateway, name="sleeper", session_expiry=600) as sleeper:
        sleeper.subscribe("room/#", qos=2)
    reader = opened(gateway, name="reader", session_expiry=600)
    reader.subscribe("room/#", qos=2)
    writer = opened(gateway)
    assert writer.publish("room/1", b"before", 1).reason == 0
    writer.publish("room/1", b"before too", 2)
    before = [reader.message(acknowledge_it=False) for _ in range(2)]
    filler = fill(small_disk)
    taken, number = [b"before", b"before too"], 0
    while (answer := writer.publish("room/1", b"%05d" % number + b"y" * 3000, 1)).reason == 0:
        taken.append(b"%05d" % number + b"y" * 3000)
        number += 1
        assert number < 2000
    assert answer.reason == 0x83, answer
    # What has to be kept is refused; what has not goes on.
    with Client(gateway.listeners["devices"]) as late:
        assert late.connect("late", session_expiry=60).reason == 0x88
    with opened(gateway) as passing:
        assert passing.subscribe("room/passing", qos=0).reasons == [0]
        assert reader.subscribe("room/more", qos=1).reasons == [0x83]
        writer.publish("room/passing", b"by", 0)
        assert passing.message().payload == b"by"
    with opened(gateway, V3) as old:
        old.send(publish("room/2", b"x", 1, 9, version=V3))
        old.closed()
    # What the subscriber says of what it has waits, and holds up nobody.
    reader.send(acknowledge(Type.PUBACK, before[0].packet_id), acknowledge(Type.PUBREC, before[1].packet_id))
    with pytest.raises(Silent):
        deadline = time.monotonic() + 0.3
        while (found := reader._receive(deadline)).type != Type.PUBREL:
            assert found.type == Type.PUBLISH, found
    filler.unlink()
    while (found := reader.receive(10)).type != Type.PUBREL:
        assert found.type == Type.PUBLISH, found
    reader.send(acknowledge(Type.PUBCOMP, found.packet_id))
    sockets.wait_until(lambda: writer.publish("room/1", b"after", 1).reason == 0, 10, "the disk")
    taken.append(b"after")
    for client in (reader, writer):
        client.close()
    assert gateway.stop() == 0
    gateway.start()
    with opened(gateway, name="sleeper", clean=False, session_expiry=600) as sleeper:
        heard = [sleeper.message().payload for _ in taken]
        assert heard == taken
