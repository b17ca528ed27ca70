"""ProtoJSON both ways against the reference implementation, on generated messages: no difference.

`NEXUS_SEED` draws other messages, `NEXUS_LONG=1` ten times as many.
"""

import json
import os
import random
import re
import struct

import pytest
from messages import filter as transcoder
from messages.reference import Reference
from messages.text import Speller
from messages.wire import Drawer

SEED = int(os.environ.get("NEXUS_SEED", "4"))
COUNT = 100_000 if os.environ.get("NEXUS_LONG") == "1" else 10_000
MAIN = ("conformance.Everything", "conformance.Everything.Inner", "conformance.Legacy", "conformance.Edition")
GOOGLE = ("Timestamp", "Duration", "Any", "Struct", "Value", "StringValue", "UInt64Value", "Empty", "FieldMask", "ListValue")


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    return Reference(tmp_path_factory.mktemp("descriptors"))


@pytest.fixture(scope="module")
def types(reference) -> list:
    return [reference.type(name).DESCRIPTOR for name in (*MAIN, *("google.protobuf." + name for name in GOOGLE))]


def drawn(rng: random.Random, types: list):
    """Mostly the large types."""
    return rng.choice(types[: len(MAIN)] if rng.random() < 0.97 else types)


def same(ours, theirs) -> bool:
    """Equal as JSON; below the normal range of 32 bits the reference prints more digits than it takes."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        tiny = abs(ours) < 1.2e-38 and struct.pack("<f", ours) == struct.pack("<f", theirs)
        return tiny or (ours == theirs and str(float(ours)) == str(float(theirs)))
    return type(ours) is type(theirs) and ours == theirs


def test_messages_print_as_the_reference_prints_them(reference, types):
    rng = random.Random(SEED)
    draw = Drawer(rng, types)
    records = []
    for _ in range(COUNT):
        chosen = drawn(rng, types)
        records.append((rng.choice("jjd"), chosen.full_name, draw.message(chosen, 3)))
    refused = 0
    for (direction, name, data), (accepted, text) in zip(records, transcoder.put(reference.set, records)):
        expected = reference.to_json(name, data, defaults=direction == "d")
        if expected is None and not accepted:
            refused += 1
            continue
        # `Value` and what holds one may print null, which is not refusing.
        assert accepted, (name, data.hex(), text, expected)
        assert expected is not None or text == b"null", (name, data.hex(), text)
        assert same(json.loads(text), expected), (name, data.hex(), text, expected)
    assert 0 < refused < COUNT / 20


def test_json_in_every_spelling_reads_as_the_reference_reads_it(reference, types):
    rng = random.Random(SEED + 1)
    speller = Speller(rng, types)
    records = []
    for _ in range(COUNT):
        chosen = drawn(rng, types)
        records.append(("m", chosen.full_name, speller.text(chosen, 3)))
    for (_, name, text), (accepted, data) in zip(records, transcoder.put(reference.set, records)):
        expected = reference.from_json(name, text)
        assert expected is not None, (name, text)
        assert accepted, (name, text, data)
        ours = reference.type(name).FromString(data)
        assert reference.canonical(ours) == reference.canonical(expected), (name, text, ours, expected)


def test_what_is_printed_reads_back_the_same(reference, types):
    rng = random.Random(SEED + 2)
    draw = Drawer(rng, types[: len(MAIN)])
    records = []
    while len(records) < COUNT // 5:
        chosen = rng.choice(types[: len(MAIN)])
        data = draw.message(chosen, 3)
        if reference.to_json(chosen.full_name, data) is not None:
            records.append(("j", chosen.full_name, data))
    printed = transcoder.put(reference.set, records)
    # An unknown number of NullValue prints as null, which reads as 0, which is not printed.
    kept = [i for i, (_, text) in enumerate(printed) if b'"nullValue":null' not in text]
    records, printed = [records[i] for i in kept], [printed[i] for i in kept]
    again = transcoder.put(reference.set, [("m", name, text) for (_, name, _), (_, text) in zip(records, printed)])
    third = transcoder.put(reference.set, [("j", name, data) for (_, name, _), (accepted, data) in zip(records, again) if accepted])
    firsts = [text for (_, text), (accepted, _) in zip(printed, again) if accepted]
    for first, (_, text) in zip(firsts, third, strict=True):
        assert same(json.loads(first), json.loads(text)), (first, text)
    # A required field may be missing in bytes, not in JSON.
    missing = [text for accepted, text in again if not accepted]
    assert all(text.endswith(b"is required") for text in missing), missing[:3]


def test_one_mistake_is_refused_by_both(reference, types):
    rng = random.Random(SEED + 3)
    speller = Speller(rng, types)
    records = []
    while len(records) < COUNT // 2:
        chosen = drawn(rng, types)
        text = speller.text(chosen, 3, mistake=True)
        if not speller.mistake:  # a place for it was found
            records.append(("m", chosen.full_name, text))
    both = 0
    for (_, name, text), (accepted, answer) in zip(records, transcoder.put(reference.set, records)):
        expected = reference.from_json(name, text)
        assert (expected is None) == (not accepted), (name, text, answer, expected)
        both += expected is None
        if not accepted:
            pointer, _, reason = answer.partition(b" ")
            assert (pointer == b"" or pointer.startswith(b"/")) and reason, answer
    assert both > len(records) * 0.98


def test_damaged_messages_are_refused_or_read_by_both(reference, types):
    rng = random.Random(SEED + 4)
    draw = Drawer(rng, types)
    records, cut = [], []
    while len(records) < COUNT // 5:
        chosen = drawn(rng, types)
        data = bytearray(draw.message(chosen, 2))
        if len(data) < 2:
            continue
        cut.append(rng.random() < 0.5)
        if cut[-1]:
            del data[rng.randrange(len(data)) :]
        else:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        records.append(("j", chosen.full_name, bytes(data)))
    for is_cut, (_, name, data), (accepted, text) in zip(cut, records, transcoder.put(reference.set, records)):
        expected = reference.to_json(name, data)
        if expected is None and text == b"null":
            continue
        # Of proto2 the reference prints Python's notation for the bytes; JSON has none.
        if not accepted and b"UTF-8" in text and re.search(r"\bb\\*['\"]", str(expected)):
            continue
        assert accepted == (expected is not None), (name, data.hex(), text, expected)
        # A changed bit may make an unknown field in a map's entry: see `Drawer.message`.
        if accepted and is_cut:
            assert same(json.loads(text), expected), (name, data.hex(), text, expected)
