"""The transcoder under test, as a process: records in, answers out."""

import os
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary() -> pathlib.Path:
    """`NEXUS_MESSAGE_FILTER`, else the release build of this tree."""
    path = pathlib.Path(os.environ.get("NEXUS_MESSAGE_FILTER", ROOT / ".build/release/message-filter")).resolve()
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"no message filter at {path}: `swift build -c release`, or set NEXUS_MESSAGE_FILTER")
    return path


def put(descriptors: pathlib.Path, records: list[tuple[str, str, bytes]], *arguments: str) -> list[tuple[bool, bytes]]:
    """Direction (`j`, `d` or `m`), type and input of each record, to (accepted, output) of each."""
    sent = b"".join(
        struct.pack("<I", 2 + len(name) + len(data)) + direction.encode() + bytes([len(name)]) + name.encode() + data
        for direction, name, data in records
    )
    done = subprocess.run([binary(), descriptors, *arguments], input=sent, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    answers = []
    at = 0
    while at < len(done.stdout):
        (count,) = struct.unpack_from("<I", done.stdout, at)
        answer = done.stdout[at + 4 : at + 4 + count]
        answers.append((answer[:1] == b"+", answer[1:]))
        at += 4 + count
    assert len(answers) == len(records)
    return answers
