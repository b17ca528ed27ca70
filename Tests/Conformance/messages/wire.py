"""Encoded messages drawn from descriptors: fields in any order, several times, in pieces, packed or not,
among unknown ones; now and then what no encoder would write."""

import random
import struct

from google.protobuf.descriptor import FieldDescriptor as F

INTEGERS = (0, 1, -1, 2, 127, 128, 255, 256, 16383, 16384, 2**31 - 1, -(2**31), 2**32 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1)
DOUBLES = (0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 1e16, 123456789.125, 1e22, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"))
FLOATS = (0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 16777216.0, 1e10, 3.4028234663852886e38, 1.1754943508222875e-38, float("inf"), float("nan"))
TEXTS = ("", "a", "Kelvin \u212a", "\u00fc\u00f1\u00ef", "\U0001f600 smile", "quote \" slash / back \\", "\b\f\n\r\t\x00\x1f\x7f", "\u2028\u2029", "x" * 130)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def delimited(data: bytes) -> bytes:
    return varint(len(data)) + data


WIRE = {
    F.TYPE_DOUBLE: 1, F.TYPE_FIXED64: 1, F.TYPE_SFIXED64: 1, F.TYPE_FLOAT: 5, F.TYPE_FIXED32: 5, F.TYPE_SFIXED32: 5,
    F.TYPE_STRING: 2, F.TYPE_BYTES: 2, F.TYPE_MESSAGE: 2, F.TYPE_GROUP: 3,
}  # fmt: skip


class Drawer:
    """Draws messages; `types` are what an Any may hold."""

    def __init__(self, rng: random.Random, types: list):
        self.rng, self.types = rng, types

    def integer(self) -> int:
        rng = self.rng
        return rng.choice(INTEGERS) if rng.random() < 0.5 else rng.getrandbits(rng.choice((3, 8, 31, 32, 63, 64)))

    def text(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.5:
            return rng.choice(TEXTS).encode()
        return "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(1, 0xD800), rng.randrange(0x10000, 0x110000)))) for _ in range(rng.randrange(12))).encode()

    def scalar(self, field: F) -> bytes:
        rng, kind = self.rng, field.type
        if kind == F.TYPE_DOUBLE:
            return struct.pack("<d", rng.choice(DOUBLES)) if rng.random() < 0.6 else rng.randbytes(8)
        if kind == F.TYPE_FLOAT:
            return struct.pack("<f", rng.choice(FLOATS)) if rng.random() < 0.6 else rng.randbytes(4)
        if kind in (F.TYPE_FIXED64, F.TYPE_SFIXED64):
            return struct.pack("<Q", self.integer() & 2**64 - 1)
        if kind in (F.TYPE_FIXED32, F.TYPE_SFIXED32):
            return struct.pack("<I", self.integer() & 2**32 - 1)
        if kind == F.TYPE_BOOL:
            return varint(rng.choice((0, 1, 1, 2, 2**40)))
        if kind == F.TYPE_ENUM:
            return varint(rng.choice(field.enum_type.values).number if rng.random() < 0.9 else self.integer())
        if kind == F.TYPE_STRING:
            bad = field.file.name != "legacy.proto" and rng.random() < 0.002
            return delimited(b"\xff" if bad else self.text())
        if kind == F.TYPE_BYTES:
            return delimited(rng.randbytes(rng.randrange(8)))
        return varint(self.integer())

    def well_known(self, name: str, depth: int) -> bytes | None:
        """The content of messages for which a blind draw would nearly never be valid."""
        rng = self.rng
        number = lambda n, value: tag(n, 0) + varint(value) if value or rng.random() < 0.1 else b""  # noqa: E731
        if name == "google.protobuf.Timestamp":
            seconds = rng.choice((0, -62135596800, 253402300799, 951782400, rng.randrange(-62135596800, 253402300800)))
            nanos = rng.choice((0, 0, 1, 999999999, 500000000, 123456000, rng.randrange(10**9)))
            if rng.random() < 0.01:
                seconds, nanos = rng.choice(((253402300800, 0), (0, -1), (0, 10**9), (-62135596801, 0)))
            return number(1, seconds) + number(2, nanos)
        if name == "google.protobuf.Duration":
            sign = rng.choice((1, -1))
            seconds = rng.choice((0, 1, 315576000000, rng.randrange(315576000001)))
            nanos = rng.choice((0, 0, 1, 999999999, 500000000, 123456000, rng.randrange(10**9)))
            if rng.random() < 0.01:
                return number(1, 1) + number(2, -1)
            return number(1, sign * seconds) + number(2, sign * nanos)
        if name == "google.protobuf.FieldMask":
            paths = (b"a", b"user.display_name", b"foo_bar.baz_qux", b"a1.b2") if rng.random() < 0.98 else (b"fooBar", b"a_", b"a__b", b"a_1")
            return b"".join(tag(1, 2) + delimited(rng.choice(paths)) for _ in range(rng.randrange(4)))
        if name == "google.protobuf.Any":
            if rng.random() < 0.1:
                return b""
            if rng.random() < 0.02:
                return tag(1, 2) + delimited(b"type.googleapis.com/conformance.Nothing") + tag(2, 2) + delimited(b"\x08\x01")
            inner = rng.choice(self.types)
            url = rng.choice(("type.googleapis.com/", "example.com/types/", "")) + inner.full_name
            return tag(1, 2) + delimited(url.encode()) + tag(2, 2) + delimited(self.message(inner, depth - 1))
        if name == "google.protobuf.Value" and rng.random() < 0.9:
            kind = rng.randrange(4 if depth < 1 else 6)
            if kind == 1:
                return tag(2, 1) + struct.pack("<d", rng.choice(DOUBLES[:11]) if rng.random() < 0.98 else float("nan"))
            content = (b"\x08\x00", b"", tag(3, 2) + delimited(self.text()), tag(4, 0) + varint(rng.randrange(2)))
            if kind < 4:
                return content[kind]
            inner = "google.protobuf.Struct" if kind == 4 else "google.protobuf.ListValue"
            return tag(kind + 1, 2) + delimited(self.well_known(inner, depth - 1) or b"")
        if name == "google.protobuf.Struct":
            entry = lambda: tag(1, 2) + delimited(self.text()) + tag(2, 2) + delimited(self.well_known("google.protobuf.Value", depth - 1) or b"")  # noqa: E731
            return b"".join(tag(1, 2) + delimited(entry()) for _ in range(rng.randrange(4)))
        if name == "google.protobuf.ListValue":
            return b"".join(tag(1, 2) + delimited(self.well_known("google.protobuf.Value", depth - 1) or b"") for _ in range(rng.randrange(4)))
        return None

    def value(self, field: F, depth: int) -> bytes:
        if field.message_type is None:
            return self.scalar(field)
        inner = self.message(field.message_type, depth - 1)
        return inner + tag(field.number, 4) if field.type == F.TYPE_GROUP else delimited(inner)

    def unknown(self) -> bytes:
        rng = self.rng
        number = rng.choice((500, 19500, 400000))
        kind = rng.randrange(5)
        if kind == 3:
            return tag(number, 3) + tag(1, 0) + b"\x05" + tag(2, 3) + tag(2, 4) + tag(number, 4)
        return tag(number, (0, 1, 2, 2, 5)[kind]) + (varint(self.integer()), rng.randbytes(8), delimited(rng.randbytes(4)), b"", rng.randbytes(4))[kind]

    def occurrence(self, field: F, depth: int) -> list[bytes]:
        """One or more whole records of a field."""
        rng = self.rng
        wire = WIRE.get(field.type, 0)
        if rng.random() < 0.003 and not field.containing_type.GetOptions().map_entry:  # not the field's wire type
            other = rng.choice([w for w in (0, 1, 5) if w != wire])
            return [tag(field.number, other) + (varint(7), rng.randbytes(8), b"", b"", b"", rng.randbytes(4))[other]]
        if field.is_repeated and not (field.message_type and field.message_type.GetOptions().map_entry):
            count = rng.randrange(4)
            if wire in (0, 1, 5) and rng.random() < 0.6:
                packed = b"".join(self.value(field, depth) for _ in range(count))
                return [tag(field.number, 2) + delimited(packed[:-1] if wire and packed and rng.random() < 0.002 else packed)]
            return [tag(field.number, wire) + self.value(field, depth) for _ in range(count)]
        times = 1 if rng.random() < 0.9 else 2
        if field.is_repeated:
            times = rng.randrange(5)
        return [tag(field.number, wire) + self.value(field, depth) for _ in range(times)]

    def message(self, descriptor, depth: int) -> bytes:
        rng = self.rng
        known = self.well_known(descriptor.full_name, depth)
        if known is not None:
            return known
        fields = list(descriptor.fields)
        if descriptor.GetOptions().map_entry:
            chosen = [f for f in fields if rng.random() < 0.95]
        else:
            extensions = descriptor.file.pool.FindAllExtensions(descriptor)
            count = min(len(fields), int(rng.expovariate(0.3)) + 1)
            chosen = rng.sample(fields + list(extensions), count)
        if depth <= 0:
            chosen = [f for f in chosen if f.message_type is None]
        chosen += [f for f in fields if f.is_required and f not in chosen]
        records = [record for field in chosen for record in self.occurrence(field, depth)]
        # The reference loses a map's entry in which it finds an unknown field; others keep it.
        if rng.random() < 0.05 and not descriptor.GetOptions().map_entry:
            records.append(self.unknown())
        if rng.random() < 0.4:
            rng.shuffle(records)
        data = b"".join(records)
        if rng.random() < 0.001 and data:
            data = data[: rng.randrange(len(data))]
        return data
