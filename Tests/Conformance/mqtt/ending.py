"""DISCONNECT (MQTT 5.0 section 3.14)."""

from harness.mqtt import Silent
from harness.mqtt_packets import V5, Will, disconnect, publish

from .case import Scene, case, each, refused, topic


@case("3.14.4-2")
def the_server_closes_after_a_client_s_DISCONNECT(scene: Scene, version: int):
    client = scene.client(version)
    client.send(disconnect(version))
    assert client.closed().packet is None, "a server has nothing to answer"


@case("3.14.4-1")
def nothing_is_done_after_DISCONNECT(scene: Scene, version: int):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.send(disconnect(version), publish(place, b"x", version=version))
    client.closed()
    watcher.nothing()


@case("3.14.4-3")
def DISCONNECT_discards_the_will(scene: Scene, version: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place)).disconnect()
    watcher.nothing()


@each("3.1.2-8", (("0x04", 4), ("0x80", 0x80), ("0x81", 0x81), ("0x82", 0x82), ("0x93", 0x93), ("0x99", 0x99)), (V5,))
def DISCONNECT_publishes_the_will_with(scene: Scene, version: int, _: str, reason: int):
    place = topic()
    watcher = scene.watcher(version, place)
    scene.client(version, will=Will(place, b"bye")).disconnect(reason)
    assert watcher.message().payload == b"bye"


@each("3.14.2-1", (("reason alone", b"\xe0\x01\x00"), ("reason and properties", b"\xe0\x02\x00\x00"), ("text", b"\xe0\x07\x00\x05\x1f\x00\x02ok"), ("user property", b"\xe0\x09\x00\x07\x26\x00\x01a\x00\x01b")), (V5,))
def forms_of_DISCONNECT(scene: Scene, version: int, _: str, form: bytes):
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version, will=Will(place))
    client.send(form)
    assert client.closed().packet is None
    watcher.nothing()


@each("3.14.1-1", (1, 2, 4, 8))
def reserved_flags_of_DISCONNECT(scene: Scene, version: int, flag: int):
    client = scene.client(version)
    client.send(bytes([0xE0 | flag, 0]))
    refused(client, 0x81)


@case("3.14.4-2")
def a_client_that_just_closes(scene: Scene, version: int):
    client, other = scene.client(version), scene.client(version)
    client.close()
    other.ping()
    try:
        other.receive(0.05)
        raise AssertionError("somebody else's end was told")
    except Silent:
        pass
