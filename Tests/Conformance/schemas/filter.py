"""The schema checker under test, as a process: schemas and texts in, verdicts out."""

import json
import os
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary() -> pathlib.Path:
    """`NEXUS_SCHEMA_FILTER`, else the release build of this tree."""
    path = pathlib.Path(os.environ.get("NEXUS_SCHEMA_FILTER", ROOT / ".build/release/schema-filter")).resolve()
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"no schema filter at {path}: `swift build -c release`, or set NEXUS_SCHEMA_FILTER")
    return path


def text(value) -> bytes:
    """A JSON text; what is text already stays as it is."""
    return value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()


def check(records: list[tuple]) -> list[str]:
    """Of each schema with its values: a sign for each (`+`, `-`, `?`, `…`), or `!` and why the schema is refused."""
    sent = b""
    for schema, values in records:
        schema = text(schema)
        sent += struct.pack("<I", len(schema)) + schema + struct.pack("<I", len(values))
        for value in values:
            sent += struct.pack("<I", len(text(value))) + text(value)
    done = subprocess.run([binary()], input=sent, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    answers = []
    at = 0
    while at < len(done.stdout):
        (count,) = struct.unpack_from("<I", done.stdout, at)
        answers.append(done.stdout[at + 4 : at + 4 + count].decode())
        at += 4 + count
    assert len(answers) == len(records)
    return answers
