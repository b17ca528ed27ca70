"""JSON Schema 2020-12: the checker against an independent validator, on written cases and on drawn ones.

`NEXUS_SEED` draws other schemas, `NEXUS_LONG=1` ten times as many.
"""

import json
import os
import pathlib
import random

from jsonschema import Draft202012Validator, FormatChecker
from schemas import draw, filter as checker

SEED = int(os.environ.get("NEXUS_SEED", "6"))
COUNT = 10_000 if os.environ.get("NEXUS_LONG") == "1" else 1_000
CASES = pathlib.Path(__file__).with_name("schemas") / "cases.txt"
FORMATS = FormatChecker(["date", "ipv4"])


def written() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each schema with its values and their signs."""
    cases: list = []
    for line in CASES.read_text().splitlines():
        if line.startswith(("+ ", "- ")):
            cases[-1][1].append((line[2:], line[0]))
        elif line.startswith(("{", "true", "false")):
            cases.append((line, []))
    return cases


def verdict(schema, value) -> str:
    return "+" if Draft202012Validator(schema, format_checker=FORMATS).is_valid(value) else "-"


def test_what_is_written():
    cases = written()
    ours = checker.check([(schema.encode(), [value.encode() for value, _ in values]) for schema, values in cases])
    wrong = []
    for (schema, values), answer in zip(cases, ours):
        Draft202012Validator.check_schema(json.loads(schema))
        expected = "".join(sign for _, sign in values)
        theirs = "".join(verdict(json.loads(schema), json.loads(value)) for value, _ in values)
        if not answer == theirs == expected:
            wrong.append(f"{schema}\n  expected {expected}\n  ours     {answer}\n  theirs   {theirs}")
    assert not wrong, "\n".join(wrong)
    assert len(cases) > 70


def test_what_is_drawn():
    rng = random.Random(SEED)
    drawn = draw.Schemas(rng)
    records = []
    for _ in range(COUNT):
        schema = drawn.document()
        records.append((schema, [draw.value(rng) for _ in range(8)]))
    wrong = []
    signs = ""
    for (schema, values), answer in zip(records, checker.check(records)):
        theirs = "".join(verdict(schema, value) for value in values)
        signs += answer
        if answer != theirs:
            at = next((i for i in range(len(values)) if answer[i : i + 1] != theirs[i]), 0)
            wrong.append(f"{json.dumps(schema)}\n  {json.dumps(values[at])}\n  ours {answer}\n  theirs {theirs}")
    assert not wrong, f"{len(wrong)} differ\n" + "\n".join(sorted(wrong, key=len)[:8])
    assert 0.1 < signs.count("+") / len(signs) < 0.9
