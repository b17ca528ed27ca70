"""JSON drawn from descriptors, in all the spellings a reader must accept; and the same with one mistake."""

import base64
import json
import random

from google.protobuf.descriptor import FieldDescriptor as F

from . import wire

SIGNED32 = (F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32)
SIGNED64 = (F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64)
UNSIGNED32 = (F.TYPE_UINT32, F.TYPE_FIXED32)
UNSIGNED64 = (F.TYPE_UINT64, F.TYPE_FIXED64)
GOOGLE = "google.protobuf."

# What no reader accepts, by the kind of the field.
WRONG_INTEGER = ("1.5", '"1.5"', "true", '"abc"', "{}", '""', '"0x10"', '"1 "', "[1]", "1e400", '"1,0"', "0.1e0", '"NaN"')
WRONG = {
    "signed32": WRONG_INTEGER + ("2147483648", "-2147483649", '"2147483648"', "3e9"),
    "signed64": WRONG_INTEGER + ("9223372036854775808", '"-9223372036854775809"'),
    "unsigned32": WRONG_INTEGER + ("-1", '"-1"', "4294967296"),
    "unsigned64": WRONG_INTEGER + ("-1", "18446744073709551616"),
    "float": ('"abc"', "{}", '""', "NaN", "Infinity", "-Infinity", '"nan"', "1e39", "-1e39", "[]", "1e400"),
    "double": ('"abc"', "{}", '""', "NaN", "-Infinity", '"nan"', "1e309", "[]", '"1.5x"'),
    "bool": ("1", "0", '"true"', '"x"', "{}", "[true]"),
    "string": ("1", "true", "{}", '["a"]', r'"\ud800"', r'"\udc00\ud800"', r'"\x"', '"\n"', '"a', "'a'"),
    "bytes": ("1", "true", "{}", '"a"', '"abcde"'),
    "enum": ('"NOPE"', "{}", '""', "2147483648", "[]", '"1.5"'),
    "message": ("1", '"abc"', "true", "[1]", '{"nope":1}', '{"nope":null}'),
    GOOGLE + "Timestamp": ("1", '"2020-13-01T00:00:00Z"', '"2020-01-01T00:00:00"', '"2021-02-29T00:00:00Z"', '"2020-01-01T24:00:00Z"', '"2020-01-01T00:00:00.1234567891Z"', '"2020-01-01t00:00:00Z"', '"2020-01-01T00:00:00ZZ"', '"9999-12-31T23:59:59-00:01"', '"0001-01-01T00:00:00+00:01"', '"2020-01-01T00:00:00+0100"', "{}", '""'),
    GOOGLE + "Duration": ("1", '"1"', '"1.5"', '"315576000001s"', '"s"', '"1.5xs"', '"-315576000001s"', "{}", '""', '"1e3s"'),
    GOOGLE + "FieldMask": ('"a_b"', "1", "[]", "{}", '"a,b_c"'),
    GOOGLE + "Struct": ("1", "[]", '"a"', "true"),
    GOOGLE + "ListValue": ("1", "{}", '"a"', "true"),
    GOOGLE + "Any": ('{"@type":"type.googleapis.com/conformance.Nothing"}', '{"x":1}', "1", '{"@type":"type.googleapis.com/google.protobuf.Duration"}', '{"@type":"type.googleapis.com/google.protobuf.Duration","value":1}', '{"@type":"x/conformance.Everything.Inner","nope":1}'),
    GOOGLE + "Empty": ('{"nope":1}', "1", '"a"'),
}  # fmt: skip


class Speller:
    """Writes JSON texts. With `mistake` set, exactly one value on the way is wrong."""

    def __init__(self, rng: random.Random, types: list):
        self.rng, self.types = rng, types
        self.draw = wire.Drawer(rng, types)
        self.mistake = False

    def text(self, descriptor, depth: int, mistake: bool = False) -> bytes:
        """A whole document; a mistake is made somewhere unless there was no place for one."""
        self.mistake = mistake
        return self.message(descriptor, depth).encode()

    def space(self) -> str:
        return self.rng.choice((" ", "\n", "\t ", "\r\n")) if self.rng.random() < 0.05 else ""

    def object(self, members: list[tuple[str, str]]) -> str:
        body = ",".join(f"{self.space()}{name}{self.space()}:{self.space()}{value}{self.space()}" for name, value in members)
        return "{" + body + self.space() + "}"

    def string(self, value: str) -> str:
        if self.rng.random() < 0.5:
            return json.dumps(value, ensure_ascii=self.rng.random() < 0.5)
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 128 and self.rng.random() < 0.3 else json.dumps(c, ensure_ascii=False)[1:-1].replace("/", "\\/") for c in value) + '"'

    def wrong(self, kind: str) -> str | None:
        """Now and then the mistake, if it is still to be made."""
        if self.mistake and self.rng.random() < 0.3:
            self.mistake = False
            return self.rng.choice(WRONG[kind])
        return None

    # Scalars

    def integer(self, bits: int, signed: bool, key: bool = False) -> str:
        rng = self.rng
        value = self.draw.integer() & (1 << bits) - 1
        if signed and value >> bits - 1:
            value -= 1 << bits
        text = str(value)
        if value and value % 100 == 0 and abs(value) < 2**53 and rng.random() < 0.5:
            text = f"{value // 100}e2"
        elif abs(value) < 2**53 and rng.random() < 0.1:
            text = rng.choice((f"{value}.0", f"{value}e0", f"{value}.00e+0", f"{value}0E-1" if value else "0.0E-1"))
        return f'"{text}"' if key or rng.random() < 0.4 else text

    def real(self, single: bool) -> str:
        rng = self.rng
        if rng.random() < 0.15:
            return rng.choice(('"NaN"', '"Infinity"', '"-Infinity"'))
        value = rng.choice((0.0, -0.0, 1.5, 0.1, 1e-7, 1e22, 123456.789, rng.uniform(-1e6, 1e6), rng.random() * 10 ** rng.randint(-300, 300)))
        if single:
            value = rng.choice((0.0, 1.5, 0.1, 3.4028234e38, 1e-40, rng.uniform(-1e6, 1e6), rng.random() * 10 ** rng.randint(-37, 37)))
        text = rng.choice((repr(value), f"{value:.17e}", f"{value:.3g}", f"{value:.25g}"))
        if text == "-0":  # an integer to the reference, which loses the sign
            text = "-0.0"
        return f'"{text}"' if rng.random() < 0.2 else text

    def encoded(self) -> str:
        data = self.rng.randbytes(self.rng.randrange(9))
        text = self.rng.choice((base64.b64encode, base64.urlsafe_b64encode))(data).decode()
        return self.string(text.rstrip("=") if self.rng.random() < 0.4 else text)

    def scalar(self, field: F, key: bool = False) -> str:
        rng, kind = self.rng, field.type
        if kind in SIGNED32 + SIGNED64:
            bits = 32 if kind in SIGNED32 else 64
            return self.wrong(f"signed{bits}") or self.integer(bits, True, key)
        if kind in UNSIGNED32 + UNSIGNED64:
            bits = 32 if kind in UNSIGNED32 else 64
            return self.wrong(f"unsigned{bits}") or self.integer(bits, False, key)
        if kind in (F.TYPE_FLOAT, F.TYPE_DOUBLE):
            return self.wrong("float" if kind == F.TYPE_FLOAT else "double") or self.real(kind == F.TYPE_FLOAT)
        if kind == F.TYPE_BOOL:
            return self.wrong("bool") or rng.choice(("true", "false"))
        if kind == F.TYPE_BYTES:
            return self.wrong("bytes") or self.encoded()
        if kind == F.TYPE_STRING:
            return self.wrong("string") or self.string(self.draw.text().decode())
        value = rng.choice(field.enum_type.values)
        if field.enum_type.full_name == GOOGLE + "NullValue":
            return rng.choice(('"NULL_VALUE"', "0")) if field.is_repeated else rng.choice(("null", '"NULL_VALUE"', "0"))
        unknown = () if field.enum_type.is_closed else ("77", "-2147483648", '"123"')
        return self.wrong("enum") or rng.choice((f'"{value.name}"', f'"{value.name}"', str(value.number), f"{value.number}.0", *unknown))

    def key(self, field: F) -> str:
        if field.type == F.TYPE_STRING:
            return self.string(self.draw.text().decode())
        if field.type == F.TYPE_BOOL:
            return self.rng.choice(('"true"', '"false"'))
        bits = 32 if field.type in SIGNED32 + UNSIGNED32 else 64
        return self.integer(bits, field.type in SIGNED32 + SIGNED64, key=True)

    # Well-known types

    def timestamp(self) -> str:
        rng = self.rng
        fraction = rng.choice(("", ".0", ".5", ".123", ".123456", ".000000001", ".999999999", ".12"))
        zone = rng.choice(("Z", "Z", "+00:00", "-05:30", "+23:59"))
        day = rng.choice(("0002-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "9999-12-30", f"{rng.randrange(2, 9999):04}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"))
        return f'"{day}T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction}{zone}"'

    def duration(self) -> str:
        rng = self.rng
        fraction = rng.choice(("", ".0", ".5", ".123", ".123456", ".000000001", ".999999999", ".12"))
        return f'"{rng.choice(("", "-"))}{rng.choice((0, 1, 59, 315575999999, rng.randrange(315576000000)))}{fraction}s"'

    def free(self, depth: int) -> str:
        """Any JSON, for Value."""
        rng = self.rng
        kind = rng.randrange(4 if depth < 1 else 6)
        if kind < 4:
            return ("null", rng.choice(("true", "false")), rng.choice(("0", "-1.5", "1e10", "12345678901234567890")), self.string(self.draw.text().decode()))[kind]
        if kind == 4:
            return "[" + ",".join(self.free(depth - 1) for _ in range(rng.randrange(4))) + "]"
        return self.struct(depth)

    def struct(self, depth: int) -> str:
        names = {self.draw.text().decode() for _ in range(self.rng.randrange(4))}
        return self.object([(self.string(name), self.free(depth - 1)) for name in sorted(names)])

    def any(self, depth: int) -> str:
        rng = self.rng
        if rng.random() < 0.05:
            return "{}"
        inner = rng.choice(self.types)
        head = ('"@type"', self.string(rng.choice(("type.googleapis.com/", "x.example/y/")) + inner.full_name))
        own = self.well_known(inner, depth - 1)
        members = self.members(inner, depth - 1) if own is None else [('"value"', own)]
        members.insert(rng.randrange(len(members) + 1), head)
        return self.object(members)

    def well_known(self, descriptor, depth: int) -> str | None:
        """The text for a type with a JSON form of its own, else None."""
        name, rng = descriptor.full_name, self.rng
        if not name.startswith(GOOGLE) or name == GOOGLE + "Empty":
            return None
        if descriptor.file.name == "google/protobuf/wrappers.proto":
            return self.scalar(descriptor.fields[0])
        if name != GOOGLE + "Value" and (wrong := self.wrong(name)):
            return wrong
        return {
            "Timestamp": self.timestamp, "Duration": self.duration, "Any": lambda: self.any(depth), "Struct": lambda: self.struct(depth),
            "Value": lambda: self.free(depth), "ListValue": lambda: "[" + ",".join(self.free(depth - 1) for _ in range(rng.randrange(4))) + "]",
            "FieldMask": lambda: rng.choice(('""', '"a"', '"fooBar,baz.quxQuux"', '"a,b,c"')),
        }[name.removeprefix(GOOGLE)]()  # fmt: skip

    # Messages

    def value(self, field: F, depth: int) -> str:
        return self.message(field.message_type, depth - 1) if field.message_type else self.scalar(field)

    def message(self, descriptor, depth: int) -> str:
        own = self.well_known(descriptor, depth)
        if own is not None:
            return own
        return self.wrong(descriptor.full_name if descriptor.full_name in WRONG else "message") or self.object(self.members(descriptor, depth))

    def whole(self, field: F, depth: int) -> str:
        rng = self.rng
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            members = {}
            for _ in range(rng.randrange(4)):
                name = self.key(key)
                # Not the same key in two spellings.
                members[name if key.type == F.TYPE_STRING else float(json.loads(name)) if key.type != F.TYPE_BOOL else name] = (name, self.value(value, depth))
            unique = {json.loads(name): (name, text) for name, text in members.values()}
            return self.object(list(unique.values()))
        if field.is_repeated:
            return "[" + ",".join(self.space() + self.value(field, depth) for _ in range(rng.randrange(4))) + "]"
        return self.value(field, depth)

    def members(self, descriptor, depth: int) -> list[tuple[str, str]]:
        rng = self.rng
        fields = list(descriptor.fields)
        extensions = list(descriptor.file.pool.FindAllExtensions(descriptor))
        chosen = rng.sample(fields + extensions, min(len(fields), int(rng.expovariate(0.2)) + 1)) if fields else []
        if depth <= 0:
            chosen = [f for f in chosen if f.message_type is None]
        chosen += [f for f in fields if f.is_required and f not in chosen]
        oneofs = set()
        members = []
        for field in chosen:
            if field.containing_oneof is not None:
                if field.containing_oneof.name in oneofs:
                    continue
                oneofs.add(field.containing_oneof.name)
            name = f"[{field.full_name}]" if field.is_extension else rng.choice((field.json_name, field.json_name, field.name))
            takes_null = (field.message_type or field.enum_type) and (field.message_type or field.enum_type).full_name in (GOOGLE + "Value", GOOGLE + "NullValue")
            if rng.random() < 0.05 and not takes_null and not field.is_required:
                members.append((self.string(name), "null"))
                continue
            members.append((self.string(name), self.whole(field, depth)))
        return self.twice(descriptor, members)

    def twice(self, descriptor, members: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Perhaps the mistake of saying something twice."""
        if self.mistake and members and self.rng.random() < 0.1:
            self.mistake = False
            oneofs = [o for o in descriptor.oneofs if len(o.fields) > 1]
            if oneofs and self.rng.random() < 0.5:
                taken = [f'"{f.json_name}"' for f in self.rng.choice(oneofs).fields if f.message_type is None and f.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_STRING)][:2]
                values = {f'"{f.json_name}"': '"a"' if f.cpp_type == F.CPPTYPE_STRING else "1" for f in descriptor.fields}
                if len(taken) == 2:
                    return [(name, values[name]) for name in taken]
            return members + [members[0]]
        return members
