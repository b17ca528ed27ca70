"""Real MQTT clients against the gateway: mosquitto's programs, paho, gmqtt, aiomqtt. Nothing here knows how packets look.

`NEXUS_MQTT_BROKER=mosquitto` plays what concerns any broker on mosquitto, which is how the tests were tested.
"""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import threading
import time

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from harness import gateway as gateways
from harness import peers
from harness.certificates import Authority
from harness.gateway import listener, settings
from harness.mqtt import Mosquitto, unique
from harness.sockets import wait_until
from harness.tokens import Issuer
from harness.wire import get, once

BROKER = os.environ.get("NEXUS_MQTT_BROKER")
ours = pytest.mark.skipif(BROKER == "mosquitto", reason="what only the gateway does")
VERSIONS = {"311": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
both = pytest.mark.parametrize("version", VERSIONS)
every_qos = pytest.mark.parametrize("qos", (0, 1, 2))

OPEN = [
    {"name": "session", "match": {"connect": "{client}", "listener": ["devices", "secure"]}, "target": {"topics": "session"}},
    {"name": "relay", "match": {"publish": "{topic...}", "listener": ["devices", "secure"]}, "target": {"topics": "relay"}},
    {"name": "subscriptions", "match": {"subscribe": "{topic...}", "listener": ["devices", "secure"]}, "target": {"topics": "subscribe"}},
    {"name": "delta", "match": {"publish": "iot/inventory/{productId}/delta", "listener": "devices"}, "target": {"command": "inventory.adjust"}, "stages": {"inspect": {"schema": "command"}}},
    {"name": "stock", "match": {"method": "GET", "path": "/api/inventory/{productId}"}, "target": {"query": "inventory.get"}},
]
# As they are shipped (routes/iot.yaml, config/policies/devices.yaml): a client is who its token or certificate says.
STRICT = [
    {"name": "own-session", "match": {"connect": "{client}", "listener": ["tokens", "certificates"]}, "target": {"topics": "session"}, "stages": {"identify": "optional", "authorize": "own-name"}},
    {"name": "own-delta", "match": {"publish": "iot/inventory/{productId}/delta", "listener": ["tokens", "certificates"]}, "target": {"command": "inventory.adjust"}, "stages": {"identify": "optional", "authorize": "report", "inspect": {"schema": "command"}}},
    {"name": "own-subscribe", "match": {"subscribe": "devices/{client}/{rest...}", "listener": ["tokens", "certificates"]}, "target": {"topics": "subscribe"}, "stages": {"identify": "optional", "authorize": "own-name"}},
]
POLICIES = {"policies": [
    {"name": "own-name", "rules": [{"name": "own", "allow": {"kind": ["user", "service"], "owner": {"parameter": "client"}}}]},
    {"name": "report", "rules": [{"name": "device", "allow": {"roles": ["DEVICE"]}}, {"name": "certificate", "allow": {"kind": "service"}}]},
]}


class Place:
    """Where clients connect: `plain` and `secure` are addresses, `authority` signs what is shown there."""

    def __init__(self, folder, start):
        self.authority, self.folder = Authority(folder), folder
        self.server = self.authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
        self.issuer = Issuer(folder)
        self.gateway = None
        start(self)

    def stock(self, product: str) -> int:
        reply = once(self.gateway.address, get(f"/api/inventory/{product}"))
        return json.loads(reply.body)["onHand"] if reply.status == 200 else 0


def _mosquitto(place: Place, stack: contextlib.ExitStack) -> None:
    port = gateways.sockets.free_port()
    tls = (f"listener {port} 127.0.0.1", f"certfile {place.server.chain}", f"keyfile {place.server.key}", f"cafile {place.authority.certificate}")
    broker = stack.enter_context(Mosquitto(place.folder / "mosquitto", *tls))
    place.plain, place.secure = broker.address, f"127.0.0.1:{port}"


def _gateway(place: Place, stage) -> None:
    (place.folder / "policies").mkdir()
    (place.folder / "policies/all.yaml").write_text(json.dumps(POLICIES))
    tls = {"certificates": [place.server.settings]}
    clients = tls | {"client_certificates": "required", "client_authorities": str(place.authority.certificate)}
    listeners = [
        listener(), listener("devices", mqtt={}), listener("secure", mqtt={}, tls=tls), listener("tokens", mqtt={}),
        listener("certificates", mqtt={}, tls=clients),
    ]
    config = settings(listeners=listeners, workers=2, identity={"issuers": [place.issuer.settings]}, contracts={"command_schemas": str(gateways.ROOT / "contracts/commands")}, access={"policies": [str(place.folder / "policies")]})
    place.gateway = stage.gateway(config, OPEN + STRICT)
    place.plain, place.secure = place.gateway.listeners["devices"], place.gateway.listeners["secure"]
    place.tokens, place.certificates = place.gateway.listeners["tokens"], place.gateway.listeners["certificates"]


@pytest.fixture(scope="module")
def place(tmp_path_factory, shared_stage):
    with contextlib.ExitStack() as stack:
        start = (lambda made: _mosquitto(made, stack)) if BROKER == "mosquitto" else (lambda made: _gateway(made, shared_stage))
        yield Place(tmp_path_factory.mktemp("clients"), start)


def _where(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


# mosquitto_pub and mosquitto_sub.


def _words(tool: str, address: str, version: str, *more: str) -> list[str]:
    host, port = _where(address)
    return [peers.tool(tool), "-h", host, "-p", str(port), "-V", version, *more]


def pub(address: str, version: str, *more: str, code: int = 0) -> str:
    done = subprocess.run(_words("mosquitto_pub", address, version, *more), capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    assert (done.returncode == 0) == (code == 0), f"{done.returncode}: {done.stdout} {done.stderr}"
    return done.stdout + done.stderr


@contextlib.contextmanager
def sub(address: str, version: str, topic: str, *more: str, count: int = 1, secure: tuple[str, ...] = ()):
    """A subscriber that is subscribed; what it has heard when it has heard `count` messages is in the list."""
    words = _words("mosquitto_sub", address, version, "-t", topic, "-C", str(count), "-W", "8", "-F", "%t %q %r %p", "-d", *secure, *more)
    # Each line as it is written, though nobody looks at a terminal.
    process = subprocess.Popen([peers.tool("stdbuf"), "-oL", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, bufsize=1)
    heard: list[str] = []
    lines = iter(process.stdout.readline, "")
    said = list(itertools.takewhile(lambda line: "Subscribed" not in line, lines))
    assert process.poll() is None, f"not subscribed: {said}"
    try:
        yield heard
        heard += [line.rstrip("\n") for line in lines if not line.startswith(("Client ", "Subscribed"))]
        assert process.wait(10) == 0, heard
    finally:
        process.kill()
        process.wait()


@both
@every_qos
def test_mosquitto_pub_and_sub(place, version, qos):
    topic = f"m/{unique()}"
    with sub(place.plain, version, topic, "-q", str(qos), count=3) as heard:
        for number in range(3):
            pub(place.plain, version, "-t", topic, "-q", str(qos), "-m", f"message {number}")
    assert heard == [f"{topic} {qos} 0 message {number}" for number in range(3)]


@both
def test_mosquitto_retained_and_will(place, version):
    topic = f"m/{unique()}"
    pub(place.plain, version, "-t", topic, "-q", "1", "-r", "-m", "kept")
    words = _words("mosquitto_sub", place.plain, version, "-t", topic, "-q", "1", "-C", "1", "-W", "8", "-F", "%q %r %p")
    assert subprocess.run(words, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL).stdout == "1 1 kept\n"
    # A subscriber that is killed leaves its will behind.
    with sub(place.plain, version, f"{topic}/will", "-q", "2") as heard:
        dying = subprocess.Popen([peers.tool("stdbuf"), "-oL"] + _words("mosquitto_sub", place.plain, version, "-t", f"{topic}/x", "--will-topic", f"{topic}/will", "--will-payload", "gone", "--will-qos", "2", "-d"), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        for line in dying.stdout:
            if "Subscribed" in line:
                break
        dying.kill()
        dying.wait()
    assert heard == [f"{topic}/will 2 0 gone"]


@both
def test_mosquitto_over_tls(place, version):
    topic, authority = f"m/{unique()}", ("--cafile", str(place.authority.certificate))
    with sub(place.secure, version, topic, "-q", "1", secure=authority) as heard:
        pub(place.secure, version, "-t", topic, "-q", "1", "-m", "quietly", *authority, "--tls-alpn", "mqtt")
    assert heard == [f"{topic} 1 0 quietly"]


def test_mosquitto_properties(place):
    topic = f"m/{unique()}"
    with sub(place.plain, "5", topic, "-F", "%A %C %R %P %p") as heard:
        pub(place.plain, "5", "-t", topic, "-m", "x", *(word for name, *values in (
            ("content-type", "text/plain"), ("response-topic", "a/b"), ("user-property", "k", "v"), ("user-property", "k", "w")) for word in ("-D", "publish", name, *values)))
    assert heard and heard[0].split(" ", 1)[1] == "text/plain a/b k:v k:w x"


def test_mosquitto_many_lines(place):
    topic = f"m/{unique()}"
    with sub(place.plain, "5", topic, "-q", "1", count=500) as heard:
        words = _words("mosquitto_pub", place.plain, "5", "-t", topic, "-q", "2", "-l")
        done = subprocess.run(words, input="".join(f"{number}\n" for number in range(500)), text=True, timeout=20, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert [line.rsplit(" ", 1)[1] for line in heard] == [str(number) for number in range(500)]


@ours
def test_mosquitto_with_a_token_as_password(place):
    name, product = unique("scale"), unique("p")
    token = place.issuer.token(name, "DEVICE")
    body = '{"delta": 4, "reason": "delivery"}'
    for version in VERSIONS:
        pub(place.tokens, version, "-i", name, "-u", name, "-P", token, "-t", f"iot/inventory/{product}/delta", "-q", "1", "-m", body)
    assert place.stock(product) == 8
    # Another's name, no token, a wrong one, and what its roles do not allow.
    pub(place.tokens, "5", "-i", "somebody", "-u", name, "-P", token, "-t", "a", "-m", body, code=1)
    pub(place.tokens, "5", "-i", name, "-t", "a", "-m", body, code=1)
    pub(place.tokens, "311", "-i", name, "-u", name, "-P", token[:-4] + "AAAA", "-t", "a", "-m", body, code=1)
    said = pub(place.tokens, "5", "-i", name, "-u", name, "-P", place.issuer.token(name, "CUSTOMER"), "-t", f"iot/inventory/{product}/delta", "-q", "1", "-m", body, "-d")
    assert "RC:135" in said, said
    assert place.stock(product) == 8


@ours
def test_mosquitto_with_a_client_certificate(place):
    name, product = unique("till"), unique("p")
    pair = place.authority.issue(name, f"DNS:{name}", usage="clientAuth")
    tls = ("--cafile", str(place.authority.certificate), "--cert", str(pair.chain), "--key", str(pair.key))
    pub(place.certificates, "5", *tls, "-i", name, "-t", f"iot/inventory/{product}/delta", "-q", "2", "-m", '{"delta": 3, "reason": "count"}')
    assert place.stock(product) == 3
    pub(place.certificates, "5", *tls[:2], "-i", name, "-t", "a", "-m", "x", code=1)
    pub(place.certificates, "5", *tls, "-i", "somebody", "-t", "a", "-m", "x", code=1)


@ours
@both
def test_a_report_becomes_stock(place, version):
    product = unique("p")
    for qos in (0, 1, 2):
        pub(place.plain, version, "-t", f"iot/inventory/{product}/delta", "-q", str(qos), "-m", json.dumps({"delta": 10 ** qos, "reason": "delivery"}))
    wait_until(lambda: place.stock(product) == 111, 3, "the stock")


@ours
def test_a_report_that_makes_no_sense_is_refused(place):
    product = unique("p")
    for body in ("no json", '{"delta": "many", "reason": "x"}', '{"reason": "x"}', ""):
        words = _words("mosquitto_pub", place.plain, "5", "-d", "-t", f"iot/inventory/{product}/delta", "-q", "1", *(("-m", body) if body else ("-n",)))
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
        assert "RC:153" in done.stdout, f"{body}: {done.stdout}"
        # 3.1.1 has no reasons: it is acknowledged, and kept for people.
        pub(place.plain, "311", "-t", f"iot/inventory/{product}/delta", "-q", "1", *(("-m", body) if body else ("-n",)))
    assert place.stock(product) == 0


# paho.


class Paho:
    """A paho client with its own thread, and what it has heard."""

    def __init__(self, address: str, version: str, name: str | None = None, lasting: bool = False, **will):
        self.name, self.lasting, self.version = name or unique("paho"), lasting, version
        more = {} if version == "5" else {"clean_session": not lasting}
        self.client = paho.Client(CallbackAPIVersion.VERSION2, self.name, protocol=VERSIONS[version], **more)
        self.heard: list[paho.MQTTMessage] = []
        self.connects: list = []
        self._ready, self._subscribed = threading.Event(), threading.Event()
        self.client.on_message = lambda client, data, message: self.heard.append(message)
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.reconnect_delay_set(0.1, 0.5)
        if will:
            self.client.will_set(**will)
        host, port = _where(address)
        keep = {}
        if version == "5":
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 600 if lasting else 0
            keep = {"clean_start": not lasting, "properties": properties}
        self.client.connect(host, port, keepalive=30, **keep)
        self.client.loop_start()
        assert self._ready.wait(5), "not connected"

    def _connected(self, client, data, flags, reason, properties) -> None:
        self.connects.append(flags.session_present)
        self._ready.set()

    def subscribe(self, topic: str, qos: int) -> None:
        self._subscribed.clear()
        self.client.subscribe(topic, qos)
        assert self._subscribed.wait(5)

    def publish(self, topic: str, payload: bytes, qos: int, **more) -> None:
        message = self.client.publish(topic, payload, qos, **more)
        message.wait_for_publish(5)
        assert message.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> "Paho":
        return self

    def __exit__(self, *_) -> None:
        self.close()


@both
@every_qos
def test_paho(place, version, qos):
    topic = f"p/{unique()}"
    with Paho(place.plain, version) as reader, Paho(place.plain, version) as writer:
        reader.subscribe(topic + "/+", qos)
        for number in range(50):
            writer.publish(f"{topic}/{number % 3}", b"%d" % number, qos)
        wait_until(lambda: len(reader.heard) == 50, 5, "all messages")
        assert [each.payload for each in reader.heard] == [b"%d" % number for number in range(50)]
        assert {each.qos for each in reader.heard} == {qos}


@both
def test_paho_returns_to_its_session(place, version):
    topic, name = f"p/{unique()}", unique("paho")
    with Paho(place.plain, version, name, lasting=True) as reader:
        reader.subscribe(topic, 2)
    with Paho(place.plain, version) as writer:
        for number in range(20):
            writer.publish(topic, b"%d" % number, 1 + number % 2)
    with Paho(place.plain, version, name, lasting=True) as reader:
        wait_until(lambda: len(reader.heard) == 20, 5, "what waited")
        assert reader.connects == [True]
        assert sorted(int(each.payload) for each in reader.heard) == list(range(20))


@both
def test_paho_reconnects_by_itself(place, version):
    topic, name = f"p/{unique()}", unique("paho")
    with Paho(place.plain, version, name, lasting=True) as reader, Paho(place.plain, version) as writer:
        reader.subscribe(topic, 1)
        for round_number in range(3):
            reader.client.socket().shutdown(2)
            writer.publish(topic, b"%d" % round_number, 1)
            # At least once: what it has heard and not yet acknowledged when it falls comes again.
            wait_until(lambda: b"%d" % round_number in {each.payload for each in reader.heard}, 5, "the message after the fall")
        assert reader.connects[0] is False and all(reader.connects[1:]) and len(reader.connects) >= 3


@both
def test_paho_will(place, version):
    topic = f"p/{unique()}"
    with Paho(place.plain, version) as reader:
        reader.subscribe(topic, 1)
        dying = Paho(place.plain, version, topic=topic, payload=b"gone", qos=1)
        dying.client.loop_stop()
        dying.client.socket().close()
        wait_until(lambda: reader.heard, 5, "the will")
        assert reader.heard[0].payload == b"gone"


@ours
@both
def test_paho_reports_stock(place, version):
    product = unique("p")
    with Paho(place.plain, version) as device:
        sent = [device.client.publish(f"iot/inventory/{product}/delta", json.dumps({"delta": 1, "reason": "load", "eventId": f"{product}-{number // 2}"}), 1 + number % 2) for number in range(200)]
        for each in sent:
            each.wait_for_publish(10)
    # Each of them by two messages with the same id.
    assert place.stock(product) == 100


# gmqtt, aiomqtt: other people's codecs.


@both
def test_gmqtt(place, version):
    topic, host_port = f"g/{unique()}", _where(place.plain)
    number = 5 if version == "5" else 4

    async def play() -> list:
        heard, subscribed = asyncio.Queue(), asyncio.Event()
        reader, writer = gmqtt.Client(unique("g")), gmqtt.Client(unique("g"))
        reader.on_message = lambda client, where, payload, qos, properties: heard.put_nowait((where, payload, qos)) or 0
        reader.on_subscribe = lambda *_: subscribed.set()
        await reader.connect(*host_port, version=number)
        await writer.connect(*host_port, version=number)
        reader.subscribe(topic, qos=2)
        await asyncio.wait_for(subscribed.wait(), 5)
        for qos in (0, 1, 2):
            writer.publish(topic, b"%d" % qos, qos=qos)
        got = [await asyncio.wait_for(heard.get(), 5) for _ in range(3)]
        await reader.disconnect()
        await writer.disconnect()
        return got

    assert sorted(asyncio.run(play())) == [(topic, b"%d" % qos, qos) for qos in (0, 1, 2)]


@both
def test_aiomqtt(place, version):
    topic = f"a/{unique()}"
    host, port = _where(place.plain)
    protocol = aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311

    async def play() -> list:
        async with aiomqtt.Client(host, port, protocol=protocol) as reader, aiomqtt.Client(host, port, protocol=protocol) as writer:
            await reader.subscribe(topic + "/#", qos=2)
            await asyncio.gather(*(writer.publish(f"{topic}/{number}", b"%d" % number, qos=number % 3) for number in range(30)))
            got = []
            async with asyncio.timeout(8):
                async for message in reader.messages:
                    got.append((int(message.payload), message.qos))
                    if len(got) == 30:
                        return got

    assert sorted(asyncio.run(play())) == [(number, number % 3) for number in range(30)]


@ours
def test_many_devices_at_once(place):
    """Fifty clients of three kinds of implementation report on one product."""
    product = unique("p")
    host, port = _where(place.plain)

    async def report() -> None:
        async def one(number: int) -> None:
            async with aiomqtt.Client(host, port, identifier=f"{product}-{number}", protocol=aiomqtt.ProtocolVersion.V5) as device:
                for message in range(10):
                    await device.publish(f"iot/inventory/{product}/delta", json.dumps({"delta": 1, "reason": "load", "eventId": f"{number}-{message}"}), qos=1)

        await asyncio.gather(*(one(number) for number in range(50)))

    began = time.monotonic()
    asyncio.run(report())
    assert place.stock(product) == 500
    assert time.monotonic() - began < 20


