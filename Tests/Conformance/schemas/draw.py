"""Schemas and values, drawn: of every keyword of draft 2020-12, in each other, and values near to what they want."""

import random

NAMES = ("a", "b", "c", "ab", "x-a")
TEXTS = ("", "a", "ab", "abc", "é", "2026-03-01", "10.0.0.1")
PATTERNS = ("^a", "b$", "^[a-c]+$", "^x-", "a|c", "^.{2}$")
FORMATS = ("date", "ipv4")
NUMBERS = (0, 1, 2, 3, -1, 1.5, 2.0, 0.5, 10**20)
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def scalar(rng: random.Random):
    return rng.choice((None, True, False, *NUMBERS, *TEXTS))


def value(rng: random.Random, depth: int = 3):
    kind = rng.random()
    if depth == 0 or kind < 0.4:
        return scalar(rng)
    if kind < 0.65:
        return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
    return {name: value(rng, depth - 1) for name in rng.sample(NAMES, rng.randrange(5))}


class Schemas:
    """Draws documents; references lead to four definitions of the document itself."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def document(self) -> dict:
        schema = self.schema(3)
        if not isinstance(schema, dict):
            schema = {"allOf": [schema]}
        schema["$defs"] = {f"d{i}": self.definition(i) for i in range(4)}
        return schema

    def definition(self, i: int):
        """Only what comes behind may be referred to for the same value, so that checking ends."""
        self.lowest = i + 1
        schema = self.schema(1)
        self.lowest = 0
        if isinstance(schema, dict) and i == 3:
            schema["$anchor"] = "last"
        return schema

    lowest = 0

    def schema(self, depth: int):
        rng = self.rng
        if depth == 0 or rng.random() < 0.12:
            return rng.choice((True, False, {}, {"type": rng.choice(TYPES)}, {"const": scalar(rng)}))
        drawn: dict = {}
        for _ in range(rng.choice((1, 2, 2, 3, 4))):
            drawn.update(rng.choice(self.choices)(self, depth - 1))
        if rng.random() < 0.15:
            drawn["unevaluatedProperties"] = self.schema(min(depth - 1, 1))
        if rng.random() < 0.1:
            drawn["unevaluatedItems"] = self.schema(min(depth - 1, 1))
        for kind in ("Length", "Items", "Properties"):
            # Nothing fits between bounds that cross: such a schema is refused.
            if drawn.get("min" + kind, 0) > drawn.get("max" + kind, 9):
                del drawn["min" + kind]
        return drawn

    def of_values(self, depth: int) -> dict:
        rng = self.rng
        return rng.choice((
            {"type": rng.choice(TYPES)}, {"type": rng.sample(TYPES, 3)}, {"enum": [value(rng, 1) for _ in range(4)]},
            {"const": value(rng, 2)}, {"minimum": rng.choice(NUMBERS)}, {"exclusiveMaximum": rng.choice(NUMBERS)},
            {"maximum": rng.choice(NUMBERS), "exclusiveMinimum": -1}, {"multipleOf": rng.choice((1, 2, 3, 0.5))},
            {"minLength": rng.randrange(3)}, {"maxLength": rng.randrange(3)}, {"pattern": rng.choice(PATTERNS)},
            {"format": rng.choice(FORMATS)},
        ))

    def of_arrays(self, depth: int) -> dict:
        rng = self.rng
        return rng.choice((
            {"items": self.schema(depth)}, {"prefixItems": [self.schema(depth) for _ in range(rng.randrange(1, 3))]},
            {"prefixItems": [self.schema(depth)], "items": self.schema(depth)}, {"uniqueItems": rng.random() < 0.8},
            {"minItems": rng.randrange(3)}, {"maxItems": rng.randrange(4)}, {"contains": self.schema(depth)},
            {"contains": self.schema(depth), "minContains": rng.randrange(3)},
            {"contains": self.schema(depth), "maxContains": rng.randrange(3), "minContains": rng.randrange(2)},
        ))

    def of_objects(self, depth: int) -> dict:
        rng = self.rng
        return rng.choice((
            {"properties": {name: self.schema(depth) for name in rng.sample(NAMES, 2)}},
            {"properties": {name: self.schema(depth) for name in rng.sample(NAMES, 3)}, "additionalProperties": self.schema(depth)},
            {"patternProperties": {pattern: self.schema(depth) for pattern in rng.sample(PATTERNS, 2)}},
            {"additionalProperties": self.schema(depth)}, {"propertyNames": self.schema(min(depth, 1))},
            {"required": rng.sample(NAMES, 2)}, {"minProperties": rng.randrange(3)}, {"maxProperties": rng.randrange(4)},
            {"dependentRequired": {rng.choice(NAMES): rng.sample(NAMES, 2)}},
            {"dependentSchemas": {name: self.schema(depth) for name in rng.sample(NAMES, 2)}},
        ))

    def in_place(self, depth: int) -> dict:
        rng = self.rng
        keyword = rng.choice(("allOf", "anyOf", "oneOf", "not", "if", "$ref", "$ref"))
        if keyword == "not":
            return {"not": self.schema(depth)}
        if keyword == "if":
            drawn = {"if": self.schema(depth), "then": self.schema(depth), "else": self.schema(depth)}
            drawn.pop(rng.choice(("then", "else", "if")) if rng.random() < 0.3 else "", None)
            return drawn
        if keyword == "$ref":
            place = rng.randrange(self.lowest, 4) if self.lowest < 4 else None
            if place is None:
                return {"allOf": [True]}
            return {"$ref": "#last" if place == 3 and self.anchored else f"#/$defs/d{place}"}
        return {keyword: [self.schema(depth) for _ in range(rng.randrange(1, 4))]}

    anchored = False
    choices = (of_values, of_arrays, of_objects, of_objects, in_place, in_place)
