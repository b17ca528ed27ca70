"""Packets that are none: each ends its connection, with MQTT 5 for the right reason (sections 1.5, 2, 4.13)."""

from harness.mqtt import Type, unique
from harness.mqtt_packets import V3, V5, Will, acknowledge, connect, data, packet, properties, property_, publish, subscribe, text, unsubscribe, variable

from .case import BOTH, Scene, add, refused, topic, turned_away

EITHER = (0x81, 0x82)  # where the standard leaves open which of both it is


def _refused(made, reasons):
    def play(scene: Scene, version: int) -> None:
        client, other = scene.client(version), scene.client(version)
        client.send(made(version) if callable(made) else made)
        refused(client, *reasons)
        other.ping()

    return play


def _turned_away(made, reasons):
    def play(scene: Scene, version: int) -> None:
        client = scene.raw(version)
        client.send(made(version) if callable(made) else made)
        turned_away(client, *reasons)

    return play


def _cut(made: bytes, count: int = 1) -> bytes:
    """The packet without its last bytes, its length being right."""
    body = made[2:-count]
    return packet(made[0], body)


# After CONNECT: (norm, name, versions, bytes or a function of the version, reasons).
PACKETS = [
    ("2.1.2", "packet type 0", BOTH, b"\x00\x00", EITHER),
    ("2.1.2", "packet type 15 of 3.1.1", (V3,), b"\xf0\x00", ()),
    ("2.1.2", "CONNACK from a client", BOTH, lambda v: b"\x20\x02\x00\x00" if v == V3 else b"\x20\x03\x00\x00\x00", EITHER),
    ("2.1.2", "SUBACK from a client", BOTH, lambda v: b"\x90\x03\x00\x01\x00" if v == V3 else b"\x90\x04\x00\x01\x00\x00", EITHER),
    ("2.1.2", "UNSUBACK from a client", BOTH, lambda v: b"\xb0\x02\x00\x01" if v == V3 else b"\xb0\x04\x00\x01\x00\x00", EITHER),
    ("2.1.2", "PINGRESP from a client", BOTH, b"\xd0\x00", EITHER),
    # Length.
    ("2.1.4", "remaining length of five bytes", BOTH, b"\xc0\x80\x80\x80\x80\x01", EITHER),
    ("1.5.5", "remaining length that never ends", BOTH, b"\x30\xff\xff\xff\xff\xff\xff", EITHER),
    ("1.5.5-1", "remaining length longer than needed", (V5,), b"\xc0\x80\x00", EITHER),
    ("3.2.2-15", "announced length of 256 MiB", (V5,), b"\x30\xff\xff\xff\x7f\x00\x01a", (0x95,)),
    # Reserved flags.
    *[("2.1.3-1", f"{kind.name} with flags {flags}", BOTH, lambda v, kind=kind, flags=flags: acknowledge(kind, 1, flags=flags), (0x81,))
      for kind, wrong in ((Type.PUBACK, (1, 2, 8)), (Type.PUBREC, (1, 2, 8)), (Type.PUBREL, (0, 1, 3, 10)), (Type.PUBCOMP, (1, 2, 8))) for flags in wrong],
    *[("3.8.1-1", f"SUBSCRIBE with flags {flags}", BOTH, lambda v, flags=flags: subscribe(1, ("a", 0), version=v, flags=flags), (0x81,)) for flags in (0, 1, 3, 10)],
    *[("3.10.1-1", f"UNSUBSCRIBE with flags {flags}", BOTH, lambda v, flags=flags: unsubscribe(1, "a", version=v, flags=flags), (0x81,)) for flags in (0, 1, 3, 10)],
    *[("2.1.3-1", f"PINGREQ with flags {flags}", BOTH, bytes([0xC0 | flags, 0]), (0x81,)) for flags in (1, 2, 8)],
    ("3.15.1-1", "AUTH with flags", (V5,), b"\xf1\x00", EITHER),
    ("3.12.1", "PINGREQ with a body", BOTH, b"\xc0\x01\x00", EITHER),
    ("3.14.1", "DISCONNECT with a body", (V3,), b"\xe0\x01\x00", ()),
    # PUBLISH.
    ("3.3.2-1", "PUBLISH without anything", BOTH, b"\x30\x00", EITHER),
    ("3.3.2-1", "PUBLISH with half a topic length", BOTH, b"\x30\x01\x00", EITHER),
    ("3.3.2-1", "PUBLISH whose topic is longer than itself", BOTH, b"\x30\x04\x00\x09ab", EITHER),
    ("2.2.1", "QoS 1 without a packet identifier", BOTH, packet(0x32, text("a")), EITHER),
    ("2.2.1", "QoS 1 with half a packet identifier", BOTH, packet(0x32, text("a") + b"\x01"), EITHER),
    ("2.2.2-1", "PUBLISH without a property length", (V5,), packet(0x30, text("a")), EITHER),
    ("2.2.2", "PUBLISH whose properties are longer than itself", (V5,), packet(0x30, text("a") + b"\x05\x01"), EITHER),
    ("2.2.2", "property length of five bytes", (V5,), packet(0x30, text("a") + b"\x80\x80\x80\x80\x01x"), EITHER),
    ("2.2.2", "property that is cut", (V5,), lambda v: publish("a", props=b"\x02\x00\x00"), EITHER),
    ("2.2.2", "text property longer than the properties", (V5,), lambda v: publish("a", props=b"\x03\x00\x09ab"), EITHER),
    ("2.2.2", "property identifier 0", (V5,), lambda v: publish("a", props=b"\x00\x00"), EITHER),
    ("2.2.2", "property identifier 4", (V5,), lambda v: publish("a", props=b"\x04\x00"), EITHER),
    ("2.2.2", "property identifier 127", (V5,), lambda v: publish("a", props=b"\x7f\x00"), EITHER),
    ("2.2.2", "property identifier of two bytes", (V5,), lambda v: publish("a", props=b"\x81\x01\x00"), EITHER),
    *[("3.3.2.3", f"PUBLISH with {name}", (V5,), lambda v, name=name, value=value: publish("a", props={name: value}), EITHER)
      for name, value in (("session_expiry", 1), ("will_delay", 1), ("receive_maximum", 5), ("maximum_qos", 1), ("reason_string", "x"), ("assigned_client_id", "x"), ("topic_alias_maximum", 1), ("server_keep_alive", 1), ("authentication_method", "x"), ("request_problem_information", 1))],
    *[("3.3.2.3", f"PUBLISH with {name} twice", (V5,), lambda v, name=name, value=value: publish("a", props=[(name, value), (name, value)]), EITHER)
      for name, value in (("payload_format", 1), ("message_expiry", 9), ("content_type", "a"), ("response_topic", "a"), ("correlation_data", b"a"), ("topic_alias", 1))],
    ("3.3.2.3.2", "payload format 2", (V5,), lambda v: publish("a", props={"payload_format": 2}), EITHER + (0x99,)),
    ("3.3.2-19", "content type that is not UTF-8", (V5,), lambda v: publish("a", props={"content_type": b"\xff"}), EITHER),
    ("1.5.4-2", "content type with U+0000", (V5,), lambda v: publish("a", props={"content_type": b"a\x00"}), EITHER),
    ("3.3.2-13", "response topic that is not UTF-8", (V5,), lambda v: publish("a", props={"response_topic": b"\xc3"}), EITHER + (0x90,)),
    ("1.5.7-1", "user property name that is not UTF-8", (V5,), lambda v: publish("a", props={"user_property": (b"\xff", b"a")}), EITHER),
    ("1.5.7-1", "user property value that is not UTF-8", (V5,), lambda v: publish("a", props={"user_property": (b"a", b"\xed\xbf\xbf")}), EITHER),
    ("1.5.7", "user property without a value", (V5,), lambda v: publish("a", props=b"\x26\x00\x01a"), EITHER),
    # Acknowledgements.
    *[("2.2.1", f"{kind.name} without a packet identifier", BOTH, bytes([kind << 4 | (2 if kind == Type.PUBREL else 0), 0]), EITHER) for kind in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP)],
    *[("2.2.1", f"{kind.name} with half a packet identifier", BOTH, bytes([kind << 4 | (2 if kind == Type.PUBREL else 0), 1, 1]), EITHER) for kind in (Type.PUBACK, Type.PUBREL)],
    *[("2.2.1", f"{kind.name} with packet identifier 0", (V5,), lambda v, kind=kind: acknowledge(kind, 0), EITHER) for kind in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP)],
    ("3.4.2", "PUBACK with a reason", (V3,), b"\x40\x03\x00\x01\x00", ()),
    ("3.4.2-1", "PUBACK with a reason that it has not", (V5,), lambda v: acknowledge(Type.PUBACK, 1, 0x18), EITHER),
    ("3.6.2-1", "PUBREL with a reason that it has not", (V5,), lambda v: acknowledge(Type.PUBREL, 1, 0x80), EITHER),
    ("3.4.2", "PUBACK with more than its properties", (V5,), b"\x40\x05\x00\x01\x00\x00\x00", EITHER),
    ("3.4.2.2", "PUBACK with a topic alias", (V5,), lambda v: acknowledge(Type.PUBACK, 1, 0, {"topic_alias": 1}), EITHER),
    ("3.4.2.2", "PUBACK with two reason strings", (V5,), lambda v: acknowledge(Type.PUBACK, 1, 0, property_("reason_string", "a") * 2), EITHER),
    # SUBSCRIBE and UNSUBSCRIBE.
    ("3.8.3-2", "SUBSCRIBE without filters", BOTH, lambda v: subscribe(1, version=v), EITHER),
    ("3.10.3-2", "UNSUBSCRIBE without filters", BOTH, lambda v: unsubscribe(1, version=v), EITHER),
    ("2.2.1-3", "SUBSCRIBE with packet identifier 0", BOTH, lambda v: subscribe(0, ("a", 0), version=v), EITHER),
    ("2.2.1-3", "UNSUBSCRIBE with packet identifier 0", BOTH, lambda v: unsubscribe(0, "a", version=v), EITHER),
    ("3.8.3", "SUBSCRIBE without options", BOTH, lambda v: _cut(subscribe(1, ("a/b", 0), version=v)), EITHER),
    ("3.8.3", "SUBSCRIBE whose second filter is cut", BOTH, lambda v: _cut(subscribe(1, ("a", 0), ("bcd", 0), version=v), 3), EITHER),
    ("3.8.3", "SUBSCRIBE without anything", BOTH, b"\x82\x00", EITHER),
    ("3.8.3", "SUBSCRIBE with half a packet identifier", BOTH, b"\x82\x01\x00", EITHER),
    ("3.10.3", "UNSUBSCRIBE whose filter is cut", BOTH, lambda v: _cut(unsubscribe(1, "abc", version=v)), EITHER),
    ("3.10.3", "UNSUBSCRIBE without anything", BOTH, b"\xa2\x00", EITHER),
    ("3.8.2.1", "SUBSCRIBE with a property that it has not", (V5,), lambda v: subscribe(1, ("a", 0), props={"message_expiry": 1}), EITHER),
    ("3.10.2.1", "UNSUBSCRIBE with a subscription identifier", (V5,), lambda v: unsubscribe(1, "a", props={"subscription_identifier": 1}), EITHER),
    ("3.8.2.1.2", "subscription identifier of five bytes", (V5,), lambda v: subscribe(1, ("a", 0), props=b"\x0b\x80\x80\x80\x80\x01"), EITHER),
    # DISCONNECT and AUTH.
    ("3.14.2-1", "DISCONNECT with a reason that it has not", (V5,), b"\xe0\x01\x01", EITHER),
    ("3.14.2-1", "DISCONNECT with a server's reason", (V5,), b"\xe0\x01\x8e", EITHER),
    ("3.14.2.2", "DISCONNECT with a property that it has not", (V5,), b"\xe0\x05\x00\x03\x21\x00\x01", EITHER),
    ("3.14.2.2", "DISCONNECT with session expiry twice", (V5,), packet(0xE0, b"\x00" + properties(property_("session_expiry", 0) * 2)), EITHER),
    ("3.14.2", "DISCONNECT with more than its properties", (V5,), b"\xe0\x03\x00\x00\x00", EITHER),
    ("3.15.2", "AUTH without a method", (V5,), b"\xf0\x00", EITHER),
]


def _connect(block: bytes) -> bytes:
    return connect(unique(), V5, properties=block)


def _twice(name: str, value) -> bytes:
    return _connect(property_(name, value) * 2)


# Instead of a CONNECT.
CONNECTS = [
    ("3.1.0", "CONNECT with flags", BOTH, lambda v: b"\x11" + connect("a", v)[1:], EITHER),
    ("3.1.2", "CONNECT without anything", BOTH, b"\x10\x00", EITHER),
    ("3.1.2", "CONNECT that ends in the protocol name", BOTH, b"\x10\x04\x00\x04MQ", EITHER),
    ("3.1.2", "CONNECT without a level", BOTH, packet(0x10, text(b"MQTT")), EITHER),
    ("3.1.2", "CONNECT without keep alive", BOTH, lambda v: packet(0x10, text(b"MQTT") + bytes([v, 2])), EITHER),
    ("3.1.3-3", "CONNECT without a client identifier", BOTH, lambda v: packet(0x10, text(b"MQTT") + bytes([v, 2, 0, 60]) + (b"\0" if v == V5 else b"")), EITHER),
    ("3.1.3", "CONNECT with more than its payload", BOTH, lambda v: packet(0x10, connect("abc", v)[2:] + b"\x00\x01x"), EITHER),
    ("3.1.3", "will flag without a will", BOTH, lambda v: connect("abc", v, flags=0x06), EITHER),
    ("3.1.3", "password flag without a password", BOTH, lambda v: connect("abc", v, username="u", flags=0xC2), EITHER),
    ("3.1.3-10", "user name that is not UTF-8", BOTH, lambda v: connect("abc", v, username=b"\xff\xff"), EITHER + (0x86,)),
    ("1.5.4-2", "user name with U+0000", BOTH, lambda v: connect("abc", v, username=b"a\x00"), EITHER + (0x86,)),
    ("2.2.2", "CONNECT with an unknown property", (V5,), lambda v: _connect(b"\x7e\x00"), EITHER),
    ("2.2.2", "CONNECT whose properties are cut", (V5,), lambda v: packet(0x10, text(b"MQTT") + b"\x05\x02\x00\x3c" + variable(9) + b"\x11\x00"), EITHER),
    *[("3.1.2.11", f"CONNECT with {name}", (V5,), lambda v, name=name, value=value: _connect(property_(name, value)), EITHER)
      for name, value in (("topic_alias", 1), ("message_expiry", 1), ("will_delay", 1), ("server_keep_alive", 1), ("maximum_qos", 1), ("reason_string", "a"), ("assigned_client_id", "a"), ("subscription_identifier", 1))],
    *[("3.1.2.11", f"CONNECT with {name} twice", (V5,), lambda v, name=name, value=value: _twice(name, value), EITHER)
      for name, value in (("session_expiry", 1), ("receive_maximum", 9), ("maximum_packet_size", 9999), ("topic_alias_maximum", 3), ("request_response_information", 0), ("request_problem_information", 1))],
    ("3.1.2.11.3", "Receive Maximum 0", (V5,), lambda v: _connect(property_("receive_maximum", 0)), (0x82,)),
    ("3.1.2.11.4", "Maximum Packet Size 0", (V5,), lambda v: _connect(property_("maximum_packet_size", 0)), (0x82,)),
    ("3.1.2.11.6", "Request Response Information 2", (V5,), lambda v: _connect(property_("request_response_information", 2)), (0x82,)),
    ("3.1.2.11.7", "Request Problem Information 2", (V5,), lambda v: _connect(property_("request_problem_information", 2)), (0x82,)),
    ("3.1.2.11.10", "authentication data without a method", (V5,), lambda v: _connect(property_("authentication_data", b"x")), (0x82,)),
    ("3.1.3.2", "will with a property that it has not", (V5,), lambda v: connect(unique(), v, will=Will("t", b"x", properties={"topic_alias": 1})), EITHER),
    ("3.1.3.2", "will with will delay twice", (V5,), lambda v: connect(unique(), v, will=Will("t", b"x", properties=[("will_delay", 1), ("will_delay", 1)])), EITHER),
    ("3.1.3.2.3", "will with payload format 2", (V5,), lambda v: connect(unique(), v, will=Will("t", b"x", properties={"payload_format": 2})), EITHER),
    ("2.1.4", "CONNECT with a length of five bytes", BOTH, lambda v: b"\x10\x80\x80\x80\x80\x01", EITHER),
]

for _norm, _name, _versions, _made, _reasons in PACKETS:
    add(_norm, _name, _refused(_made, _reasons), _versions)
for _norm, _name, _versions, _made, _reasons in CONNECTS:
    add(_norm, _name, _turned_away(_made, _reasons), _versions)




def _nothing_of_it_is_done(scene: Scene, version: int) -> None:
    place = topic()
    watcher, client = scene.watcher(version, place), scene.client(version)
    client.send(publish(place, b"before", version=version), b"\x00\x00", publish(place, b"after", version=version))
    refused(client, *EITHER)
    assert watcher.message().payload == b"before"
    watcher.nothing()


def _password_of_any_bytes(scene: Scene, version: int) -> None:
    scene.client(version, username="u", password=data(b"\xff\x00\xfe")).ping()


add("4.13.1-1", "nothing after a malformed packet is done", _nothing_of_it_is_done)
add("3.1.3.6", "a password may be any bytes", _password_of_any_bytes)
