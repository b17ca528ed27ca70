"""MQTT where it hurts: clients that go in the middle, that say too much or too little, disks that are full, reloads under
connections that stay. Afterwards nothing is left of any of it."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import gateway as gateways
from harness import peers, sockets
from harness.gateway import OPERATIONS, listener, settings
from harness.mqtt import Client, unique
from harness.mqtt_device import Flood
from harness.mqtt_packets import V3, V5, Type, acknowledge, publish, subscribe
from harness.recorder import Gone, Recorder, respond
from harness.tokens import Issuer
from harness.wire import get, once

REPORT = b'{"delta":1,"reason":"count"}'
ROUTES = [
    {"name": "session", "match": {"connect": "{client}"}, "target": {"topics": "session"}},
    {"name": "delta", "match": {"publish": "iot/inventory/{productId}/delta"}, "target": {"command": "inventory.adjust"}, "stages": {"inspect": {"schema": "command"}}},
    {"name": "relay", "match": {"publish": "room/{rest...}"}, "target": {"topics": "relay"}},
    {"name": "hear", "match": {"subscribe": "room/{rest...}"}, "target": {"topics": "subscribe"}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
    *OPERATIONS,
]
CALLS = {"name": "calls", "match": {"publish": "calls/{rest...}"}, "target": {"cluster": "up"}}


def configured(*endpoints: str, **over) -> dict:
    listeners = [listener(timeouts={"head": "1s"}), listener("devices", mqtt={}, timeouts={"head": "1s"})]
    return settings(*endpoints, **{"listeners": listeners, "contracts": {"command_schemas": str(gateways.ROOT / "contracts/commands")}} | over)


def start(stage, *endpoints: str, routes=(), environment: dict | None = None, **over):
    return stage.gateway(configured(*endpoints, **over), [*ROUTES, *routes], environment=environment)


def opened(gateway, version: int = V5, name: str | None = None, **more) -> Client:
    client = Client(gateway.listeners["devices"], version, timeout=5)
    assert client.connect(name, **more).reason == 0
    return client


def metric(gateway, name: str, labels: str = "") -> int:
    text = once(gateway.admin, get("/metrics")).body.decode()
    return sum(int(float(each)) for each in re.findall(rf"^{name}{{?[^}}\n]*{labels}[^}}\n]*}}? (\S+)$", text, re.M))


def stock(gateway, product: str) -> int:
    reply = once(gateway.address, get(f"/api/inventory/{product}"))
    return json.loads(reply.body)["onHand"] if reply.status == 200 else 0


@pytest.fixture(scope="module")
def plain(shared_stage):
    gateway = start(shared_stage)
    yield gateway
    # Whatever the tests of this file did to it.
    sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_connections") == 0, 5, "no connection")
    sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_sessions_connected") == 0, 5, "no connected session")
    # The one that asks.
    sockets.wait_until(lambda: metric(gateway, "nexus_streams_open") <= 1, 5, "no exchange")


# What is remembered of sessions.


@pytest.mark.parametrize("how", ("expired", "clean start", "resumed and ended"))
def test_with_a_session_its_messages_are_forgotten(plain, how):
    before = metric(plain, "nexus_delivery_sessions")
    name = unique("d")
    client = opened(plain, name=name, session_expiry=1 if how == "expired" else 600)
    client.publish(f"iot/inventory/{name}/delta", REPORT, 1)
    client.publish(f"iot/inventory/{name}/delta", REPORT, 2)
    assert metric(plain, "nexus_delivery_sessions") == before + 1
    client.drop()
    if how != "expired":
        again = opened(plain, name=name, clean=how == "clean start", session_expiry=600)
        again.disconnect(0, session_expiry=0)
    sockets.wait_until(lambda: metric(plain, "nexus_delivery_sessions") == before, 4, "the messages forgotten")


# Clients that say too little, or too much.


@pytest.mark.parametrize("version", (V3, V5))
def test_a_packet_that_is_never_whole(plain, version):
    with opened(plain, version, keep_alive=0) as client:
        client.send(publish("room/a", b"x" * 500, 0, version=version)[:400])
        began = time.monotonic()
        end = client.closed(4)
        assert 0.9 < time.monotonic() - began < 3, "the time of a head, and half a second for half a KB"
        assert version == V3 or end.packet.reason == 0x8D
    with opened(plain, version, keep_alive=0) as client:
        whole = publish("room/a", b"x" * 500, 1, 3, version=version)
        for part in (whole[:1], whole[1:200], whole[200:]):
            client.send(part)
            time.sleep(0.1)
        client.answer(Type.PUBACK, 3)
        # Nothing is begun: there is no hurry.
        client.nothing(1.8)
        client.ping()


@pytest.mark.parametrize("version", (V3, V5))
def test_messages_that_nobody_answers_are_not_piled_up(stage, version):
    def play(peer):
        peer.read_request()
        peer.hold()

    with Recorder(play) as up:
        gateway = start(stage, up.address, routes=[CALLS])
        calm = opened(gateway)
        with opened(gateway, version) as client:
            flood = Flood(client, lambda number: publish("calls/a", b"x" * 200, 0, version=version))
            flood.start()
            time.sleep(1)
            count = metric(gateway, "nexus_mqtt_packets_total", 'type="publish"')
            open_now = metric(gateway, "nexus_streams_open")
            flood.stop()
        assert 0 < count <= 256 and open_now <= 256 + 4, f"{count} messages read, {open_now} exchanges"
        calm.ping()


def test_a_reason_is_left_out_where_it_does_not_fit(plain):
    with opened(plain, maximum_packet_size=24) as client:
        answer = client.publish("nowhere/at/all", b"x", 1)
        assert answer.reason == 0x90 and not answer.properties
    with opened(plain) as client:
        assert client.publish("nowhere/at/all", b"x", 1).properties["reason_string"]


# Clients that go in the middle.


class Agent(threading.Thread):
    """Says yes to every question, and to those about publishing after a while."""

    def __init__(self, seconds: float):
        super().__init__(daemon=True)
        self.questions: list[dict] = []
        self.recorder = Recorder(self.play)
        self.seconds = seconds

    def play(self, peer) -> None:
        with contextlib.suppress(Gone):
            while True:
                question = json.loads(peer.read_request().body)["input"]
                self.questions.append(question)
                if question["path"].startswith("/iot"):
                    time.sleep(self.seconds)
                peer.send(respond("200 OK", b'{"result":true}', "Content-Type: application/json"))


def test_what_waits_goes_with_its_connection_and_the_agent_hears_what_is_done(stage, tmp_path):
    issuer = Issuer(tmp_path)
    (tmp_path / "policies.yaml").write_text(json.dumps({"policies": [{"name": "outside", "opa": True}]}))
    agent = Agent(0.7)
    with agent.recorder as recorder:
        asked = [each | {"stages": {"identify": "required", "authorize": "outside"}} if "method" not in each["match"] else each for each in ROUTES]
        gateway = stage.gateway(
            settings(
                listeners=[listener(), listener("devices", mqtt={})], identity={"issuers": [issuer.settings]},
                access={"policies": [str(tmp_path / "policies.yaml")], "opa": {"cluster": "opa", "path": "/x", "timeout": "3s", "cache": "0s"}},
                clusters={"opa": {"endpoints": [recorder.address]}}), asked)
        who = {"username": "u", "password": issuer.token("u").encode(), "session_expiry": 60}
        for qos in (1, 2):
            product = unique("p")
            client = opened(gateway, name="u", **who)
            client.send(publish(f"iot/inventory/{product}/delta", REPORT, qos, 9))
            sockets.wait_until(lambda product=product: any(product in each["path"] for each in agent.questions), 3, "the question")
            client.drop()
            sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_connections") == 0, 3, "it gone")
            time.sleep(1)
            # Nobody has been told that it was taken: its client sends it again, and that one counts.
            assert stock(gateway, product) == 0, "what nobody waits for any more was done"
            with opened(gateway, name="u", clean=False, **who) as again:
                again.publish(f"iot/inventory/{product}/delta", REPORT, qos, 9, dup=True)
            assert stock(gateway, product) == 1
        with opened(gateway, name="u", **who) as client:
            client.subscribe("room/+/x")
        said = {(each["method"], each["path"]) for each in agent.questions}
        assert {("CONNECT", "/u"), ("SUBSCRIBE", "/room/+/x"), ("PUBLISH", f"/iot/inventory/{product}/delta")} <= said


@pytest.fixture
def slow_sync(tmp_path):
    made = tmp_path / "slow_sync.so"
    source = gateways.ROOT / "Tests/harness/slow_sync.c"
    subprocess.run([peers.tool("cc"), "-shared", "-fPIC", "-O2", "-o", made, source], check=True)
    return made


def test_a_drain_answers_subscriptions(stage, slow_sync):
    gateway = start(stage, environment={"LD_PRELOAD": str(slow_sync), "NEXUS_SLOW_SYNC_MS": "300"})
    with opened(gateway, session_expiry=60) as client:
        client.send(subscribe(5, ("room/a", 1)))
        time.sleep(0.1)
        gateway.signal(signal.SIGTERM)
        assert client.expect(Type.SUBACK, 5).reasons == [1]
        assert client.closed(3).packet.reason == 0x8B
    assert gateway.process.wait(5) == 0


# A disk that is full.


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run([peers.tool("mount"), "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small tmpfs is not allowed here: {done.stderr.strip()}")
    yield place
    subprocess.run([peers.tool("umount"), "-l", str(place)], check=True)


def test_a_release_that_cannot_be_written_is_not_confirmed(stage, small_disk):
    gateway = start(stage, store={"path": str(small_disk / "events.db")}, mqtt={"path": "data/sessions.db"})
    topic = f"iot/inventory/{unique('p')}/delta"
    client = opened(gateway, name="meter", session_expiry=600)
    for number in (1, 2):
        client.send(publish(topic, REPORT, 2, number))
        client.expect(Type.PUBREC, number)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 4096)
    # The log has a few pages left.
    number, ended = 100, None
    while ended is None and number < 3000:
        client.send(acknowledge(Type.PUBREL, 1 if number == 100 else number - 1), publish(topic, REPORT, 2, number))
        number += 1
        packets = []
        for _ in range(2):
            found = client.receive()
            packets.append(found.type)
            if found.type == Type.DISCONNECT:
                ended = found
                break
        else:
            assert set(packets) == {Type.PUBCOMP, Type.PUBREC}
    assert ended and ended.reason == 0x83, f"{ended} after {number}"
    filler.unlink()
    with opened(gateway, name="meter", clean=False, session_expiry=600) as again:
        sockets.wait_until(lambda: stock(gateway, topic.split("/")[2]) > 0, 5, "the store")
        assert again.release(2).reason == 0


# A reload.


def test_connections_that_stay_do_not_keep_what_is_past(stage):
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                while peer.recv(65536):
                    pass
            ended.set()

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        path = {"name": "up", "match": {"path": "/up"}, "target": {"cluster": "up"}}
        gateway = start(stage, address, routes=[path])
        with opened(gateway) as client:
            assert once(gateway.address, get("/up")).status == 200
            gateway.reload(configured(), ROUTES)
            assert ended.wait(3), "the pool of a cluster that is no more was kept for an MQTT client"
            client.subscribe("room/a", qos=1)
            client.publish("room/a", b"on", 1)
            assert client.message().payload == b"on"
        sockets.wait_until(lambda: metric(gateway, "nexus_mqtt_connections") == 0, 3, "none")


def test_reloads_under_connections_cost_no_memory(stage):
    gateway = start(stage)
    clients, sizes = [], []
    for round in range(60):
        clients.append(opened(gateway))
        gateway.reload(routes=[*ROUTES, {"name": f"more-{round % 2}", "match": {"publish": f"more/{round % 2}"}, "target": {"topics": "relay"}}])
        if round >= 10:
            sizes.append(gateway.rss())
    grown = sizes[-1] - sizes[0]
    assert grown < 1 << 20, f"grew by {grown >> 10} KiB in 50 reloads with a new connection each"
    for client in clients:
        client.ping()
        client.close()
