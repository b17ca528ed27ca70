"""MQTT 3.1.1 and 5.0 packets as bytes: written by hand, so that any of them can also be written wrong; read strictly."""

import dataclasses
import enum
import struct

V3, V5 = 4, 5  # the protocol levels in CONNECT


class Type(enum.IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Violation(AssertionError):
    """The server has sent what the standard forbids."""


# Properties (MQTT 5.0 section 2.2.2.2): identifier, form, packets of a server that may have it.
_SERVER = {Type.CONNACK, Type.PUBLISH, Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP, Type.SUBACK, Type.UNSUBACK, Type.DISCONNECT, Type.AUTH}
PROPERTIES = {
    "payload_format": (0x01, "byte", {Type.PUBLISH}),
    "message_expiry": (0x02, "four", {Type.PUBLISH}),
    "content_type": (0x03, "text", {Type.PUBLISH}),
    "response_topic": (0x08, "text", {Type.PUBLISH}),
    "correlation_data": (0x09, "data", {Type.PUBLISH}),
    "subscription_identifier": (0x0B, "variable", {Type.PUBLISH}),
    "session_expiry": (0x11, "four", {Type.CONNACK}),
    "assigned_client_id": (0x12, "text", {Type.CONNACK}),
    "server_keep_alive": (0x13, "two", {Type.CONNACK}),
    "authentication_method": (0x15, "text", {Type.CONNACK, Type.AUTH}),
    "authentication_data": (0x16, "data", {Type.CONNACK, Type.AUTH}),
    "request_problem_information": (0x17, "byte", set()),
    "will_delay": (0x18, "four", set()),
    "request_response_information": (0x19, "byte", set()),
    "response_information": (0x1A, "text", {Type.CONNACK}),
    "server_reference": (0x1C, "text", {Type.CONNACK, Type.DISCONNECT}),
    "reason_string": (0x1F, "text", _SERVER - {Type.PUBLISH}),
    "receive_maximum": (0x21, "two", {Type.CONNACK}),
    "topic_alias_maximum": (0x22, "two", {Type.CONNACK}),
    "topic_alias": (0x23, "two", {Type.PUBLISH}),
    "maximum_qos": (0x24, "byte", {Type.CONNACK}),
    "retain_available": (0x25, "byte", {Type.CONNACK}),
    "user_property": (0x26, "pair", _SERVER),
    "maximum_packet_size": (0x27, "four", {Type.CONNACK}),
    "wildcard_available": (0x28, "byte", {Type.CONNACK}),
    "subscription_identifier_available": (0x29, "byte", {Type.CONNACK}),
    "shared_available": (0x2A, "byte", {Type.CONNACK}),
}
_BY_ID = {number: (name, form, where) for name, (number, form, where) in PROPERTIES.items()}
_REPEATED = {"user_property", "subscription_identifier"}

# Reason codes that a server may send in each packet (MQTT 5.0 sections 3.2.2.2 to 3.14.2.1).
_PUBLISHED = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
REASONS = {
    Type.CONNACK: {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    Type.PUBACK: _PUBLISHED,
    Type.PUBREC: _PUBLISHED,
    Type.PUBREL: {0x00, 0x92},
    Type.PUBCOMP: {0x00, 0x92},
    Type.SUBACK: {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    Type.UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    Type.DISCONNECT: {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2},
}


def variable(number: int) -> bytes:
    """A variable byte integer, in as few bytes as it needs."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def data(value: bytes) -> bytes:
    """Binary data: two bytes of length before it."""
    return struct.pack("!H", len(value)) + value


def text(value: str | bytes) -> bytes:
    """A string; bytes go as they are, so that they need not be UTF-8."""
    return data(value.encode() if isinstance(value, str) else value)


def property_(name: str, value) -> bytes:
    """One property with its identifier."""
    number, form, _ = PROPERTIES[name]
    match form:
        case "byte":
            body = bytes([value])
        case "two":
            body = struct.pack("!H", value)
        case "four":
            body = struct.pack("!I", value)
        case "variable":
            body = variable(value)
        case "pair":
            body = text(value[0]) + text(value[1])
        case "data":
            body = data(value)
        case _:
            body = text(value)
    return variable(number) + body


def properties(values: dict | list | bytes | None) -> bytes:
    """A block of properties with its length. A list of pairs may repeat what must not be repeated; bytes go as they are."""
    if isinstance(values, bytes):
        return variable(len(values)) + values
    pairs = []
    for name, value in values.items() if isinstance(values, dict) else values or []:
        several = isinstance(values, dict) and name in _REPEATED and isinstance(value, list)
        pairs += [(name, each) for each in value] if several else [(name, value)]
    block = b"".join(property_(name, value) for name, value in pairs)
    return variable(len(block)) + block


def packet(first: int, body: bytes) -> bytes:
    """A packet of any first byte."""
    return bytes([first]) + variable(len(body)) + body


@dataclasses.dataclass
class Will:
    topic: str | bytes
    payload: bytes = b"gone"
    qos: int = 0
    retain: bool = False
    properties: dict | list | bytes | None = None


def connect(
    client: str | bytes = "", version: int = V5, *, clean: bool = True, keep_alive: int = 60, username: str | bytes | None = None,
    password: bytes | None = None, will: Will | None = None, flags: int | None = None, name: bytes = b"MQTT", level: int | None = None,
    **props,
) -> bytes:
    """CONNECT. `flags` instead of those that the rest makes."""
    made = (0x02 if clean else 0) | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    if will:
        made |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
    body = text(name) + bytes([version if level is None else level, made if flags is None else flags]) + struct.pack("!H", keep_alive)
    if version == V5:
        body += properties(props.get("properties", props))
    body += text(client)
    if will:
        body += (properties(will.properties) if version == V5 else b"") + text(will.topic) + data(will.payload)
    if username is not None:
        body += text(username)
    if password is not None:
        body += data(password)
    return packet(0x10, body)


def publish(
    topic: str | bytes, payload: bytes = b"", qos: int = 0, packet_id: int = 0, *, version: int = V5, dup: bool = False,
    retain: bool = False, props: dict | list | bytes | None = None,
) -> bytes:
    first = 0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0)
    body = text(topic) + (struct.pack("!H", packet_id) if qos else b"")
    return packet(first, body + (properties(props) if version == V5 else b"") + payload)


def acknowledge(kind: Type, packet_id: int, reason: int | None = None, props: dict | bytes | None = None, flags: int | None = None) -> bytes:
    """PUBACK, PUBREC, PUBREL, PUBCOMP; without a reason in the short form that both versions have."""
    body = struct.pack("!H", packet_id)
    if reason is not None or props is not None:
        body += bytes([reason or 0]) + (properties(props) if props is not None else b"")
    return packet(kind << 4 | ((2 if kind == Type.PUBREL else 0) if flags is None else flags), body)


def subscribe(packet_id: int, *filters: tuple, version: int = V5, props: dict | list | bytes | None = None, flags: int = 2) -> bytes:
    """SUBSCRIBE; each of `filters` is (filter, options byte)."""
    lines = b"".join(text(name) + bytes([options]) for name, options in filters)
    return packet(0x80 | flags, struct.pack("!H", packet_id) + (properties(props) if version == V5 else b"") + lines)


def unsubscribe(packet_id: int, *filters: str | bytes, version: int = V5, props: dict | list | bytes | None = None, flags: int = 2) -> bytes:
    lines = b"".join(text(name) for name in filters)
    return packet(0xA0 | flags, struct.pack("!H", packet_id) + (properties(props) if version == V5 else b"") + lines)


def options(qos: int = 0, no_local: bool = False, as_published: bool = False, handling: int = 0) -> int:
    """The options byte of a subscription (MQTT 5.0 section 3.8.3.1)."""
    return qos | (4 if no_local else 0) | (8 if as_published else 0) | handling << 4


PINGREQ = b"\xc0\x00"


def disconnect(version: int = V5, reason: int | None = None, props: dict | list | bytes | None = None) -> bytes:
    if version != V5 or (reason is None and props is None):
        return b"\xe0\x00"
    return packet(0xE0, bytes([reason or 0]) + (properties(props) if props is not None else b""))


def auth(reason: int = 0x18, props: dict | list | bytes | None = None) -> bytes:
    return packet(0xF0, bytes([reason]) + properties(props))


@dataclasses.dataclass
class Packet:
    """A packet of a server, taken apart. `reason` is the return code in MQTT 3.1.1's CONNACK."""

    type: Type
    flags: int
    packet_id: int = 0
    reason: int = 0
    reasons: list[int] = dataclasses.field(default_factory=list)
    session_present: bool = False
    topic: str = ""
    payload: bytes = b""
    properties: dict = dataclasses.field(default_factory=dict)
    size: int = 0

    qos = property(lambda self: self.flags >> 1 & 3)
    dup = property(lambda self: bool(self.flags & 8))
    retain = property(lambda self: bool(self.flags & 1))

    def __str__(self) -> str:
        parts = [self.type.name]
        if self.type == Type.PUBLISH:
            parts.append(f"{self.topic!r} {self.payload[:40]!r} qos {self.qos}{' dup' if self.dup else ''}{' retain' if self.retain else ''}")
        parts += [f"id {self.packet_id}"] if self.packet_id else []
        parts += [f"{self.reason:#04x}"] if self.reason else []
        parts += [str([hex(each) for each in self.reasons])] if self.reasons else []
        return " ".join(parts + ([str(self.properties)] if self.properties else []))


class _Reader:
    """Goes through the bytes of one packet; every step out of them is the server's fault."""

    def __init__(self, kind: Type, rest: bytes):
        self.kind, self.rest = kind, rest

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise Violation(f"{self.kind.name} ends too early")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def variable(self) -> int:
        value = 0
        for place in range(4):
            byte = self.number(1)
            value |= (byte & 0x7F) << 7 * place
            if not byte & 0x80:
                if place and not byte:
                    raise Violation("a variable byte integer is longer than it needs to be [MQTT-1.5.5-1]")
                return value
        raise Violation("a variable byte integer of five bytes")

    def text(self) -> str:
        value = self.take(self.number(2)).decode("utf-8")
        if "\0" in value:
            raise Violation("U+0000 in a string [MQTT-1.5.4-2]")
        return value

    def properties(self) -> dict:
        inner = _Reader(self.kind, self.take(self.variable()))
        found: dict = {}
        while inner.rest:
            number = inner.variable()
            name, form, where = _BY_ID.get(number, ("", "", ()))
            if self.kind not in where:
                raise Violation(f"property {name or hex(number)} in {self.kind.name}")
            match form:
                case "byte" | "two" | "four":
                    value = inner.number({"byte": 1, "two": 2, "four": 4}[form])
                case "variable":
                    value = inner.variable()
                case "pair":
                    value = (inner.text(), inner.text())
                case "data":
                    value = inner.take(inner.number(2))
                case _:
                    value = inner.text()
            if name in _REPEATED:
                found.setdefault(name, []).append(value)
            elif name in found:
                raise Violation(f"property {name} twice")
            else:
                found[name] = value
        return found


def read(first: int, body: bytes, version: int) -> Packet:
    """A server's packet, or a `Violation`: what only clients send, reserved bits, reasons and properties out of place."""
    kind = Type(first >> 4) if first >> 4 else None
    if kind is None or kind in (Type.CONNECT, Type.SUBSCRIBE, Type.UNSUBSCRIBE, Type.PINGREQ) or (version != V5 and kind in (Type.DISCONNECT, Type.AUTH)):
        raise Violation(f"a server sent {kind.name if kind else 'packet type 0'}")
    made = Packet(kind, first & 15, size=1 + len(variable(len(body))) + len(body))
    reader = _Reader(kind, body)
    if kind != Type.PUBLISH and made.flags != (2 if kind == Type.PUBREL else 0):
        raise Violation(f"{kind.name} with flags {made.flags:#x} [MQTT-2.1.3-1]")
    match kind:
        case Type.CONNACK:
            flags = reader.number(1)
            made.session_present, made.reason = bool(flags & 1), reader.number(1)
            if flags & 0xFE:
                raise Violation("reserved CONNACK flags [MQTT-3.2.2-1]")
            if made.session_present and made.reason:
                raise Violation("session present in a refusal [MQTT-3.2.2-6]")
            if version != V5 and made.reason > 5:
                raise Violation(f"return code {made.reason}")
        case Type.PUBLISH:
            if made.qos == 3 or (made.dup and not made.qos):
                raise Violation(f"PUBLISH with flags {made.flags:#x} [MQTT-3.3.1-2, -4]")
            made.topic = reader.text()
            if made.qos:
                made.packet_id = reader.number(2)
                if not made.packet_id:
                    raise Violation("PUBLISH with packet identifier 0 [MQTT-2.2.1-4]")
        case Type.PUBACK | Type.PUBREC | Type.PUBREL | Type.PUBCOMP:
            made.packet_id = reader.number(2)
            if reader.rest and version == V5:
                made.reason = reader.number(1)
        case Type.SUBACK | Type.UNSUBACK:
            made.packet_id = reader.number(2)
        case Type.DISCONNECT | Type.AUTH:
            if reader.rest:
                made.reason = reader.number(1)
    if version == V5 and kind != Type.PINGRESP and (reader.rest or kind in (Type.CONNACK, Type.PUBLISH, Type.SUBACK, Type.UNSUBACK)):
        made.properties = reader.properties()
    if kind == Type.PUBLISH:
        made.payload, reader.rest = reader.rest, b""
    elif kind == Type.SUBACK or (kind == Type.UNSUBACK and version == V5):
        made.reasons, reader.rest = list(reader.rest), b""
    if reader.rest:
        raise Violation(f"{len(reader.rest)} bytes too many in {kind.name}")
    allowed = ({0, 1, 2, 0x80} if kind == Type.SUBACK else None) if version != V5 else REASONS.get(kind)
    for reason in made.reasons or [made.reason]:
        if allowed is not None and reason not in allowed:
            raise Violation(f"reason {reason:#04x} in {kind.name}")
    return made
